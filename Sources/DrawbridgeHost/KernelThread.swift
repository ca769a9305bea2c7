public import DrawbridgeModel
import Glibc
import LinuxHeaders
import Synchronization

/// A thread of its own that runs an actor's jobs one after the other, in one network namespace.
///
/// A namespace belongs to a thread, so what writes sysctls and opens sockets must never hop between threads.
public final class KernelThread: SerialExecutor {
    private struct Queue {
        var jobs: [UnownedJob] = []
        var calls: [@Sendable () -> Void] = []
        var isStopping = false
        /// Whether the thread is about to sleep, or asleep: only then it has to be woken.
        var isAsleep = false
    }

    private let queue = Mutex(Queue())
    /// Counts what waits: the thread sleeps in reading it.
    private let wakeup: Int32

    /// Starts the thread in the network namespace of the calling thread, or in the one that `namespace` is a
    /// descriptor of, which is only borrowed during this call.
    ///
    /// - Throws: `kernel` where the thread cannot be made or the namespace not entered (setns(2)).
    public init(namespace: Int32? = nil) throws(DrawbridgeError) {
        wakeup = eventfd(0, Int32(EFD_CLOEXEC))
        guard wakeup >= 0 else { throw DrawbridgeError(system: "eventfd", "cannot start the kernel thread") }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let thread = Unmanaged<KernelThread>.fromOpaque(context).takeRetainedValue()
                thread.run()
                return nil
            }, context)
        guard status == 0 else {
            Unmanaged<KernelThread>.fromOpaque(context).release()
            throw DrawbridgeError(system: "pthread_create", "cannot start the kernel thread", code: status)
        }
        pthread_detach(thread)
        guard let namespace else { return }
        let failure = Mutex<Int32>(0)
        performAndWait {
            let code = setns(namespace, Int32(LINUX_CLONE_NEWNET)) == 0 ? 0 : errno
            failure.withLock { $0 = code }
        }
        let code = failure.withLock { $0 }
        guard code == 0 else {
            stop()
            throw DrawbridgeError(system: "network namespace", "cannot be entered", code: code)
        }
    }

    deinit { close(wakeup) }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        put { $0.jobs.append(job) }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Ends the thread once what waits has been run. Nothing may be enqueued afterwards.
    func stop() {
        put { $0.isStopping = true }
    }

    /// Runs a closure on the thread and waits for its end; never call it from the thread itself.
    func performAndWait(_ body: @escaping @Sendable () -> Void) {
        let done = eventfd(0, Int32(EFD_CLOEXEC))
        defer { close(done) }
        put {
            $0.calls.append {
                body()
                eventfd_write(done, 1)
            }
        }
        var count: eventfd_t = 0
        while eventfd_read(done, &count) != 0, errno == EINTR {}
    }

    /// Runs a closure on the thread, sooner or later.
    func perform(_ body: @escaping @Sendable () -> Void) {
        put { $0.calls.append(body) }
    }

    /// Puts something into the queue, and wakes the thread where it sleeps.
    private func put(_ change: (inout Queue) -> Void) {
        let wasAsleep = queue.withLock { queue in
            change(&queue)
            defer { queue.isAsleep = false }
            return queue.isAsleep
        }
        if wasAsleep { eventfd_write(wakeup, 1) }
    }

    private func run() {
        while true {
            let (jobs, calls, isStopping) = queue.withLock { queue in
                defer {
                    queue.jobs = []
                    queue.calls = []
                }
                queue.isAsleep = queue.jobs.isEmpty && queue.calls.isEmpty
                return (queue.jobs, queue.calls, queue.isStopping)
            }
            for call in calls { call() }
            for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
            if jobs.isEmpty, calls.isEmpty {
                if isStopping { return }
                var count: eventfd_t = 0
                _ = eventfd_read(wakeup, &count)
            }
        }
    }
}
