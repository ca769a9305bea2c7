import Glibc
import LinuxHeaders

/// A netlink protocol (linux/netlink.h).
public struct NetlinkProtocol: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Links, addresses, routes: rtnetlink(7).
    public static let route = NetlinkProtocol(rawValue: NETLINK_ROUTE)
    /// Sockets of the host: sock_diag(7).
    public static let socketDiagnostics = NetlinkProtocol(rawValue: NETLINK_SOCK_DIAG)
    /// nf_tables and its kin.
    public static let netfilter = NetlinkProtocol(rawValue: NETLINK_NETFILTER)
    /// Generic netlink, such as ethtool's.
    public static let generic = NetlinkProtocol(rawValue: NETLINK_GENERIC)
}

/// What carries netlink messages: the kernel's socket, or a script in a test.
public protocol NetlinkTransport: ~Copyable {
    /// Our port id, to which answers are addressed.
    var port: UInt32 { get }

    /// Sends one or more whole messages as one datagram.
    mutating func send(_ bytes: RawSpan) throws(NetlinkError)

    /// Receives one datagram of whole messages.
    ///
    /// - Parameter waiting: whether to wait until there is one.
    /// - Returns: the number of octets; nil if there is none and `waiting` is false.
    /// - Throws: `NetlinkError.overrun` if the kernel dropped messages before this one.
    mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer, waiting: Bool
    ) throws(NetlinkError) -> Int?
}

/// A netlink socket of the network namespace in which the thread was that opened it; it stays there.
public struct NetlinkSocket: ~Copyable, NetlinkTransport, Sendable {
    /// The file descriptor, for `poll`; it belongs to this value and is closed with it.
    public let descriptor: Int32
    /// The port id that the kernel chose.
    public private(set) var port: UInt32 = 0
    private var sendLimit: Int

    /// Opens a socket with extended errors, capped acknowledgements and strict checks of dump requests.
    ///
    /// - Parameter receiveBuffer: how many octets may wait to be read. The kernel takes memory only for what
    ///   waits; without CAP_NET_ADMIN it grants less (`net.core.rmem_max`).
    public init(_ netlinkProtocol: NetlinkProtocol, receiveBuffer: Int32 = 8 << 20) throws(NetlinkError) {
        let type = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_NETLINK, type, netlinkProtocol.rawValue)
        sendLimit = 0
        guard descriptor >= 0 else { throw .system(call: "socket(AF_NETLINK)", errno: errno) }

        try setOption(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        try setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        if netlinkProtocol == .route { try setOption(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1) }
        if (try? setOption(SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer)) == nil {
            try setOption(SOL_SOCKET, SO_RCVBUF, receiveBuffer)
        }
        // The kernel answers before a send returns: a wait this long means that the answer was lost.
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        guard
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0
        else { throw .system(call: "setsockopt(SO_RCVTIMEO)", errno: errno) }

        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
        let fd = descriptor
        let named = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(fd, pointer, length) == 0 && getsockname(fd, pointer, &length) == 0
            }
        }
        guard named else { throw .system(call: "bind(AF_NETLINK)", errno: errno) }
        port = address.nl_pid
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Subscribes to a multicast group (`RTNLGRP_*`, `NFNLGRP_*`).
    public func join(group: UInt32) throws(NetlinkError) {
        try setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, Int32(bitPattern: group))
    }

    /// Subscribes also to what happens in namespaces that have an id in this one
    /// (`NETLINK_LISTEN_ALL_NSID`).
    public func listenToAllNamespaces() throws(NetlinkError) {
        try setOption(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
    }

    /// The cookie of the socket's network namespace (`SO_NETNS_COOKIE`): unique until the machine restarts.
    public func namespaceCookie() throws(NetlinkError) -> UInt64 {
        var cookie: UInt64 = 0
        var length = socklen_t(MemoryLayout<UInt64>.size)
        guard
            unsafe getsockopt(descriptor, SOL_SOCKET, Int32(LINUX_SO_NETNS_COOKIE), &cookie, &length)
                == 0
        else { throw .system(call: "getsockopt(SO_NETNS_COOKIE)", errno: errno) }
        return cookie
    }

    public mutating func send(_ bytes: RawSpan) throws(NetlinkError) {
        if bytes.byteCount > sendLimit { try raiseSendLimit(to: bytes.byteCount) }
        let fd = descriptor
        while true {
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(fd, buffer.baseAddress, buffer.count, 0)
            }
            if sent == bytes.byteCount { return }
            guard sent < 0 else { throw .malformed("only \(sent) of \(bytes.byteCount) octets were sent") }
            if errno != EINTR { throw .system(call: "send(AF_NETLINK)", errno: errno) }
        }
    }

    public mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer, waiting: Bool
    ) throws(NetlinkError) -> Int? {
        unsafe try read(into: buffer, waiting: waiting)
    }

    /// Receives one datagram of what was subscribed to, without waiting; nil if there is none.
    func receiveEvent(into buffer: UnsafeMutableRawBufferPointer) throws(NetlinkError) -> Int? {
        unsafe try read(into: buffer, waiting: false)
    }

    private func read(
        into buffer: UnsafeMutableRawBufferPointer, waiting: Bool
    ) throws(NetlinkError) -> Int? {
        while true {
            var sender = sockaddr_nl()
            var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
            let flags = Int32(MSG_TRUNC) | (waiting ? 0 : Int32(MSG_DONTWAIT))
            let fd = descriptor
            let count = unsafe withUnsafeMutablePointer(to: &sender) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    unsafe recvfrom(fd, buffer.baseAddress, buffer.count, flags, pointer, &length)
                }
            }
            guard count >= 0 else {
                switch errno {
                case EINTR: continue
                case ENOBUFS: throw .overrun
                case EAGAIN where !waiting: return nil
                default: throw .system(call: "recvfrom(AF_NETLINK)", errno: errno)
                }
            }
            // Only the kernel has port 0: what another process sends us is not an answer.
            guard sender.nl_pid == 0 else { continue }
            guard count <= buffer.count else {
                throw .malformed("a datagram of \(count) octets is longer than the receive buffer")
            }
            return count
        }
    }

    /// A datagram must fit into the send buffer; `net.core.wmem_max` does not bind CAP_NET_ADMIN.
    private mutating func raiseSendLimit(to size: Int) throws(NetlinkError) {
        var current: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        if unsafe getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &current, &length) == 0,
            Int(current) - 4096 >= size
        {
            sendLimit = Int(current) - 4096
            return
        }
        guard let wanted = Int32(exactly: max(size + 8192, 1 << 20)) else {
            throw .encoding(.messageTooLong(length: size))
        }
        if (try? setOption(SOL_SOCKET, SO_SNDBUFFORCE, wanted)) == nil {
            try setOption(SOL_SOCKET, SO_SNDBUF, wanted)
        }
        sendLimit = Int(wanted) - 4096
    }

    private func setOption(_ level: Int32, _ option: Int32, _ value: Int32) throws(NetlinkError) {
        var value = value
        guard
            unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
        else { throw .system(call: "setsockopt(\(option))", errno: errno) }
    }
}
