import Glibc
import Synchronization
import Testing
import Varlink

@Suite("Service and client", .ownThread)
struct ServiceTests {
    @Test("a call is answered, and an error keeps its name and parameters")
    func call() async throws {
        let service = try TestService()
        var client = try Client(connectingTo: service.path)
        #expect(
            try client.call("org.example.test.Ping", ["text": "héllo"], timeout: 10_000) == ["text": "héllo"])
        let refused = CallError("org.example.test.Refused", parameters: ["reason": "asked to"])
        #expect(throws: ClientError.call(refused)) {
            try client.call("org.example.test.Ping", ["text": "refuse"], timeout: 10_000)
        }
        // The connection goes on after an error.
        #expect(try client.call("org.example.test.Ping", ["text": "x"], timeout: 10_000) == ["text": "x"])
        await service.stop()
    }

    @Test("the service tells what it is and what its interfaces are")
    func information() async throws {
        let service = try TestService()
        var client = try Client(connectingTo: service.path)
        let information = try client.call("org.varlink.service.GetInfo", timeout: 10_000)
        #expect(information["interfaces"] == ["org.varlink.service", "org.example.test"])
        #expect(information["product"] == "Test")
        let description = try client.call(
            "org.varlink.service.GetInterfaceDescription", ["interface": "org.example.test"], timeout: 10_000)
        #expect(description["description"]?.string == TestService.description)
        let own = try client.call(
            "org.varlink.service.GetInterfaceDescription", ["interface": "org.varlink.service"],
            timeout: 10_000)
        #expect(own["description"]?.string?.contains("method GetInfo()") == true)
        await service.stop()
    }

    @Test(
        "the standard errors",
        arguments: [
            ("org.nowhere.Do", CallError.interfaceNotFound("org.nowhere")),
            ("org.example.test.Nothing", .methodNotFound("org.example.test.Nothing")),
            ("org.varlink.service.Nothing", .methodNotFound("org.varlink.service.Nothing")),
            ("org.example.test.Absent", .methodNotImplemented("org.example.test.Absent")),
            ("org.example.test.Ping", .invalidParameter("text")),
            ("org.example.test.Count", .expectedMore),
            ("org.varlink.service.GetInterfaceDescription", .invalidParameter("interface")),
        ])
    func standardErrors(method: String, error: CallError) async throws {
        let service = try TestService()
        var client = try Client(connectingTo: service.path)
        #expect(throws: ClientError.call(error)) { try client.call(method, timeout: 10_000) }
        await service.stop()
    }

    @Test("a stream brings every reply in order, the last one without continues")
    func stream() async throws {
        let service = try TestService()
        var client = try Client(connectingTo: service.path)
        var numbers: [Int64] = []
        try client.stream("org.example.test.Count", ["to": 1000]) { reply in
            numbers.append(reply["number"]?.integer ?? -1)
            return true
        }
        #expect(numbers == Array(1...1000))
        #expect(
            try client.call("org.example.test.Ping", ["text": "after"], timeout: 10_000)["text"] == "after")
        await service.stop()
    }

    @Test("a oneway call is done and not answered")
    func oneway() async throws {
        let service = try TestService()
        var client = try RawClient(service.path)
        client.send(#"{"method":"org.example.test.Ping","parameters":{"text":"a"},"oneway":true}"#)
        client.send(#"{"method":"org.example.test.Nothing","oneway":true}"#)
        client.send(#"{"method":"org.example.test.Ping","parameters":{"text":"b"}}"#)
        #expect(try client.receive()?.parameters["text"] == "b")
        #expect(service.pings.load(ordering: .relaxed) == 2)
        await service.stop()
    }

    @Test("calls sent at once are answered in their order, however they are split")
    func pipelining() async throws {
        let service = try TestService()
        var client = try RawClient(service.path)
        let octets = (0..<50).flatMap {
            Call("org.example.test.Ping", parameters: ["text": .string(String($0))]).octets
        }
        for start in stride(from: 0, to: octets.count, by: 37) {
            client.send(Array(octets[start..<min(start + 37, octets.count)]))
        }
        for number in 0..<50 { #expect(try client.receive()?.parameters["text"] == .string(String(number))) }
        await service.stop()
    }

    @Test(
        "what is no call gets an error that says why, and the connection ends",
        arguments: [
            ("not json", "not JSON"), ("[]", "not an object"), (#"{"method":1}"#, "method"), ("", "JSON"),
        ])
    func malformed(text: String, cause: String) async throws {
        let service = try TestService()
        var client = try RawClient(service.path)
        client.send(text)
        let reply = try #require(try client.receive())
        #expect(reply.error == "org.varlink.service.InvalidParameter")
        #expect(reply.parameters["parameter"]?.string?.contains(cause) == true)
        #expect(try client.receive() == nil)
        await service.stop()
    }

    @Test("a message above the limit gets an error and the connection ends")
    func oversize() async throws {
        let service = try TestService()
        var client = try RawClient(service.path)
        client.send(Array(repeating: UInt8(ascii: "x"), count: FrameReader.maximumLength + 1))
        let reply = try #require(try client.receive())
        #expect(reply.error == "org.varlink.service.InvalidParameter")
        #expect(reply.parameters["parameter"]?.string?.contains("longer than 1048576 octets") == true)
        #expect(try client.receive() == nil)
        await service.stop()
    }

    @Test("a message of exactly the limit is answered")
    func largest() async throws {
        let service = try TestService()
        let empty = Call("org.example.test.Ping", parameters: ["text": ""]).octets.count - 1
        let text = String(repeating: "x", count: FrameReader.maximumLength - empty)
        var client = try Client(connectingTo: service.path)
        // The reply is shorter than the call, so that it is within the limit as well.
        #expect(
            try client.call("org.example.test.Ping", ["text": .string(text)], timeout: 10_000)["text"]?.string
                == text)
        #expect(throws: ClientError.framing(.tooLarge(limit: FrameReader.maximumLength))) {
            try client.call("org.example.test.Ping", ["text": .string(text + "x")], timeout: 10_000)
        }
        await service.stop()
    }

    @Test("a reply is as long as what it tells of, beyond what a call and a backlog may have")
    func longReply() async throws {
        let service = try TestService()
        let count = Service.Limits().queuedOctets + 1
        #expect(count > FrameReader.maximumLength)
        var client = try Client(connectingTo: service.path)
        let reply = try client.call(
            "org.example.test.Long", ["octets": .integer(Int64(count))], timeout: 20_000)
        #expect(reply["text"]?.string?.utf8.count == count)
        await service.stop()
    }

    @Test("a client that goes away half way harms nobody, and ends its stream")
    func goesAway() async throws {
        let service = try TestService()
        for _ in 0..<20 {
            let client = try RawClient(service.path)
            client.send(Array("{\"method\":".utf8))
        }
        do {
            var client = try RawClient(service.path)
            client.send(#"{"method":"org.example.test.Forever","more":true}"#)
            #expect(try client.receive()?.continues == true)
        }
        #expect(await eventually { service.cancelled.load(ordering: .relaxed) == 1 })
        var client = try Client(connectingTo: service.path)
        #expect(try client.call("org.example.test.Ping", ["text": "x"], timeout: 10_000) == ["text": "x"])
        await service.stop()
    }

    @Test("a client that does not read is dropped once its queue is full")
    func slowReader() async throws {
        var limits = Service.Limits()
        limits.queuedOctets = 1 << 20
        limits.writeTimeout = 3_600_000
        let service = try TestService(limits)
        let client = try RawClient(service.path)
        client.send(#"{"method":"org.example.test.Forever","more":true}"#)
        #expect(await eventually { service.cancelled.load(ordering: .relaxed) == 1 })
        await service.stop()
        _ = consume client
    }

    @Test("a client that leaves its replies unread is dropped after a while")
    func stuckReader() async throws {
        var limits = Service.Limits()
        limits.queuedOctets = .max
        limits.writeTimeout = 100
        let service = try TestService(limits)
        var client = try RawClient(service.path)
        client.send(#"{"method":"org.example.test.Count","parameters":{"to":50000},"more":true}"#)
        // Nothing but the end is waited for: poll(2) tells POLLHUP unasked.
        let isDropped = UnixSocket.wait(client.socket, for: 0, milliseconds: 30_000)
        #expect(isDropped)
        var last = 0
        while let reply = try client.receive() { last = Int(reply.parameters["number"]?.integer ?? 0) }
        #expect(last > 0)
        #expect(last < 50_000)
        await service.stop()
    }

    @Test("a connection without a call is closed, one with a stream is not")
    func idle() async throws {
        var limits = Service.Limits()
        limits.idleTimeout = 100
        let service = try TestService(limits)
        var idle = try RawClient(service.path)
        var dripping = try RawClient(service.path)
        dripping.send(Array("{".utf8))
        #expect(try idle.receive() == nil)
        #expect(try dripping.receive() == nil)
        await service.stop()
    }

    @Test("more connections than allowed are closed, the others go on")
    func tooMany() async throws {
        var limits = Service.Limits()
        limits.connections = 2
        let service = try TestService(limits)
        var first = try Client(connectingTo: service.path)
        var second = try Client(connectingTo: service.path)
        #expect(try first.call("org.example.test.Ping", ["text": "1"], timeout: 10_000)["text"] == "1")
        #expect(try second.call("org.example.test.Ping", ["text": "2"], timeout: 10_000)["text"] == "2")
        var third = try RawClient(service.path)
        #expect(try third.receive() == nil)
        #expect(try first.call("org.example.test.Ping", ["text": "3"], timeout: 10_000)["text"] == "3")
        await service.stop()
    }

    @Test("the peer is who the kernel says, with its groups")
    func credentials() async throws {
        let service = try TestService()
        var client = try Client(connectingTo: service.path)
        let who = try client.call("org.example.test.Who", timeout: 10_000)
        #expect(who["user"]?.integer == Int64(geteuid()))
        #expect(who["process"]?.integer == Int64(getpid()))
        var list = [gid_t](repeating: 0, count: 256)
        let count = getgroups(256, &list)
        let expected = Set(list.prefix(Int(count)).map { Int64($0) })
        #expect(Set(who["groups"]?.array?.compactMap(\.integer) ?? [-1]) == expected)
        await service.stop()
    }

    @Test("after the end nobody is served, and the end of a stream is told")
    func stop() async throws {
        let service = try TestService()
        var idle = try RawClient(service.path)
        var call = try RawClient(service.path)
        call.send(#"{"method":"org.example.test.Ping","parameters":{"text":"x"}}"#)
        #expect(try call.receive()?.parameters["text"] == "x")
        await service.stop()
        #expect(try idle.receive() == nil)
        #expect(throws: (any Error).self) {
            var late = try Client(connectingTo: service.path)
            _ = try late.call("org.example.test.Ping", ["text": "x"], timeout: 1000)
        }
    }

    @Test("a call without an answer ends in time")
    func timeout() throws {
        let path = "/tmp/varlink-silent-\(getpid())"
        defer { unlink(path) }
        let listener = try UnixSocket.listen(at: path, .stream)
        var client = try Client(connectingTo: path)
        #expect(throws: ClientError.timedOut) { try client.call("a.b.C", timeout: 50) }
        _ = consume listener
    }
}

@Suite("Packets")
struct PacketTests {
    @Test("a descriptor crosses with its message and is another one there")
    func descriptor() throws {
        let path = "/tmp/varlink-packet-\(getpid())"
        defer { unlink(path) }
        let listener = try UnixSocket.listen(at: path, .sequencedPacket)
        let client = try UnixSocket.connect(to: path, .sequencedPacket)
        let server = try Self.accept(listener)
        let file = OwnedDescriptor(taking: open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC))
        try Packet.send([1, 2, 3], descriptor: file.rawValue, to: client)
        let packet = try Self.receive(from: server, room: 16)
        let content = packet.content
        #expect(content == [1, 2, 3])
        guard let raw = Self.rawValue(packet) else { throw TestError() }
        let original = file.rawValue
        #expect(raw != original)
        #expect(fcntl(raw, F_GETFD) & FD_CLOEXEC != 0)
        var (left, right) = (stat(), stat())
        #expect(fstat(raw, &left) == 0 && fstat(original, &right) == 0)
        #expect(left.st_ino == right.st_ino)
    }

    @Test("a packet that does not fit is known to be cut")
    func truncated() throws {
        let path = "/tmp/varlink-truncated-\(getpid())"
        defer { unlink(path) }
        let listener = try UnixSocket.listen(at: path, .sequencedPacket)
        let client = try UnixSocket.connect(to: path, .sequencedPacket)
        let server = try Self.accept(listener)
        try Packet.send([1, 2, 3, 4], to: client)
        let packet = try Self.receive(from: server, room: 3)
        let isTruncated = packet.isTruncated
        #expect(isTruncated)
        _ = consume client
        let isOver = try Packet.receive(from: server, room: 3) == nil
        #expect(isOver)
    }

    private struct TestError: Error {}

    private static func accept(_ listener: borrowing OwnedDescriptor) throws -> OwnedDescriptor {
        guard let socket = try UnixSocket.accept(listener) else { throw TestError() }
        return socket
    }

    private static func receive(from socket: borrowing OwnedDescriptor, room: Int) throws -> Packet {
        guard let packet = try Packet.receive(from: socket, room: room) else { throw TestError() }
        return packet
    }

    private static func rawValue(_ packet: borrowing Packet) -> Int32? {
        switch packet.descriptor {
        case .some(let descriptor): descriptor.rawValue
        case .none: nil
        }
    }
}
