import Glibc

/// A tap that is held open: it is there as long as somebody has its descriptor, this value or who it was passed to.
public final class TapDescriptor: Sendable {
    /// The descriptor, which stays this value's.
    public let number: Int32

    init(_ descriptor: consuming Descriptor) { number = descriptor.release() }

    deinit { close(number) }
}
