public import DrawbridgeModel

/// Keeps a program running: starts it again when it ends, after a pause that grows while it keeps ending.
public actor Supervisor {
    /// How long to wait before the program is started again.
    public struct Backoff: Sendable {
        public var first: Duration
        public var longest: Duration
        /// Having run for this long, a program counts as healthy, and the pauses begin anew.
        public var healthy: Duration

        public init(
            first: Duration = .seconds(1), longest: Duration = .seconds(60), healthy: Duration = .seconds(60)
        ) {
            self.first = first
            self.longest = longest
            self.healthy = healthy
        }
    }

    private let name: String
    private let runner: ProgramRunner
    private let backoff: Backoff
    private let program: @Sendable () throws(DrawbridgeError) -> Program
    private let changed: @Sendable (ProcessReference?) async -> Void
    private let log: @Sendable (String) -> Void
    private var task: Task<Void, Never>?
    private var running: RunningProgram?
    private var isStopping = false
    /// How often it was started, adoption not counted.
    public private(set) var starts = 0

    /// - Parameters:
    ///   - name: What the log calls the program.
    ///   - program: Makes the program anew for each start.
    ///   - changed: Told which process it is now, before anything else happens; nil when it has ended.
    public init(
        name: String, runner: ProgramRunner, backoff: Backoff = Backoff(),
        program: @escaping @Sendable () throws(DrawbridgeError) -> Program,
        changed: @escaping @Sendable (ProcessReference?) async -> Void,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.name = name
        self.runner = runner
        self.backoff = backoff
        self.program = program
        self.changed = changed
        self.log = log
    }

    /// Begins. The first start happens here, so that its failure is told.
    ///
    /// - Parameter adopted: The process that an earlier daemon started; where it still runs, it goes on.
    /// - Throws: `script` where the program cannot be started.
    public func start(adopting adopted: ProcessReference? = nil) async throws(DrawbridgeError) {
        guard task == nil else { return }
        isStopping = false
        if let adopted, let running = await runner.adopt(adopted) {
            self.running = running
        } else {
            try await launch()
        }
        task = Task { await self.keepRunning() }
    }

    /// Ends the program at once (SIGKILL, so that it can neither release a lease nor take an address away) and
    /// starts it no more.
    public func stop() async {
        isStopping = true
        running?.kill()
        task?.cancel()
        await task?.value
        task = nil
        running = nil
        await changed(nil)
    }

    /// Ends the program (SIGTERM, and SIGKILL where that does not help), and starts it again.
    ///
    /// - Parameter work: What is done while it does not run.
    /// - Throws: what `work` throws, and `script` where it cannot be started.
    public func restart(
        after work: @Sendable () throws(DrawbridgeError) -> Void
    ) async throws(DrawbridgeError) {
        isStopping = true
        task?.cancel()
        await task?.value
        task = nil
        running = nil
        try work()
        try await start()
    }

    /// Looks after the program no more, and leaves it running.
    public func leave() {
        isStopping = true
        running = nil
    }

    /// The process it is now.
    public var process: ProcessReference? { running?.reference }

    private func launch() async throws(DrawbridgeError) {
        let running = try await runner.start(try program())
        self.running = running
        starts += 1
        await changed(running.reference)
    }

    private func keepRunning() async {
        var pause = backoff.first
        while !isStopping {
            let began = ContinuousClock.now
            if let running {
                let result = await running.result()
                self.running = nil
                if isStopping { return }
                await changed(nil)
                log("\(name) ended (\(Self.words(for: result))); it is started again")
            }
            if ContinuousClock.now - began >= backoff.healthy { pause = backoff.first }
            do { try await Task.sleep(for: pause) } catch { return }
            pause = min(pause * 2, backoff.longest)
            if isStopping { return }
            do throws(DrawbridgeError) {
                try await launch()
                // A stop that came while it was being started could not end it yet.
                if isStopping { running?.kill() }
            } catch { log("\(name): \(error)") }
        }
    }

    private static func words(for result: ProgramResult) -> String {
        let last = result.lastLine.isEmpty ? "" : ": \(result.lastLine)"
        return switch result.ending {
        case .exited(let code): "status \(code)\(last)"
        case .signalled(let number): "signal \(number)\(last)"
        case .unknown: "it is not known how"
        }
    }
}
