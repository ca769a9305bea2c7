public import DrawbridgeModel
import Netlink
public import NetworkTypes
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
    /// What the filter is to hold.
    var filter = FilterMemory()
    /// What the groups are to let pass.
    var securityGroups = GroupMemory()
    /// What nf_tables is to hold of the limits.
    var rates = RateMemory()
    /// Whether the table of routed networks is this process's own.
    var isRoutingTakenOver = false
    /// How much was asked of the kernel so far.
    public internal(set) var traffic = KernelTraffic()

    /// Opens every socket in the calling thread's namespace.
    /// - Parameter layout: How the filter is to lie in the kernel; nil for the best that the kernel can do.
    init(layout: FilterLayout? = nil) throws(DrawbridgeError) {
        let route = try opened("rtnetlink") { () throws(NetlinkError) in try RouteSocket() }
        let diagnostics = try opened("sock_diag") { () throws(NetlinkError) in try SocketDiagnostics() }
        let nftables = try opened("nf_tables") { () throws(NetlinkError) in try NftablesSocket() }
        let packets = try PacketSocket()
        self.route = route
        self.diagnostics = diagnostics
        self.nftables = nftables
        self.packets = packets
        filter.layout = layout
    }

    /// What tells this boot and this namespace from every other.
    public func identity() throws(DrawbridgeError) -> HostIdentity { try HostIdentity.current() }

    /// The offload features of a device by the kernel's names; empty where its driver does not tell.
    public func features(ofLink name: String) -> [String: Bool] { Ethtool.features(ofLink: name) }
}

extension TunSettings {
    /// How many requests make such a device.
    var requests: Int {
        1 + (owner == nil ? 0 : 1) + (group == nil ? 0 : 1) + (isPersistent ? 1 : 0)
    }
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

extension HostAccess {
    /// Makes a tun or tap device.
    ///
    /// - Returns: its index.
    /// - Throws: `kernel` with the kernel's own text, as where the name is taken.
    public mutating func createTap(_ name: LinkName, _ settings: TunSettings) throws(DrawbridgeError) -> Int32
    {
        traffic.changes += settings.requests
        try TunTap.create(name, settings)
        guard let device = try link(named: name) else {
            throw DrawbridgeError(
                .kernel, name.rawValue, "it vanished as soon as it was made", advice: "make it persistent")
        }
        return device.index
    }

    /// Makes a tap that is there as long as somebody has its descriptor.
    ///
    /// - Throws: `kernel` with the kernel's own text, as where the name is taken.
    public mutating func holdTap(
        _ name: LinkName, _ settings: TunSettings
    ) throws(DrawbridgeError) -> TapDescriptor {
        traffic.changes += 1
        return try TunTap.hold(name, settings)
    }

    /// Deletes a persistent tun or tap device that no program has open.
    public mutating func deleteTap(_ name: LinkName, _ settings: TunSettings) throws(DrawbridgeError) {
        traffic.changes += 1
        try TunTap.delete(name, settings)
    }
}
