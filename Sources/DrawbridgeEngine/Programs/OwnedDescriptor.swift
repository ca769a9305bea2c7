import Glibc

/// A file descriptor that is closed once, at its owner's end.
struct OwnedDescriptor: ~Copyable, Sendable {
    let number: Int32

    /// Takes over a descriptor; nil where a call failed and returned a negative one.
    init?(_ number: Int32) {
        guard number >= 0 else { return nil }
        self.number = number
    }

    deinit { close(number) }

    /// Hands the descriptor to somebody else, who closes it.
    consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}

/// A descriptor that is closed when the last of its holders lets go.
public final class SharedDescriptor: Sendable {
    private let descriptor: OwnedDescriptor
    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    var number: Int32 { descriptor.number }
}

/// The kernel's text for an error number (strerror(3)).
func systemText(_ code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
