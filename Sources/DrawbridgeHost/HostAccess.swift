public import DrawbridgeModel
import Netlink
import Nftables
import RouteNetlink

/// The kernel within a transaction: every call is synchronous and happens in the host's namespace.
public struct HostAccess: ~Copyable {
    /// The socket that asks and changes.
    var route: RouteSocket
    var diagnostics: SocketDiagnostics
    var nftables: NftablesSocket
    let packets: PacketSocket
    let sysctl = Sysctl()
    /// How much was asked of the kernel so far.
    public internal(set) var traffic = KernelTraffic()

    /// Opens every socket in the calling thread's namespace.
    init() throws(DrawbridgeError) {
        let route = try opened("rtnetlink") { () throws(NetlinkError) in try RouteSocket() }
        let diagnostics = try opened("sock_diag") { () throws(NetlinkError) in try SocketDiagnostics() }
        let nftables = try opened("nf_tables") { () throws(NetlinkError) in try NftablesSocket() }
        let packets = try PacketSocket()
        self.route = route
        self.diagnostics = diagnostics
        self.nftables = nftables
        self.packets = packets
    }

    /// What tells this boot and this namespace from every other.
    public func identity() throws(DrawbridgeError) -> HostIdentity { try HostIdentity.current() }

    /// The offload features of a device by the kernel's names; empty where its driver does not tell.
    public func features(ofLink name: String) -> [String: Bool] { Ethtool.features(ofLink: name) }
}

/// Opens a socket, its error told as one of ours.
func opened<Socket: ~Copyable>(
    _ name: String, _ open: () throws(NetlinkError) -> Socket
) throws(DrawbridgeError) -> Socket {
    do throws(NetlinkError) { return try open() } catch {
        throw DrawbridgeError(error, about: name, doing: "cannot be opened")
    }
}

extension DrawbridgeError {
    /// An error of netlink: the thing it is about, and the kernel's own text.
    init(_ error: NetlinkError, about object: String, doing what: String? = nil) {
        self.init(.kernel, object, what.map { "\($0): \(error)" } ?? "\(error)")
    }
}
