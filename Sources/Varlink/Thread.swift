import Glibc

/// Runs `body` on a thread of its own, which ends with it.
///
/// Concurrency's own threads must not block, and a loop that waits with epoll does.
public func startThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(SocketError) {
    let box = Unmanaged.passRetained(ThreadBody(name: name, body: body))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, &attributes,
        { argument in
            guard let argument else { return nil }
            let thread = Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
            nameThread(thread.name)
            thread.body()
            return nil
        }, box.toOpaque())
    guard code == 0 else {
        box.release()
        throw SocketError("pthread_create", code: code)
    }
}

private final class ThreadBody: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// Names the calling thread, for debuggers (proc(5), `comm`); the kernel cuts it at 15 octets.
private func nameThread(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let octets = Array(name.utf8)
    _ = write(file, octets, octets.count)
    _ = close(file)
}
