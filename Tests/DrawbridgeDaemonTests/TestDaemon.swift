import DrawbridgeAPI
import DrawbridgeDaemon
import DrawbridgeModel
import Glibc
import Logging
import TestSupport

/// A daemon with a fake engine, in a directory and a network namespace of its own.
final class TestDaemon: Sendable {
    let directory: String
    let engine = FakeEngine()
    let daemon: Daemon
    private let life: Task<(any Error)?, Never>

    var socket: String { directory + "/run/io.drawbridge" }
    var direct: String { API.directSocket(of: socket) }
    var syslog: String { directory + "/log" }

    /// Where programs that were built lie: beside the tests.
    static let programs: String = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        return "/" + path.split(separator: "/").dropLast().joined(separator: "/")
    }()

    static func makeDirectory() throws -> String {
        var template = Array("/tmp/drawbridge-test-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let made else { throw TestFailure("mkdtemp: errno \(errno)") }
        // A member of the group has to get through to the socket.
        chmod(made, 0o755)
        return made
    }

    /// The group `drawbridge` of these daemons.
    static let group: UInt32 = 47_110

    /// Makes a daemon without running it.
    static func make(
        in directory: String, engine: FakeEngine, environment: [String: String] = [:], state: String = "run",
        socket: String = "run/io.drawbridge", configuration: String = "version: 1\n"
    ) throws -> Daemon {
        let file = "\(directory)/drawbridge.yaml"
        try write(configuration, to: file)
        // The members of this group may connect vifs of their own.
        try write("root:x:0:\ndrawbridge:x:\(group):\n", to: "\(directory)/group")
        var logger = StandardErrorLog.logger("test")
        logger.logLevel = .critical
        return try Daemon(
            options: DaemonOptions(
                configurationFile: file, socket: "\(directory)/\(socket)",
                stateDirectory: "\(directory)/\(state)",
                scriptDirectory: "/etc/drawbridge/scripts"),
            environment: environment, logger: logger, syslogSocket: "\(directory)/log",
            groupFile: "\(directory)/group",
            makeEngine: { _, _, _ throws(DrawbridgeError) in engine })
    }

    static func write(_ text: String, to file: String) throws {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw TestFailure("open \(file): errno \(errno)") }
        defer { close(descriptor) }
        let octets = Array(text.utf8)
        _ = Glibc.write(descriptor, octets, octets.count)
    }

    init(environment: [String: String] = [:], configuration: String = "version: 1\n") async throws {
        let directory = try Self.makeDirectory()
        self.directory = directory
        let engine = engine
        // The lock of the namespace is taken where the daemon is made.
        let daemon = try await withTestNamespace {
            try Self.make(
                in: directory, engine: engine, environment: environment, configuration: configuration)
        }
        self.daemon = daemon
        life = Task {
            do {
                try await daemon.run(takesSignals: false)
                return nil
            } catch {
                return error
            }
        }
    }

    deinit { _ = try? execute(["rm", "-rf", directory]) }

    /// Ends the daemon and waits for its end.
    func stop() async throws {
        _ = try onNewConnection { client in try client.call(Shutdown(), timeout: 10_000) }
        try await ended()
    }

    /// Waits for the end.
    func ended() async throws {
        if let error = await life.value { throw error }
    }

    func onNewConnection<Value>(_ body: (inout APIClient) throws -> Value) throws -> Value {
        var client = try APIClient(connectingTo: socket)
        return try body(&client)
    }

    func call<R: Request>(_ request: R) throws -> R.Answer {
        try onNewConnection { try $0.call(request, timeout: 10_000) }
    }

    /// Runs the command with this daemon's socket.
    func command(_ arguments: String...) throws -> ProgramResult {
        try execute(["\(Self.programs)/drawbridge"] + arguments + ["--socket", socket])
    }
}

/// Waits until something has come true.
func eventually(_ condition: () async -> Bool) async -> Bool {
    for _ in 0..<1000 {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}
