import Glibc
import LinuxHeaders
public import Netlink
public import NetworkTypes

/// A socket to the kernel's table of connections, in the network namespace of the thread that opened it.
public struct ConntrackSocket: ~Copyable {
    private var connection: NetlinkConnection<NetlinkSocket>

    /// The kernel's requests (`IPCTNL_MSG_CT_*` of linux/netfilter/nfnetlink_conntrack.h).
    private enum Request: Int {
        case get = 1
        case delete = 2

        var type: Int { Int(NFNL_SUBSYS_CTNETLINK) << 8 | rawValue }
    }

    /// Opens it.
    public init() throws(NetlinkError) {
        connection = NetlinkConnection(try NetlinkSocket(.netfilter))
    }

    /// Every connection of a family that has ports.
    public mutating func connections(_ family: AddressFamily) throws(NetlinkError) -> [Connection] {
        var request = MessageBuffer(capacity: 64)
        request.message(type: Request.get.type) { $0.header(Self.header(family)) }
        return try connection.dump(&request) { message throws(NetlinkError) in Connection.decode(message) }
    }

    /// Forgets connections: what comes of them next is as if it were the first. Those that ended meanwhile are passed
    /// over.
    ///
    /// - Throws: the first refusal that means anything else.
    public mutating func delete(_ connections: [Connection]) throws(NetlinkError) {
        guard !connections.isEmpty else { return }
        var request = MessageBuffer(capacity: 128 * connections.count)
        for one in connections {
            request.message(type: Request.delete.type) { message in
                message.header(Self.header(one.destination.family))
                message.nest(ConntrackAttribute.original) { $0.append(one.original) }
                if let identifier = one.identifier { message.put(ConntrackAttribute.identifier, identifier) }
            }
        }
        do throws(NetlinkError) { try connection.commit(&request) } catch {
            guard case .refused(let refusals) = error, refusals.allSatisfy({ $0.errno == ENOENT }) else {
                throw error
            }
        }
    }

    private static func header(_ family: AddressFamily) -> nfgenmsg {
        nfgenmsg(nfgen_family: family.rawValue, version: 0, res_id: 0)
    }
}
