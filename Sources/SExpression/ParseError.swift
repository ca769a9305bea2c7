/// A text that is not a sequence of S-expressions: where, and why.
public struct ParseError: Error, Hashable, Sendable {
    /// Where the reader stood.
    public var location: SourceLocation
    /// What is wrong there, in xend's words where it has some.
    public var message: String
    /// Where the list or string began that is not ended; nil for other errors.
    public var opened: SourceLocation?

    /// Makes an error.
    public init(at location: SourceLocation, _ message: String, opened: SourceLocation? = nil) {
        self.location = location
        self.message = message
        self.opened = opened
    }
}

extension ParseError: CustomStringConvertible {
    /// `3:7: unexpected EOF in the list opened at 1:1`.
    public var description: String { "\(location): \(message)" }
}
