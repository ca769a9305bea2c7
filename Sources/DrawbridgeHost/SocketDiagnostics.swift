import Glibc
import LinuxHeaders
import Netlink

/// Asks the kernel which sockets are bound to a device (sock_diag(7)).
struct SocketDiagnostics: ~Copyable {
    private var connection: NetlinkConnection<NetlinkSocket>

    /// A socket that is bound to the device.
    struct BoundSocket: Hashable {
        enum Kind: Hashable {
            /// It sees whole frames (packet(7)), as DHCP clients do.
            ///
            /// With the kind of frames that it wants (`ETH_P_*`).
            case packet(protocol: UInt16)
            /// UDP, with its local port.
            case udp(port: UInt16)
            case tcp(port: UInt16)
            case raw
        }
        var kind: Kind
        var inode: UInt32
    }

    /// Opens it in the calling thread's namespace.
    init() throws(NetlinkError) {
        connection = NetlinkConnection(try NetlinkSocket(.socketDiagnostics))
    }

    /// The sockets that wait for what comes to a port, by their inodes, on whatever address but loopback ones.
    mutating func listeners(onPort port: UInt16, isTCP: Bool) throws(NetlinkError) -> Set<UInt32> {
        var inodes: Set<UInt32> = []
        for family in [AF_INET, AF_INET6] {
            let found = try tolerant { connection throws(NetlinkError) in
                try Self.internetSockets(&connection, family, Int32(isTCP ? IPPROTO_TCP : IPPROTO_UDP)) {
                    header in
                    // TCP_LISTEN; a socket of UDP without a peer is in TCP_CLOSE.
                    header.idiag_state == (isTCP ? 10 : 7) && UInt16(bigEndian: header.id.idiag_sport) == port
                        && !Self.isLoopback(header.id.idiag_src, family)
                }
            }
            inodes.formUnion(found.map(\.inode))
        }
        return inodes
    }

    private static func isLoopback(
        _ words: (UInt32, UInt32, UInt32, UInt32), _ family: Int32
    ) -> Bool {
        if family == AF_INET { return UInt32(bigEndian: words.0) >> 24 == 127 }
        return words.0 == 0 && words.1 == 0 && words.2 == 0 && UInt32(bigEndian: words.3) == 1
    }

    /// Every socket bound to the device. Families that the kernel has no diagnostics for are left out.
    mutating func sockets(boundTo index: Int32) throws(NetlinkError) -> [BoundSocket] {
        var sockets: [BoundSocket] = []
        for (family, type) in [
            (AF_INET, IPPROTO_UDP), (AF_INET6, IPPROTO_UDP), (AF_INET, IPPROTO_TCP),
            (AF_INET6, IPPROTO_TCP), (AF_INET, IPPROTO_RAW), (AF_INET6, IPPROTO_RAW),
        ] {
            sockets += try tolerant { connection throws(NetlinkError) in
                try Self.internetSockets(&connection, family, Int32(type)) {
                    $0.id.idiag_if == UInt32(bitPattern: index)
                }
            }
        }
        sockets += try tolerant { connection throws(NetlinkError) in
            try Self.packetSockets(&connection, boundTo: index)
        }
        return sockets
    }

    private mutating func tolerant(
        _ body: (inout NetlinkConnection<NetlinkSocket>) throws(NetlinkError) -> [BoundSocket]
    ) throws(NetlinkError) -> [BoundSocket] {
        do throws(NetlinkError) { return try body(&connection) } catch {
            if error.errno == ENOENT || error.errno == EINVAL { return [] }
            throw error
        }
    }

    private static func internetSockets(
        _ connection: inout NetlinkConnection<NetlinkSocket>, _ family: Int32, _ type: Int32,
        where isWanted: (inet_diag_msg) -> Bool
    ) throws(NetlinkError) -> [BoundSocket] {
        var request = MessageBuffer()
        request.message(type: Int(SOCK_DIAG_BY_FAMILY)) { request in
            var header = inet_diag_req_v2()
            header.sdiag_family = UInt8(family)
            header.sdiag_protocol = UInt8(type)
            header.idiag_states = .max
            request.header(header)
        }
        return try connection.dump(&request) { message throws(NetlinkError) -> BoundSocket? in
            guard let header = message.header(as: inet_diag_msg.self),
                isWanted(header)
            else { return nil }
            let port = UInt16(bigEndian: header.id.idiag_sport)
            let kind: BoundSocket.Kind =
                switch type {
                case Int32(IPPROTO_UDP): .udp(port: port)
                case Int32(IPPROTO_TCP): .tcp(port: port)
                default: .raw
                }
            return BoundSocket(kind: kind, inode: header.idiag_inode)
        }
    }

    private static func packetSockets(
        _ connection: inout NetlinkConnection<NetlinkSocket>, boundTo index: Int32
    ) throws(NetlinkError) -> [BoundSocket] {
        var request = MessageBuffer()
        request.message(type: Int(SOCK_DIAG_BY_FAMILY)) { request in
            var header = packet_diag_req()
            header.sdiag_family = UInt8(AF_PACKET)
            header.pdiag_show = UInt32(PACKET_SHOW_INFO)
            request.header(header)
        }
        return try connection.dump(&request) { message throws(NetlinkError) -> BoundSocket? in
            guard let header = message.header(as: packet_diag_msg.self) else { return nil }
            var attributes = message.attributes(after: packet_diag_msg.self)
            while let attribute = attributes.next() {
                guard attribute.type == Int(PACKET_DIAG_INFO),
                    let info = attribute.value(as: packet_diag_info.self)
                else { continue }
                guard info.pdi_index == UInt32(bitPattern: index) else { return nil }
                return BoundSocket(
                    kind: .packet(protocol: header.pdiag_num), inode: header.pdiag_ino)
            }
            return nil
        }
    }
}
