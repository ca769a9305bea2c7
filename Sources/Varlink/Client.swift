import Glibc

/// A connection to a Varlink service that waits for its replies on the calling thread.
public struct Client: ~Copyable, Sendable {
    private let socket: OwnedDescriptor
    private var reader = FrameReader(limit: FrameReader.maximumReply)

    /// Connects to the service at `path`.
    public init(connectingTo path: String) throws(SocketError) {
        socket = try UnixSocket.connect(to: path, .stream)
    }

    /// Calls a method and waits for its reply.
    ///
    /// - Parameter timeout: how long to wait for the reply, in milliseconds; nil for as long as it takes.
    public mutating func call(
        _ method: String, _ parameters: JSONValue = [:], timeout: Int64? = nil
    ) throws(ClientError) -> JSONValue {
        let deadline = timeout.map { monotonicMilliseconds() + $0 }
        try send(Call(method, parameters: parameters), deadline: deadline)
        return try receive(deadline: deadline).parameters
    }

    /// Calls a method with `more` and hands each reply to `body`, until there are no more or `body` returns
    /// false.
    public mutating func stream(
        _ method: String, _ parameters: JSONValue = [:], _ body: (JSONValue) -> Bool
    ) throws(ClientError) {
        try send(Call(method, parameters: parameters, more: true), deadline: nil)
        while true {
            let reply = try receive(deadline: nil)
            guard body(reply.parameters), reply.continues else { return }
        }
    }

    private func send(_ call: Call, deadline: Int64?) throws(ClientError) {
        let octets = call.octets
        guard octets.count - 1 <= FrameReader.maximumLength else {
            throw .framing(.tooLarge(limit: FrameReader.maximumLength))
        }
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes { bytes in
                retryingInterrupted {
                    Glibc.send(socket.rawValue, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
                }
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(for: POLLOUT, deadline: deadline)
            } else {
                throw .socket(SocketError.last("send"))
            }
        }
    }

    private mutating func receive(deadline: Int64?) throws(ClientError) -> Reply {
        while true {
            if let message = try nextMessage() {
                let reply: Reply
                do throws(MessageError) {
                    reply = try Reply(parsing: message)
                } catch {
                    throw .message(error)
                }
                if let error = reply.error {
                    throw .call(CallError(error, parameters: reply.parameters))
                }
                return reply
            }
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            let count = retryingInterrupted { recv(socket.rawValue, &buffer, buffer.count, 0) }
            if count > 0 {
                reader.append(buffer.prefix(count))
            } else if count == 0 {
                throw .closed
            } else if errno == EAGAIN {
                try wait(for: POLLIN, deadline: deadline)
            } else {
                throw .socket(SocketError.last("recv"))
            }
        }
    }

    private mutating func nextMessage() throws(ClientError) -> [UInt8]? {
        do throws(FramingError) {
            return try reader.next()
        } catch {
            throw .framing(error)
        }
    }

    private func wait(for events: Int32, deadline: Int64?) throws(ClientError) {
        let left = deadline.map { Int32(clamping: max(0, $0 - monotonicMilliseconds())) } ?? -1
        guard UnixSocket.wait(socket, for: events, milliseconds: left) else { throw .timedOut }
    }
}

/// Why a call got no proper reply.
public enum ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The service answered with an error.
    case call(CallError)
    /// A system call failed.
    case socket(SocketError)
    /// What came is not framed as it should be.
    case framing(FramingError)
    /// What came is no reply.
    case message(MessageError)
    /// The service closed the connection without a reply.
    case closed
    /// The reply did not come in time.
    case timedOut

    /// One line for people.
    public var description: String {
        switch self {
        case .call(let error): error.description
        case .socket(let error): error.description
        case .framing(let error): "the message is \(error)"
        case .message(let error): "the reply is malformed: \(error)"
        case .closed: "the connection was closed without a reply"
        case .timedOut: "no reply in time"
        }
    }
}
