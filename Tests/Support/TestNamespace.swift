import Glibc
import LinuxHeaders
import Synchronization

/// Runs `body` on a thread of its own in a new network namespace, which is gone when the body is done.
///
/// The namespace has no name and no owner but the thread, so nothing is left behind whatever happens.
public func withTestNamespace<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await onThread {
        guard unshare(Int32(LINUX_CLONE_NEWNET)) == 0 else { throw TestFailure("unshare: errno \(errno)") }
        _ = try run("ip", "link", "set", "lo", "up")
        return try body()
    }
}

/// Runs `body` on a thread of its own.
public func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
        let work = ThreadWork { continuation.resume(with: Result(catching: body)) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(work).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<ThreadWork>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        if status == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<ThreadWork>.fromOpaque(context).release()
            continuation.resume(throwing: TestFailure("pthread_create: \(status)"))
        }
    }
}

private final class ThreadWork: Sendable {
    let run: @Sendable () -> Void
    init(run: @escaping @Sendable () -> Void) { self.run = run }
}

/// What a test cannot go on without.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A new network namespace beside the thread's own, held by its descriptor.
public func makeNamespace() throws -> Int32 {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    defer { close(home) }
    guard home >= 0, unshare(Int32(LINUX_CLONE_NEWNET)) == 0 else {
        throw TestFailure("unshare: errno \(errno)")
    }
    let made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    _ = try run("ip", "link", "set", "lo", "up")
    guard setns(home, Int32(LINUX_CLONE_NEWNET)) == 0, made >= 0 else {
        throw TestFailure("setns: errno \(errno)")
    }
    return made
}

/// Runs `body` with the thread in another namespace, and brings it back.
public func inNamespace<Value>(_ descriptor: Int32, _ body: () throws -> Value) throws -> Value {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    defer { close(home) }
    guard home >= 0, setns(descriptor, Int32(LINUX_CLONE_NEWNET)) == 0 else {
        throw TestFailure("setns: errno \(errno)")
    }
    defer { _ = setns(home, Int32(LINUX_CLONE_NEWNET)) }
    return try body()
}
