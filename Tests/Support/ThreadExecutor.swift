import Glibc
import Synchronization

/// Runs a task's code on one thread of its own, so that a test may block without keeping the others waiting.
public final class ThreadExecutor: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isOver = false
    }
    private final class Shared: Sendable {
        let state = Mutex(State())
        let wake: Int32
        let listen: Int32

        init() {
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            (listen, wake) = (ends[0], ends[1])
        }

        deinit {
            close(listen)
            close(wake)
        }

        func post(_ change: (inout sending State) -> Void) {
            state.withLock { change(&$0) }
            var octet: UInt8 = 1
            _ = write(wake, &octet, 1)
        }
    }
    private let shared = Shared()

    /// Starts the thread.
    public init() {
        let context = Unmanaged.passRetained(Context(shared: shared, executor: self)).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Context>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        precondition(status == 0, "pthread_create: \(status)")
        pthread_detach(thread)
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        shared.post { $0.jobs.append(job) }
    }

    /// Ends the thread, once nothing runs on it any more.
    public func finish() { shared.post { $0.isOver = true } }

    private final class Context: Sendable {
        let shared: Shared
        let executor: ThreadExecutor

        init(shared: Shared, executor: ThreadExecutor) {
            self.shared = shared
            self.executor = executor
        }

        func run() {
            while true {
                var octet: UInt8 = 0
                while read(shared.listen, &octet, 1) < 0, errno == EINTR {}
                let (jobs, isOver) = shared.state.withLock { state in
                    defer { state.jobs = [] }
                    return (state.jobs, state.isOver)
                }
                for job in jobs { job.runSynchronously(on: executor.asUnownedTaskExecutor()) }
                if isOver { return }
            }
        }
    }
}
