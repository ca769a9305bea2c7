import Glibc

/// A system call on a socket that failed.
public struct SocketError: Error, Hashable, Sendable {
    /// What was tried, with the path where there is one: `connect to /run/x`.
    public var operation: String
    /// The `errno` (errno(3)).
    public var code: Int32

    /// Makes an error of a given `errno`.
    public init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// Makes an error of the `errno` that the last system call of this thread left.
    static func last(_ operation: String) -> SocketError { SocketError(operation, code: errno) }

    /// The C library's words for the `errno`.
    public var reason: String { String(cString: strerror(code)) }
}

extension SocketError: CustomStringConvertible {
    /// `connect to /run/x: No such file or directory`.
    public var description: String { "\(operation): \(reason)" }
}
