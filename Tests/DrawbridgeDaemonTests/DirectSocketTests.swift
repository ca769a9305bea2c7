import DrawbridgeAPI
import DrawbridgeDaemon
import DrawbridgeEngine
import Glibc
import TestSupport
import Testing
import Varlink

/// Sends a packet and reads what comes back.
private func exchange(_ octets: [UInt8], descriptor: Int32? = nil, with socket: String) throws -> DirectReply?
{
    let connection = try UnixSocket.connect(to: socket, .sequencedPacket)
    try Packet.send(octets, descriptor: descriptor, to: connection)
    guard UnixSocket.wait(connection, for: POLLIN, milliseconds: 10_000) else {
        throw TestFailure("no answer")
    }
    guard let packet = try Packet.receive(from: connection, room: DirectMessage.maximumReply) else {
        return nil
    }
    return try DirectReply(parsing: packet.content)
}

@Suite("The direct socket", .ownThread)
struct DirectSocketTests {
    @Test("a namespace arrives as a descriptor of the same namespace, and the answer is AddVif's")
    func attach() async throws {
        let test = try await TestDaemon()
        let namespace = try await onThread { try makeNamespace() }
        defer { close(namespace) }
        var vif = VifSpecification()
        vif.id = "vif3.1"
        vif.domain = "web"
        let reply = try #require(
            try exchange(
                DirectRequest.attach(AddVif(vif: vif)).octets, descriptor: namespace, with: test.direct))
        #expect(reply.exitCode == 0)
        #expect(
            reply.output
                == #"{"parameters":{"id":"vif3.1","outcome":{"changed":true,"plan":["create vif3.1"],"warnings":[]}}}"#
        )
        var status = stat()
        #expect(fstat(namespace, &status) == 0)
        #expect(await test.engine.inodes == [UInt64(status.st_ino)])
        try await test.stop()
    }

    @Test(
        "what is no network namespace is refused, the daemon's own as well, and nothing is asked of the engine"
    )
    func notANamespace() async throws {
        let test = try await TestDaemon()
        var vif = VifSpecification()
        vif.id = "vif3.1"
        let octets = DirectRequest.attach(AddVif(vif: vif)).octets
        for path in [
            "/etc/passwd", "/proc/self/ns/mnt", "/proc/self/ns/user", "/proc/self/ns/net", "/dev/null",
        ] {
            let file = open(path, O_RDONLY | O_CLOEXEC)
            defer { close(file) }
            let reply = try #require(try exchange(octets, descriptor: file, with: test.direct))
            #expect(reply.exitCode == 2, "\(path)")
            #expect(reply.message.hasPrefix("namespace: "), "\(path)")
            #expect(reply.output.contains(#""error":"io.drawbridge.InvalidArgument""#), "\(path)")
        }
        let reply = try #require(try exchange(octets, with: test.direct))
        #expect(reply.message.contains("needs the network namespace"))
        #expect(await test.engine.requests.isEmpty)
        try await test.stop()
    }

    @Test("many attaches at once are all answered")
    func many() async throws {
        let test = try await TestDaemon()
        let namespace = try await onThread { try makeNamespace() }
        defer { close(namespace) }
        let direct = test.direct
        let codes = try await withThrowingTaskGroup(of: UInt8?.self) { group in
            for number in 0..<200 {
                group.addTask {
                    var vif = VifSpecification()
                    vif.id = "vif\(number + 1).0"
                    let octets = DirectRequest.attach(AddVif(vif: vif)).octets
                    return try await onThread {
                        try exchange(octets, descriptor: namespace, with: direct)?.exitCode
                    }
                }
            }
            return try await group.reduce(into: [UInt8?]()) { $0.append($1) }
        }
        #expect(codes == Array(repeating: 0, count: 200))
        #expect(await test.engine.requests.count == 200)
        try await test.stop()
    }

    @Test(
        "what is not understood is answered with the cause",
        arguments: [
            "x", "frob\0", "script\0", "script\0vif-bridge\u{0}1\0", "script\0vif-bridge\u{0}0\0PATH=/bin\0",
            "script\0vif-bridge\u{0}1\0a\u{1b}b\0", "script\0vif-bridge\u{0}0\0vif=a\nb\0",
        ])
    func malformed(text: String) async throws {
        let test = try await TestDaemon()
        let reply = try #require(try exchange(Array(text.utf8), with: test.direct))
        #expect(reply.exitCode == 2)
        #expect(!reply.message.isEmpty)
        #expect(await test.engine.invocations.isEmpty)
        try await test.stop()
    }

    @Test("a packet that is too long is answered, and a client that goes away harms nobody")
    func hostile() async throws {
        let test = try await TestDaemon()
        let reply = try #require(
            try exchange(Array(repeating: 0x61, count: DirectMessage.maximumRequest + 100), with: test.direct)
        )
        #expect(reply.message.contains("longer than"))
        for _ in 0..<50 { _ = try UnixSocket.connect(to: test.direct, .sequencedPacket) }
        do {
            let connection = try UnixSocket.connect(to: test.direct, .sequencedPacket)
            let octets = DirectRequest.script(name: "vif-bridge", arguments: ["online"], environment: [:])
                .octets
            try Packet.send(octets, to: connection)
        }
        #expect(await eventually { await test.engine.invocations.count == 1 })
        let octets = DirectRequest.script(name: "vif-bridge", arguments: ["offline"], environment: [:]).octets
        #expect(try exchange(octets, with: test.direct)?.exitCode == 0)
        try await test.stop()
    }

    @Test("§7-8: a script's run is in the system's log under its path, with arguments and XENBUS_PATH")
    func log() async throws {
        let test = try await TestDaemon()
        let log = try Self.listen(at: test.syslog)
        await test.engine.set(reply: ScriptReply(exitCode: 1, message: "Invalid command: move"))
        let octets = DirectRequest.script(
            name: "/etc/xen/scripts/vif-bridge", arguments: ["move", "a b"],
            environment: ["XENBUS_PATH": "backend/vif/3/1"]
        ).octets
        #expect(try exchange(octets, with: test.direct)?.exitCode == 1)
        let first = try Self.line(log)
        // Facility daemon (3), severity debug (7): 3 * 8 + 7.
        #expect(first.hasPrefix("<31>"))
        #expect(
            first.hasSuffix(" /etc/xen/scripts/vif-bridge[\(getpid())]: move a b XENBUS_PATH=backend/vif/3/1")
        )
        let second = try Self.line(log)
        #expect(second.hasPrefix("<27>"))
        #expect(second.hasSuffix("]: Invalid command: move"))
        try await test.stop()
    }

    @Test("§7-8: a log that cannot be written does not stop the run")
    func noLog() async throws {
        let test = try await TestDaemon()
        #expect(access(test.syslog, F_OK) != 0)
        let octets = DirectRequest.script(name: "vif-bridge", arguments: ["online"], environment: [:]).octets
        #expect(try exchange(octets, with: test.direct)?.exitCode == 0)
        #expect(await test.engine.invocations.count == 1)
        try await test.stop()
    }

    private static func listen(at path: String) throws -> OwnedDescriptor {
        let socket = try UnixSocket.make(.datagram)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket.rawValue
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw TestFailure("bind: errno \(errno)") }
        return socket
    }

    private static func line(_ socket: borrowing OwnedDescriptor) throws -> String {
        guard UnixSocket.wait(socket, for: POLLIN, milliseconds: 10_000),
            let packet = try Packet.receive(from: socket, room: 9000)
        else { throw TestFailure("nothing in the log") }
        return String(decoding: packet.content, as: UTF8.self)
    }
}
