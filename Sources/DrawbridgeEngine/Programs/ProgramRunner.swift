public import DrawbridgeModel
import Glibc
import LinuxHeaders
import Synchronization

/// Starts programs and waits for them, on a thread of its own.
///
/// A network namespace belongs to a thread, and so does the namespace a program starts in: it is the one in which
/// the thread was that made the runner.
public final class ProgramRunner: Sendable {
    private let inbox: RunnerInbox

    /// Starts the thread.
    ///
    /// - Throws: `kernel` where it, or what it waits with, cannot be made.
    public init() throws(DrawbridgeError) {
        inbox = try RunnerInbox()
        let loop = try RunnerLoop(inbox: inbox)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(loop).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<RunnerLoop>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        guard status == 0 else {
            Unmanaged<RunnerLoop>.fromOpaque(context).release()
            throw DrawbridgeError(.kernel, "program runner", "no thread: \(systemText(status))")
        }
        pthread_detach(thread)
        inbox.awaitThread()
    }

    /// The runner's thread, by the number under which `/proc` knows it: it says in which namespaces programs start.
    public var thread: Int32 { inbox.thread.load(ordering: .acquiring) }

    deinit { inbox.send(.stop) }

    /// Runs a program and waits for its end. Where the task is cancelled, the program is ended as at its time limit.
    ///
    /// Processes that it leaves behind are left alone, unless it had to be ended: then its whole group is.
    ///
    /// - Throws: `script` where it cannot be started.
    @discardableResult
    public func run(_ program: Program) async throws(DrawbridgeError) -> ProgramResult {
        try await start(program).result()
    }

    /// Starts a program.
    ///
    /// - Throws: `script` where it cannot be started.
    public func start(_ program: Program) async throws(DrawbridgeError) -> RunningProgram {
        let started: Result<RunningProgram, DrawbridgeError> = await withCheckedContinuation { continuation in
            inbox.send(.start(program) { continuation.resume(returning: $0) })
        }
        return try started.get()
    }

    /// Watches a process that need not be a child, as a program of an earlier daemon's; nil where it is gone.
    public func adopt(_ reference: ProcessReference) async -> RunningProgram? {
        await withCheckedContinuation { continuation in
            inbox.send(.adopt(reference) { continuation.resume(returning: $0) })
        }
    }
}

/// A program that was started or adopted.
public final class RunningProgram: Sendable {
    /// Which process it is.
    public let reference: ProcessReference
    private let identifier: UInt64
    private let inbox: RunnerInbox
    private struct State {
        var result: ProgramResult?
        var waiters: [CheckedContinuation<ProgramResult, Never>] = []
    }
    private let state = Mutex(State())

    init(reference: ProcessReference, identifier: UInt64, inbox: RunnerInbox) {
        self.reference = reference
        self.identifier = identifier
        self.inbox = inbox
    }

    /// Waits for its end. Where the task is cancelled, the program is ended as at its time limit.
    public func result() async -> ProgramResult {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let result = state.withLock { state in
                    if state.result == nil { state.waiters.append(continuation) }
                    return state.result
                }
                if let result { continuation.resume(returning: result) }
            }
        } onCancel: {
            end()
        }
    }

    /// Ends it and its process group: SIGTERM, and SIGKILL after its grace.
    public func end() { inbox.send(.end(identifier)) }

    /// Ends it and its process group at once, so that it can do nothing more: SIGKILL.
    public func kill() { inbox.send(.kill(identifier)) }

    func finish(_ result: ProgramResult) {
        let waiters = state.withLock { state in
            state.result = result
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: result) }
    }
}

/// What other threads ask of the runner's.
final class RunnerInbox: Sendable {
    enum Request {
        case start(Program, @Sendable (Result<RunningProgram, DrawbridgeError>) -> Void)
        case adopt(ProcessReference, @Sendable (RunningProgram?) -> Void)
        case end(UInt64)
        case kill(UInt64)
        case stop
    }
    private let requests = Mutex<[Request]>([])
    /// Counts what waits: the thread polls it.
    let wakeup: Int32
    let thread = Atomic<Int32>(0)
    private let ready: Int32

    init() throws(DrawbridgeError) {
        wakeup = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        ready = eventfd(0, Int32(EFD_CLOEXEC))
        guard wakeup >= 0, ready >= 0 else {
            throw DrawbridgeError(.kernel, "program runner", "no eventfd: \(systemText(errno))")
        }
    }

    deinit {
        close(wakeup)
        close(ready)
    }

    /// Says that the thread runs, and which one it is.
    func announceThread() {
        thread.store(gettid(), ordering: .releasing)
        eventfd_write(ready, 1)
    }

    /// Waits for the thread to run.
    func awaitThread() {
        var count: eventfd_t = 0
        while eventfd_read(ready, &count) != 0, errno == EINTR {}
    }

    func send(_ request: Request) {
        requests.withLock { $0.append(request) }
        eventfd_write(wakeup, 1)
    }

    func take() -> [Request] {
        var count: eventfd_t = 0
        _ = eventfd_read(wakeup, &count)
        return requests.withLock { requests in
            defer { requests = [] }
            return requests
        }
    }
}
