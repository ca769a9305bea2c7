import DrawbridgeModel
import Glibc
import LinuxHeaders

/// The runner's thread: it alone starts, signals and reaps.
final class RunnerLoop {
    private struct Watched {
        var running: RunningProgram
        var program: Program?
        var pidfd: Int32
        var isChild: Bool
        var deadline: UInt64?
        /// When SIGTERM was sent; SIGKILL follows at `deadline`.
        var isEnding = false
        var result = ProgramResult(ending: .unknown)
        var output: Int32 = -1
        var lines = OutputLines()
        var hasEnded = false
    }
    /// What a ready descriptor belongs to: the program's identifier, doubled, plus one for its output.
    private var watched: [UInt64: Watched] = [:]
    private var lastIdentifier: UInt64 = 0
    private let inbox: RunnerInbox
    private let epoll: Int32
    private var buffer = [UInt8](repeating: 0, count: 16384)

    init(inbox: RunnerInbox) throws(DrawbridgeError) {
        self.inbox = inbox
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else {
            throw DrawbridgeError(.kernel, "program runner", "no epoll: \(systemText(errno))")
        }
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
        epoll_ctl(epoll, EPOLL_CTL_ADD, inbox.wakeup, &event)
    }

    deinit { close(epoll) }

    func run() {
        inbox.announceThread()
        var events = [epoll_event](repeating: epoll_event(), count: 32)
        while true {
            let count = epoll_wait(epoll, &events, Int32(events.count), timeout())
            for event in events.prefix(Int(max(0, count))) {
                let key = event.data.u64
                if key == 0 {
                    for request in inbox.take() where !perform(request) { return shutDown() }
                } else if key & 1 == 1 {
                    readOutput(key >> 1)
                } else {
                    collect(key >> 1)
                }
            }
            enforceDeadlines()
        }
    }

    /// Does what was asked; false where that was to stop.
    private func perform(_ request: RunnerInbox.Request) -> Bool {
        switch request {
        case .start(let program, let reply): reply(start(program))
        case .adopt(let reference, let reply): reply(adopt(reference))
        case .end(let identifier):
            watched[identifier]?.result.wasCancelled = true
            terminate(identifier)
        case .kill(let identifier):
            watched[identifier]?.result.wasCancelled = true
            signal(identifier, SIGKILL)
        case .stop: return false
        }
        return true
    }

    private func start(_ program: Program) -> Result<RunningProgram, DrawbridgeError> {
        let child: SpawnedChild
        do throws(DrawbridgeError) { child = try program.spawn() } catch { return .failure(error) }
        lastIdentifier += 1
        // It is not reaped before its entry is collected, so the number is its own for all of that time.
        let status = ProcessStatus(of: child.process)
        let running = RunningProgram(
            reference: ProcessReference(process: child.process, startTime: status?.startTime ?? 0),
            identifier: lastIdentifier, inbox: inbox)
        let pidfd = pidfd_open(child.process, 0)
        guard pidfd >= 0 else {
            let code = errno
            Glibc.kill(-child.process, SIGKILL)
            waitpid(child.process, nil, 0)
            if child.output >= 0 { close(child.output) }
            return .failure(DrawbridgeError(.kernel, "pidfd_open", systemText(code)))
        }
        var entry = Watched(running: running, program: program, pidfd: pidfd, isChild: true)
        entry.deadline = program.timeLimit.map { Self.now() &+ Self.nanoseconds($0) }
        entry.output = child.output
        watched[lastIdentifier] = entry
        poll(pidfd, key: lastIdentifier << 1)
        if child.output >= 0 { poll(child.output, key: lastIdentifier << 1 | 1) }
        return .success(running)
    }

    private func adopt(_ reference: ProcessReference) -> RunningProgram? {
        guard let descriptor = reference.open() else { return nil }
        lastIdentifier += 1
        let running = RunningProgram(reference: reference, identifier: lastIdentifier, inbox: inbox)
        let pidfd = descriptor.release()
        watched[lastIdentifier] = Watched(running: running, program: nil, pidfd: pidfd, isChild: false)
        poll(pidfd, key: lastIdentifier << 1)
        return running
    }

    private func poll(_ descriptor: Int32, key: UInt64) {
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: key))
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
    }

    // MARK: Output

    /// Reads what there is, once: a program that writes without end must not keep the others waiting.
    private func readOutput(_ identifier: UInt64) {
        guard var entry = watched.removeValue(forKey: identifier), entry.output >= 0 else { return }
        let count = read(entry.output, &buffer, buffer.count)
        if count > 0 {
            entry.lines.append(buffer[..<count], to: entry.program?.log)
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            entry.lines.flush(to: entry.program?.log)
            closeOutput(&entry)
        }
        // What it left behind may write on after its end, so the entry stays until its output ends.
        if entry.hasEnded, entry.output < 0 { return }
        watched[identifier] = entry
    }

    private func closeOutput(_ entry: inout Watched) {
        guard entry.output >= 0 else { return }
        epoll_ctl(epoll, EPOLL_CTL_DEL, entry.output, nil)
        close(entry.output)
        entry.output = -1
    }

    /// Reads what a program that has ended wrote before it did, within bounds.
    private func drain(_ entry: inout Watched) {
        for _ in 0..<64 where entry.output >= 0 {
            let count = read(entry.output, &buffer, buffer.count)
            guard count > 0 else { break }
            entry.lines.append(buffer[..<count], to: entry.program?.log)
        }
        entry.lines.flush(to: entry.program?.log)
    }

    // MARK: The end

    /// Takes in a program that has ended.
    private func collect(_ identifier: UInt64) {
        guard var entry = watched.removeValue(forKey: identifier), !entry.hasEnded else { return }
        epoll_ctl(epoll, EPOLL_CTL_DEL, entry.pidfd, nil)
        close(entry.pidfd)
        entry.hasEnded = true
        entry.deadline = nil
        if entry.isChild {
            // Before it is reaped: until then nobody else can bear the number of its group.
            if entry.isEnding { Glibc.kill(-entry.running.reference.process, SIGKILL) }
            var status: Int32 = 0
            while waitpid(entry.running.reference.process, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7f
            entry.result.ending = signal == 0 ? .exited(status >> 8 & 0xff) : .signalled(signal)
        }
        drain(&entry)
        entry.result.lastLine = entry.lines.lastLine
        entry.result.droppedOctets = entry.lines.droppedOctets
        if entry.isEnding { closeOutput(&entry) }
        entry.running.finish(entry.result)
        if entry.output >= 0 { watched[identifier] = entry }
    }

    private func terminate(_ identifier: UInt64) {
        guard let entry = watched[identifier], !entry.hasEnded, !entry.isEnding else { return }
        signal(identifier, SIGTERM)
        watched[identifier]?.deadline = Self.now() &+ Self.nanoseconds(entry.program?.grace ?? .seconds(2))
    }

    /// Sends a signal to a program's group; to an adopted one by its descriptor, since its group may be others'.
    private func signal(_ identifier: UInt64, _ number: Int32) {
        guard let entry = watched[identifier], !entry.hasEnded else { return }
        watched[identifier]?.isEnding = true
        if entry.isChild {
            Glibc.kill(-entry.running.reference.process, number)
        } else {
            pidfd_send_signal(entry.pidfd, number, nil, 0)
        }
    }

    private func enforceDeadlines() {
        let now = Self.now()
        for (identifier, entry) in watched {
            guard let deadline = entry.deadline, deadline <= now else { continue }
            if entry.isEnding {
                watched[identifier]?.deadline = nil
                signal(identifier, SIGKILL)
            } else {
                watched[identifier]?.result.exceededTimeLimit = true
                terminate(identifier)
            }
        }
    }

    /// The daemon ends: what must not go on without it is killed, and nobody is left waiting.
    private func shutDown() {
        for (identifier, entry) in watched where !entry.hasEnded {
            if entry.isChild, entry.program?.outlivesRunner != true {
                watched[identifier]?.result.wasCancelled = true
                signal(identifier, SIGKILL)
                collect(identifier)
            } else {
                close(entry.pidfd)
                entry.running.finish(entry.result)
            }
        }
        for entry in watched.values where entry.output >= 0 { close(entry.output) }
    }

    // MARK: Time

    /// Milliseconds until the next deadline, for epoll_wait(2); -1 where there is none.
    private func timeout() -> Int32 {
        guard let next = watched.values.compactMap(\.deadline).min() else { return -1 }
        let now = Self.now()
        return next <= now ? 0 : Int32(clamping: (next - now) / 1_000_000 + 1)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
    }
}
