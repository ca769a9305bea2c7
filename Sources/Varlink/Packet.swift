import Glibc

/// One message of a SOCK_SEQPACKET socket with the descriptors that came or go with it (unix(7), SCM_RIGHTS).
public struct Packet: ~Copyable, Sendable {
    /// The octets.
    public var content: [UInt8]
    /// At most one descriptor; more are closed unseen.
    public var descriptor: OwnedDescriptor?
    /// Whether the message was longer than there was room for.
    public var isTruncated = false

    /// Makes a packet to send.
    public init(_ content: [UInt8], descriptor: consuming OwnedDescriptor? = nil) {
        self.content = content
        self.descriptor = descriptor
    }

    // cmsghdr and its alignment on 64-bit Linux: a length, a level and a type, then the descriptors.
    private static let headerSize = MemoryLayout<cmsghdr>.size
    /// Room for more descriptors than the kernel passes at once (SCM_MAX_FD is 253), so that all are seen.
    private static let controlRoom = headerSize + 256 * MemoryLayout<Int32>.size

    /// Sends one packet; `descriptor` stays the caller's.
    public static func send(
        _ content: [UInt8], descriptor: Int32? = nil, to socket: borrowing OwnedDescriptor
    ) throws(SocketError) {
        var control = [UInt8]()
        if let descriptor {
            var header = cmsghdr()
            header.cmsg_len = headerSize + MemoryLayout<Int32>.size
            header.cmsg_level = SOL_SOCKET
            header.cmsg_type = Int32(SCM_RIGHTS)
            withUnsafeBytes(of: header) { control.append(contentsOf: $0) }
            withUnsafeBytes(of: descriptor) { control.append(contentsOf: $0) }
            control.append(contentsOf: [0, 0, 0, 0])
        }
        var content = content
        let sent = content.withUnsafeMutableBytes { bytes in
            control.withUnsafeMutableBytes { rights in
                var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    if !rights.isEmpty {
                        message.msg_control = rights.baseAddress
                        message.msg_controllen = rights.count
                    }
                    return retryingInterrupted {
                        sendmsg(socket.rawValue, &message, Int32(MSG_NOSIGNAL))
                    }
                }
            }
        }
        guard sent >= 0 else { throw SocketError.last("sendmsg") }
    }

    /// Receives one packet of at most `room` octets; nil when the other end is gone.
    ///
    /// - Throws: EAGAIN if none waits on a non-blocking socket.
    public static func receive(
        from socket: borrowing OwnedDescriptor, room: Int
    ) throws(SocketError) -> Packet? {
        var content = [UInt8](repeating: 0, count: room)
        var control = [UInt8](repeating: 0, count: controlRoom)
        var flags: Int32 = 0
        var controlLength = 0
        let count = content.withUnsafeMutableBytes { bytes in
            control.withUnsafeMutableBytes { rights in
                var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    message.msg_control = rights.baseAddress
                    message.msg_controllen = rights.count
                    let count = retryingInterrupted {
                        recvmsg(socket.rawValue, &message, Int32(MSG_CMSG_CLOEXEC))
                    }
                    flags = message.msg_flags
                    controlLength = message.msg_controllen
                    return count
                }
            }
        }
        guard count >= 0 else { throw SocketError.last("recvmsg") }
        var descriptors = descriptors(in: control.prefix(controlLength))[...]
        let first = descriptors.popFirst()
        for extra in descriptors { _ = close(extra) }
        guard count > 0 else {
            if let first { _ = close(first) }
            return nil
        }
        var packet = Packet(Array(content.prefix(count)))
        if let first { packet.descriptor = OwnedDescriptor(taking: first) }
        packet.isTruncated = flags & Int32(MSG_TRUNC) != 0
        return packet
    }

    private static func descriptors(in control: ArraySlice<UInt8>) -> [Int32] {
        var found: [Int32] = []
        var rest = control
        while rest.count >= headerSize {
            let header = rest.withUnsafeBytes { $0.loadUnaligned(as: cmsghdr.self) }
            let length = Int(header.cmsg_len)
            guard length >= headerSize, length <= rest.count else { break }
            if header.cmsg_level == SOL_SOCKET, header.cmsg_type == Int32(SCM_RIGHTS) {
                let payload = rest.dropFirst(headerSize).prefix(length - headerSize)
                payload.withUnsafeBytes { bytes in
                    for offset in stride(from: 0, to: bytes.count - 3, by: 4) {
                        found.append(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
                    }
                }
            }
            rest = rest.dropFirst((length + 7) & ~7)
        }
        return found
    }
}

/// Repeats a system call that a signal interrupted.
func retryingInterrupted(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
