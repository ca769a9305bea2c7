import Glibc

/// A file descriptor with one owner, which closes it once.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, for system calls made while this value lives.
    public let rawValue: Int32

    /// Takes over a descriptor that nobody else will close.
    public init(taking rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = Glibc.close(rawValue) }

    /// Gives the descriptor up unclosed.
    public consuming func release() -> Int32 {
        let descriptor = rawValue
        discard self
        return descriptor
    }
}
