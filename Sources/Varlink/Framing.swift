/// Cuts a stream of octets into Varlink messages: each one JSON object ended by a NUL.
public struct FrameReader: Sendable {
    /// The most octets a call may have, its NUL not counted: 1 MiB.
    public static let maximumLength = 1 << 20
    /// The most octets that a client takes of a reply, which tells of everything that a service has: 64 MiB.
    public static let maximumReply = 64 << 20

    private let limit: Int
    private var buffer: [UInt8] = []
    /// How much of the buffer was given out already.
    private var start = 0
    /// How much of the buffer was searched for a NUL in vain.
    private var searched = 0

    /// Makes a reader that takes messages of at most `limit` octets.
    public init(limit: Int = FrameReader.maximumLength) { self.limit = limit }

    /// Takes in what was read from the socket.
    public mutating func append(_ octets: some Collection<UInt8>) { buffer.append(contentsOf: octets) }

    /// The next whole message without its NUL; nil until more comes.
    ///
    /// - Throws: `tooLarge` as soon as it is certain, also before the end of the message has come.
    public mutating func next() throws(FramingError) -> [UInt8]? {
        guard let end = buffer[searched...].firstIndex(of: 0) else {
            searched = buffer.count
            guard buffer.count - start <= limit else { throw .tooLarge(limit: limit) }
            compact()
            return nil
        }
        guard end - start <= limit else { throw .tooLarge(limit: limit) }
        let message = Array(buffer[start..<end])
        start = end + 1
        searched = start
        if start == buffer.count { compact() }
        return message
    }

    /// Whether the start of a message has come without its end.
    public var isInsideMessage: Bool { start < buffer.count }

    private mutating func compact() {
        guard start > 0 else { return }
        buffer.removeFirst(start)
        searched -= start
        start = 0
    }
}

/// What can be wrong with the framing of a message.
public enum FramingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It has more octets than allowed.
    case tooLarge(limit: Int)

    /// One line for people.
    public var description: String {
        switch self {
        case .tooLarge(let limit): "longer than \(limit) octets"
        }
    }
}
