import DrawbridgeAPI
import DrawbridgeDaemon
import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import LinuxHeaders
import NetworkTypes
import TestSupport
import Testing
import Varlink

@Suite("The life of the daemon", .ownThread)
struct LifeTests {
    @Test("it serves, tells what it is, and ends when asked; the sockets go with it")
    func serves() async throws {
        let test = try await TestDaemon()
        #expect(await eventually { await test.engine.calls == ["startUp", "started"] })
        let daemon = try test.call(GetDaemonStatus()).daemon
        #expect(daemon.process == getpid())
        #expect(daemon.stateDirectory == test.directory + "/run")
        #expect(daemon.stopOnExit)
        try await test.stop()
        #expect(await test.engine.calls.last == "shutDown keepNetwork=false")
        #expect(access(test.socket, F_OK) != 0)
        #expect(access(test.direct, F_OK) != 0)
    }

    @Test("stop-on-exit and --keep-network decide what becomes of the networks")
    func keepNetwork() async throws {
        let keeping = try await TestDaemon(configuration: "version: 1\nstop-on-exit: no\n")
        #expect(try !keeping.call(GetDaemonStatus()).daemon.stopOnExit)
        try await keeping.stop()
        #expect(await keeping.engine.calls.last == "shutDown keepNetwork=true")
        let asked = try await TestDaemon()
        #expect(try asked.call(Shutdown(keepNetwork: true, dryRun: true)).outcome.changed)
        #expect(await !asked.engine.calls.contains { $0.hasPrefix("shutDown") })
        _ = try asked.call(Shutdown(keepNetwork: true))
        try await asked.ended()
        #expect(await asked.engine.calls.last == "shutDown keepNetwork=true")
    }

    @Test("the sockets serve before the networks are up, and readiness is told after")
    func readiness() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let notify = try UnixSocket.make(.datagram)
        try bind(notify, to: "\(directory)/notify")
        let engine = FakeEngine()
        let (gate, opener) = AsyncStream.makeStream(of: Void.self)
        await engine.hold(until: gate)
        let daemon = try await withTestNamespace {
            try TestDaemon.make(
                in: directory, engine: engine, environment: ["NOTIFY_SOCKET": "\(directory)/notify"])
        }
        let life = Task { try await daemon.run(takesSignals: false) }
        #expect(await eventually { await engine.calls == ["startUp"] })
        let path = "\(directory)/run/io.drawbridge"
        var client = try APIClient(connectingTo: path)
        #expect(try !client.call(GetDaemonStatus(), timeout: 10_000).daemon.ready)
        let isToldEarly = UnixSocket.wait(notify, for: POLLIN, milliseconds: 0)
        #expect(!isToldEarly)
        opener.finish()
        #expect(try Self.message(notify).hasPrefix("READY=1\n"))
        #expect(try client.call(GetDaemonStatus(), timeout: 10_000).daemon.ready)
        _ = try client.call(Shutdown(), timeout: 10_000)
        #expect(try Self.message(notify).hasPrefix("STOPPING=1\n"))
        try await life.value
    }

    private func bind(_ socket: borrowing OwnedDescriptor, to path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket.rawValue
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    private static func message(_ socket: borrowing OwnedDescriptor) throws -> String {
        guard UnixSocket.wait(socket, for: POLLIN, milliseconds: 10_000),
            let packet = try Packet.receive(from: socket, room: 1000)
        else { throw TestFailure("nothing was told") }
        return String(decoding: packet.content, as: UTF8.self)
    }

    @Test("the sockets are for root and the group alone, and the state directory of its own is closed")
    func modes() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let daemon = try await withTestNamespace {
            try TestDaemon.make(in: directory, engine: FakeEngine(), state: "state", socket: "run/api")
        }
        for (path, mode) in [("run/api", 0o660), ("run/api.direct", 0o660), ("state", 0o700), ("run", 0o755)]
        {
            var status = stat()
            #expect(stat("\(directory)/\(path)", &status) == 0)
            #expect(status.st_mode & 0o777 == mode, "\(path)")
            #expect(status.st_uid == 0)
        }
        withExtendedLifetime(daemon) {}
        let shared = try await withTestNamespace {
            try TestDaemon.make(in: directory, engine: FakeEngine(), state: "shared", socket: "shared/api")
        }
        var status = stat()
        #expect(stat("\(directory)/shared", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o711)
        withExtendedLifetime(shared) {}
    }

    @Test("a second daemon in the namespace is refused whatever its state directory, also on the same state")
    func secondDaemon() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let (inside, beside, later) = try await withTestNamespace {
            let first = try TestDaemon.make(in: directory, engine: FakeEngine())
            let inside = Self.refusal {
                try TestDaemon.make(in: directory, engine: FakeEngine(), state: "other", socket: "other/api")
            }
            // Another namespace, and there the same state directory.
            guard unshare(Int32(LINUX_CLONE_NEWNET)) == 0 else { throw TestFailure("unshare") }
            let beside = Self.refusal {
                try TestDaemon.make(in: directory, engine: FakeEngine(), socket: "other.api")
            }
            let third = try TestDaemon.make(
                in: directory, engine: FakeEngine(), state: "third", socket: "third/api")
            withExtendedLifetime((first, third)) {}
            return (inside, beside, third)
        }
        #expect(inside?.kind == .conflict)
        #expect(inside?.cause.contains("process \(getpid()), user 0") == true)
        #expect(beside?.kind == .conflict)
        #expect(beside?.object == "\(directory)/run")
        withExtendedLifetime(later) {}
    }

    private static func refusal(_ body: () throws -> Daemon) -> DrawbridgeError? {
        do {
            _ = try body()
            return nil
        } catch {
            return error as? DrawbridgeError
        }
    }

    @Test("a socket that an earlier daemon left is replaced; one that is served, and what is none, is not")
    func existingSocket() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        try await withTestNamespace {
            try #require(mkdir("\(directory)/run", 0o755) == 0)
            let path = "\(directory)/run/io.drawbridge"
            do { _ = try UnixSocket.listen(at: path, .stream) }
            // A program that another test starts holds a copy until it is executed.
            while (try? UnixSocket.connect(to: path, .stream)) != nil { usleep(1000) }
            let daemon = try TestDaemon.make(in: directory, engine: FakeEngine())
            _ = try UnixSocket.connect(to: path, .stream)
            withExtendedLifetime(daemon) {}
        }
        let served = try await withTestNamespace {
            let listener = try UnixSocket.listen(at: "\(directory)/served", .stream)
            let refusal = Self.refusal {
                try TestDaemon.make(in: directory, engine: FakeEngine(), state: "s", socket: "served")
            }
            _ = consume listener
            return refusal
        }
        #expect(served?.kind == .conflict)
        let file = try await withTestNamespace {
            try TestDaemon.write("precious", to: "\(directory)/file")
            return Self.refusal {
                try TestDaemon.make(in: directory, engine: FakeEngine(), state: "s", socket: "file")
            }
        }
        #expect(file?.kind == .conflict)
        #expect(try execute(["cat", "\(directory)/file"]).output == "precious")
    }

    @Test("a state directory that is a file, a link, or writable by others is refused")
    func badStateDirectory() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        try TestDaemon.write("", to: "\(directory)/file")
        try #require(symlink("/tmp", "\(directory)/link") == 0)
        try #require(mkdir("\(directory)/open", 0o700) == 0 && chmod("\(directory)/open", 0o777) == 0)
        for state in ["file", "link", "open", "absent/below"] {
            let refusal = try await withTestNamespace {
                Self.refusal {
                    try TestDaemon.make(in: directory, engine: FakeEngine(), state: state, socket: "api")
                }
            }
            #expect(refusal?.kind == .journal, "\(state)")
            #expect(refusal?.object == "\(directory)/\(state)")
        }
    }

    @Test("a bad configuration is refused at the start with its place, and later keeps the old one in force")
    func configuration() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let refusal = try await withTestNamespace {
            Self.refusal {
                try TestDaemon.make(
                    in: directory, engine: FakeEngine(), configuration: "version: 1\ncolour: red\n")
            }
        }
        #expect(refusal?.kind == .invalidConfiguration)
        #expect(refusal?.object == "\(directory)/drawbridge.yaml:2:1")

        let test = try await TestDaemon()
        try TestDaemon.write("colour: red\n", to: "\(test.directory)/drawbridge.yaml")
        #expect(throws: ClientError.self) { try test.call(ReloadConfiguration()) }
        #expect(try test.call(GetDaemonStatus()).daemon.stopOnExit)
        try TestDaemon.write("version: 1\nstop-on-exit: no\n", to: "\(test.directory)/drawbridge.yaml")
        #expect(try test.call(ReloadConfiguration(dryRun: true)).outcome.changed)
        #expect(await test.engine.reloaded.isEmpty)
        #expect(try test.call(ReloadConfiguration()).outcome.changed)
        #expect(await test.engine.reloaded.count == 1)
        #expect(try !test.call(GetDaemonStatus()).daemon.stopOnExit)
        try await test.stop()
    }

    @Test("events are followed by several, and the end of the daemon ends them")
    func events() async throws {
        let test = try await TestDaemon()
        let socket = test.socket
        let follower = Task {
            try await onThread {
                var client = try APIClient(connectingTo: socket)
                var seen: [String] = []
                try client.follow(FollowEvents()) { event in
                    seen.append("\(event.sequence) \(event.event) \(event.object) \(event.error ?? "-")")
                    return true
                }
                return seen
            }
        }
        #expect(await eventually { await test.engine.listenerCount == 1 })
        await test.engine.emit(
            EventRecord(sequence: 1, time: 5, event: "vif-online", object: "vif3.1", detail: ""))
        await test.engine.emit(
            EventRecord(
                sequence: 2, time: 6, event: "vif-offline", object: "vif3.1", detail: "", error: "gone"))
        #expect(throws: ClientError.call(.expectedMore)) { try test.call(FollowEvents()) }
        try await test.stop()
        #expect(try await follower.value == ["1 vif-online vif3.1 -", "2 vif-offline vif3.1 gone"])
    }

    @Test("errors of the engine keep their kind, object, cause and advice")
    func errors() async throws {
        let test = try await TestDaemon()
        let failure = Failure(
            kind: "NotFound", object: "network 'nosuch'", cause: "is not configured", advice: "name another")
        #expect(throws: ClientError.call(failure.callError)) { try test.call(StartNetwork(name: "nosuch")) }
        #expect(throws: ClientError.call(.invalidParameter("vif.colour"))) {
            var client = try Client(connectingTo: test.socket)
            _ = try client.call("io.drawbridge.AddVif", ["vif": ["colour": "red"]], timeout: 10_000)
        }
        try await test.stop()
    }
}
