public import Varlink

/// Calls the methods of `io.drawbridge` with their types.
public struct APIClient: ~Copyable, Sendable {
    private var client: Client

    /// Connects to the daemon.
    public init(connectingTo socket: String) throws(SocketError) {
        client = try Client(connectingTo: socket)
    }

    /// Calls a method.
    ///
    /// - Parameter timeout: how long to wait for the answer, in milliseconds; nil for as long as it takes.
    public mutating func call<R: Request>(_ request: R, timeout: Int64? = nil) throws(ClientError) -> R.Answer
    {
        let reply = try client.call(
            "\(API.interface).\(R.method)", Coding.encode(request), timeout: timeout)
        return try Coding.decodeAnswer(R.Answer.self, from: reply)
    }

    /// Follows the event log until `body` returns false or the daemon ends.
    public mutating func follow(
        _ request: FollowEvents, _ body: (EventReport) -> Bool
    ) throws(ClientError) {
        try client.stream("\(API.interface).\(FollowEvents.method)", Coding.encode(request)) { reply in
            guard let answer = try? Coding.decodeAnswer(FollowEvents.Answer.self, from: reply),
                let event = answer.event
            else { return false }
            return body(event)
        }
    }
}
