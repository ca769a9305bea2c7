import DrawbridgeModel
import Glibc
import Synchronization
import Testing

@testable import DrawbridgeEngine

/// Takes lines from another thread.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func append(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

@Suite struct ProgramRunnerTests {
    let directory: TestDirectory
    let runner: ProgramRunner

    init() throws {
        directory = try TestDirectory()
        runner = try ProgramRunner()
    }

    /// A program that a shell runs: the shell is the test's, not the runner's.
    func shell(_ text: String, _ lines: Lines? = nil) -> Program {
        var program = Program(
            .path("/bin/sh"), arguments: ["sh", "-c", text], environment: ["PATH=/bin:/usr/bin"])
        if let lines { program.log = { lines.append($0) } }
        return program
    }

    @Test func `A program gets its arguments as they are, its environment and nothing else`() async throws {
        let lines = Lines()
        var program = Program(
            .path("/usr/bin/env"), arguments: ["env"], environment: ["A=$(touch /tmp/pwn) *", "B="])
        program.log = { lines.append($0) }
        let result = try await runner.run(program)
        #expect(result.succeeded)
        #expect(lines.all == ["A=$(touch /tmp/pwn) *", "B="])

        let arguments = Lines()
        var echo = Program(
            .path("/usr/bin/printf"), arguments: ["printf", "<%s>\\n", "a b", "$HOME", ";ls", ""])
        echo.log = { arguments.append($0) }
        try await runner.run(echo)
        #expect(arguments.all == ["<a b>", "<$HOME>", "<;ls>", "<>"])
    }

    @Test
    func
        `A program finds nothing open, nothing to read, no signal blocked or ignored, and a group of its own`()
        async throws
    {
        // A descriptor that would be inherited, and a signal that would stay ignored.
        let leaked = dup(2)
        defer { close(leaked) }
        let lines = Lines()
        let text = """
            ls /proc/self/fd | tr '\\n' ' '; echo
            readlink /proc/self/fd/0
            pwd
            grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'
            cut -d' ' -f1,5,6 /proc/$$/stat
            """
        let result = try await runner.run(shell(text, lines))
        #expect(result.succeeded)
        #expect(lines.all.count == 6)
        guard lines.all.count == 6 else { return }
        // ls itself holds the directory it lists.
        #expect(lines.all[0] == "0 1 2 3")
        #expect(lines.all[1] == "/dev/null")
        #expect(lines.all[2] == "/")
        #expect(lines.all[3] == "SigBlk:0000000000000000")
        // The C library keeps its own two, 32 and 33, to itself.
        let ignored = UInt64(lines.all[4].dropFirst("SigIgn:".count), radix: 16)
        #expect(ignored.map { $0 & 0x7fff_ffff } == 0)
        let numbers = Set(lines.all[5].split(separator: " "))
        #expect(numbers.count == 1, "process, group and session: \(lines.all[5])")
    }

    @Test func `Exit codes, signals and the last line are told`() async throws {
        let failed = try await runner.run(shell("echo first; echo '  the reason\t' >&2; echo; exit 7"))
        #expect(failed.ending == .exited(7))
        #expect(failed.lastLine == "the reason")
        #expect(!failed.succeeded)
        #expect(try await runner.run(shell("kill -9 $$")).ending == .signalled(SIGKILL))
        await #expect(throws: DrawbridgeError.self) {
            try await runner.run(Program(.path("/none/such"), arguments: ["such"]))
        }
    }

    @Test func `At the time limit the whole group ends, a grandchild that ignores SIGTERM too`() async throws
    {
        var program = shell(
            "trap '' TERM; (trap '' TERM; echo $$ ; sh -c 'echo $PPID $$ > \(directory.path)/pids; exec sleep 1000') & wait; sleep 1000"
        )
        program.timeLimit = .milliseconds(300)
        program.grace = .milliseconds(200)
        let result = try await runner.run(program)
        #expect(result.exceededTimeLimit)
        #expect(result.ending == .signalled(SIGKILL))
        let processes = (directory.text("pids") ?? "").split(whereSeparator: \.isWhitespace).compactMap {
            Int32($0)
        }
        #expect(processes.count == 2)
        for process in processes {
            // Killed is not yet gone: its reaper is whoever adopts orphans here.
            for _ in 0..<200 where ProcessReference(process: process)?.isRunning == true { usleep(10_000) }
            #expect(ProcessReference(process: process)?.isRunning != true)
        }
    }

    @Test func `A grandchild outlives a leader that obeys SIGTERM, but not the end of the group`()
        async throws
    {
        var program = shell(
            "sh -c 'trap \"\" TERM; echo $$ > \(directory.path)/pid; sleep 1000 & wait; sleep 1000' & wait")
        program.timeLimit = .milliseconds(300)
        let result = try await runner.run(program)
        #expect(result.ending == .signalled(SIGTERM))
        let process = try #require(Int32((directory.text("pid") ?? "").dropLast()))
        for _ in 0..<200 where ProcessReference(process: process)?.isRunning == true { usleep(10_000) }
        #expect(ProcessReference(process: process)?.isRunning != true)
    }

    @Test func `A chatty program does not block, and its output is bounded`() async throws {
        let lines = Lines()
        let result = try await runner.run(
            shell("yes 0123456789012345678901234567890 | head -c 20000000", lines))
        #expect(result.succeeded)
        #expect(result.droppedOctets > 19_000_000)
        #expect(lines.all.reduce(0) { $0 + $1.utf8.count } <= OutputLines.totalLimit)
        #expect(lines.all.count > 100)

        let endless = Lines()
        let one = try await runner.run(
            shell("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end", endless))
        #expect(one.succeeded)
        #expect(endless.all.map(\.utf8.count) == [OutputLines.lineLimit, 3])
        #expect(one.lastLine == "end")
    }

    @Test func `What a program leaves behind neither keeps it waiting nor loses its output`() async throws {
        let lines = Lines()
        let result = try await runner.run(
            shell("(while [ ! -e \(directory.path)/go ]; do sleep 0.05; done; echo late) & echo early", lines)
        )
        #expect(result.succeeded)
        #expect(lines.all == ["early"])
        directory.write("go", "")
        for _ in 0..<200 where lines.all.count < 2 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(lines.all == ["early", "late"])
    }

    @Test func `A program whose task is cancelled is ended`() async throws {
        let started = try await runner.start(shell("exec sleep 1000"))
        let task = Task { await started.result() }
        task.cancel()
        let result = await task.value
        #expect(result.wasCancelled)
        #expect(result.ending == .signalled(SIGTERM))
        #expect(!started.reference.isRunning)
    }

    @Test func `A hundred programs at once all end, and none stays a zombie`() async throws {
        let runner = runner
        let processes = try await withThrowingTaskGroup(of: (Int32, ProgramResult).self) { group in
            for number in 0..<100 {
                let program = shell("exit \(number)")
                group.addTask {
                    let running = try await runner.start(program)
                    return (running.reference.process, await running.result())
                }
            }
            return try await group.reduce(into: [(Int32, ProgramResult)]()) { $0.append($1) }
        }
        #expect(Set(processes.map(\.1.ending)) == Set((0..<100).map { .exited($0) }))
        #expect(processes.allSatisfy { kill($0.0, 0) != 0 })
    }

    @Test func `A process that is no child is watched, and one of another start is not taken for it`()
        async throws
    {
        let other = try ProgramRunner()
        let child = try await other.start(shell("exec sleep 1000"))
        let adopted = try #require(await runner.adopt(child.reference))
        var wrong = child.reference
        wrong.startTime += 1
        #expect(await runner.adopt(wrong) == nil)
        #expect(!wrong.signal(SIGKILL))
        #expect(child.reference.isRunning)
        adopted.kill()
        #expect(await child.result().ending == .signalled(SIGKILL))
        #expect(await adopted.result().ending == .unknown)
    }

    @Test func `When the runner goes, a program goes with it unless it is to outlive it`() async throws {
        var runner: ProgramRunner? = try ProgramRunner()
        let script = try #require(try await runner?.start(shell("exec sleep 1000")))
        var client = shell("exec sleep 1000")
        client.outlivesRunner = true
        let survivor = try #require(try await runner?.start(client))
        runner = nil
        #expect(await script.result().wasCancelled)
        #expect(await survivor.result().ending == .unknown)
        #expect(survivor.reference.isRunning)
        #expect(survivor.reference.signal(SIGKILL))
        waitpid(survivor.reference.process, nil, 0)
    }
}
