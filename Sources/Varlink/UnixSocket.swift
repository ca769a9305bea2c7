import Glibc

/// Unix sockets (unix(7)): made close-on-exec and non-blocking, owned by whoever made them.
public enum UnixSocket {
    /// How a socket keeps its messages apart.
    public enum Kind: Hashable, Sendable {
        /// SOCK_STREAM: one run of octets.
        case stream
        /// SOCK_SEQPACKET: whole messages, in order.
        case sequencedPacket
        /// SOCK_DGRAM: whole messages, without a connection.
        case datagram

        var rawValue: Int32 {
            switch self {
            case .stream: Int32(SOCK_STREAM.rawValue)
            case .sequencedPacket: Int32(SOCK_SEQPACKET.rawValue)
            case .datagram: Int32(SOCK_DGRAM.rawValue)
            }
        }
    }

    /// The most octets that the path of a socket may have (`sun_path` less its NUL).
    public static let maximumPathLength = 107

    /// Makes a socket that is not connected.
    public static func make(_ kind: Kind) throws(SocketError) -> OwnedDescriptor {
        let flags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind.rawValue | flags, 0)
        guard descriptor >= 0 else { throw SocketError.last("socket") }
        return OwnedDescriptor(taking: descriptor)
    }

    /// Connects to the socket at `path`; a leading `@` names one in the abstract namespace.
    public static func connect(to path: String, _ kind: Kind) throws(SocketError) -> OwnedDescriptor {
        let socket = try make(kind)
        let result = try withAddress(of: path) { address, length in
            Glibc.connect(socket.rawValue, address, length)
        }
        guard result == 0 else { throw SocketError.last("connect to \(path)") }
        return socket
    }

    /// Binds a socket to `path` and listens, the file having `mode` from its first moment.
    ///
    /// The permissions of the socket itself are those its file gets (`unix_bind_bsd` in net/unix/af_unix.c),
    /// so that there is no time at which others may connect.
    public static func listen(
        at path: String, _ kind: Kind, mode: UInt32 = 0o600, backlog: Int32 = 1024
    ) throws(SocketError) -> OwnedDescriptor {
        let socket = try make(kind)
        guard fchmod(socket.rawValue, mode) == 0 else { throw SocketError.last("fchmod \(path)") }
        let result = try withAddress(of: path) { address, length in
            Glibc.bind(socket.rawValue, address, length)
        }
        guard result == 0 else { throw SocketError.last("bind \(path)") }
        guard Glibc.listen(socket.rawValue, backlog) == 0 else { throw SocketError.last("listen \(path)") }
        return socket
    }

    /// Accepts one connection; nil if none waits.
    public static func accept(_ listener: borrowing OwnedDescriptor) throws(SocketError) -> OwnedDescriptor? {
        while true {
            // accept4 is hidden behind _GNU_SOURCE; the flags are set after, nothing here forks meanwhile
            // without closing its descriptors.
            let descriptor = Glibc.accept(listener.rawValue, nil, nil)
            if descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
                return OwnedDescriptor(taking: descriptor)
            }
            switch errno {
            case EAGAIN: return nil
            case EINTR, ECONNABORTED: continue
            default: throw SocketError.last("accept")
            }
        }
    }

    /// Waits until the socket is ready for `events` (poll(2)); false after `timeout` milliseconds.
    public static func wait(
        _ socket: borrowing OwnedDescriptor, for events: Int32, milliseconds timeout: Int32
    ) -> Bool {
        let deadline = monotonicMilliseconds() + Int64(max(timeout, 0))
        while true {
            var entry = pollfd(fd: socket.rawValue, events: Int16(events), revents: 0)
            let left = timeout < 0 ? -1 : Int32(max(0, deadline - monotonicMilliseconds()))
            let count = poll(&entry, 1, left)
            if count > 0 { return true }
            if count == 0 { return false }
            if errno != EINTR { return true }
        }
    }

    static func withAddress(
        of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SocketError) -> Int32 {
        var octets = Array(path.utf8)
        guard !octets.isEmpty, octets.count <= maximumPathLength, !octets.contains(0) else {
            throw SocketError("path '\(path)'", code: ENAMETOOLONG)
        }
        // An abstract name has no NUL at its end: its length is part of the address.
        let isAbstract = octets[0] == UInt8(ascii: "@")
        if isAbstract { octets[0] = 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        let pathOffset = MemoryLayout<sa_family_t>.size
        let length = pathOffset + octets.count + (isAbstract ? 0 : 1)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}

/// Milliseconds on a clock that only goes forward (CLOCK_MONOTONIC).
func monotonicMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
