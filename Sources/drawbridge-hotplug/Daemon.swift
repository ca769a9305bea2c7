import Glibc

/// The daemon's answer.
struct Answer {
    var exitCode: Int32
    var message: ArraySlice<UInt8>
    var output: ArraySlice<UInt8>
}

extension Answer {
    /// What the client itself has to answer, in one line.
    init(failure: Failure) {
        self.init(exitCode: failure.code.rawValue, message: ArraySlice(failure.message.utf8), output: [])
    }
}

/// The daemon at the other end of its direct socket.
struct Daemon {
    /// How long to try while there is no daemon, as there is none for a moment when it is restarted.
    static let connectLimit = 10_000
    /// The most octets that an answer has.
    private static let maximumAnswer = 160 << 10

    var path: String
    /// Sends the packet and waits for the answer.
    ///
    /// Where the daemon ends before it answers, the event is sent again to the next one: an event that was
    /// handled already changes nothing the second time.
    func ask(_ packet: [UInt8]) throws(Failure) -> Answer {
        let start = Clock.now()
        while true {
            let connection = try connect(since: start)
            defer { close(connection) }
            guard try send(packet, on: connection) else {
                try pause(since: start)
                continue
            }
            if let answer = try receive(on: connection) { return answer }
            try pause(since: start)
        }
    }

    private func connect(since start: Int) throws(Failure) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let octets = Array(path.utf8)
        guard !octets.isEmpty, octets.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure(.usage, "\(path): is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        while true {
            let flags = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            let connection = socket(AF_UNIX, flags, 0)
            guard connection >= 0 else { throw failure(.failed, "socket") }
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(connection, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return connection }
            let code = errno
            close(connection)
            switch code {
            // Not there, not served, or so busy that its queue is full: all of that may pass.
            case ENOENT, ECONNREFUSED, EAGAIN: try pause(since: start)
            case EINTR: continue
            case EACCES, EPERM:
                throw Failure(.permissionDenied, "\(path): only root may send script events")
            default: throw Failure(.failed, "\(path): connect: \(String(cString: strerror(code)))")
            }
        }
    }

    /// Waits a moment before the next try, or gives up.
    private func pause(since start: Int) throws(Failure) {
        guard Clock.now() - start < Self.connectLimit else {
            throw Failure(
                .noDaemon,
                "\(path): no daemon answers; start drawbridged, or name its socket in DRAWBRIDGE_SOCKET")
        }
        usleep(100_000)
    }

    /// False if the daemon has gone.
    private func send(_ packet: [UInt8], on connection: Int32) throws(Failure) -> Bool {
        while true {
            if Glibc.send(connection, packet, packet.count, Int32(MSG_NOSIGNAL)) >= 0 { return true }
            switch errno {
            case EINTR: continue
            case EAGAIN: try wait(for: POLLOUT, on: connection)
            case EPIPE, ECONNRESET, ENOTCONN: return false
            default: throw failure(.failed, "send")
            }
        }
    }

    /// nil if the daemon has gone.
    private func receive(on connection: Int32) throws(Failure) -> Answer? {
        var buffer = [UInt8](repeating: 0, count: Self.maximumAnswer)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count > 0 { return try Self.parse(buffer.prefix(count)) }
            if count == 0 { return nil }
            switch errno {
            case EINTR: continue
            case EAGAIN: try wait(for: POLLIN, on: connection)
            case ECONNRESET: return nil
            default: throw failure(.failed, "recv")
            }
        }
    }

    private func wait(for events: Int32, on connection: Int32) throws(Failure) {
        let left = Clock.left
        var entry = pollfd(fd: connection, events: Int16(events), revents: 0)
        guard left > 0, poll(&entry, 1, Int32(left)) != 0 else {
            throw Failure(
                .timeout,
                "\(path): no answer within \(Clock.limit / 1000) s; the daemon may still be at it")
        }
    }

    static func parse(_ octets: ArraySlice<UInt8>) throws(Failure) -> Answer {
        let fields = octets.split(separator: 0, omittingEmptySubsequences: false)
        guard fields.count == 4, fields[3].isEmpty,
            let code = UInt8(String(decoding: fields[0], as: UTF8.self))
        else { throw Failure(.failed, "the daemon's answer is malformed") }
        return Answer(exitCode: Int32(code), message: fields[1], output: fields[2])
    }

    private func failure(_ code: Failure.Code, _ operation: String) -> Failure {
        Failure(code, "\(path): \(operation): \(String(cString: strerror(errno)))")
    }
}
