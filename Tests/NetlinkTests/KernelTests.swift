import Glibc
import LinuxHeaders
import Netlink
import Synchronization
import TestSupport
import Testing

/// Adds a request for a link of a kind.
private func addLink(_ name: String, kind: String, to buffer: inout MessageBuffer, flags: Int32 = 0) {
    buffer.message(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | flags) { message in
        message.header(ifinfomsg())
        message.put(IFLA_IFNAME, string: name)
        message.nest(IFLA_LINKINFO) { $0.put(IFLA_INFO_KIND, string: kind) }
    }
}

/// The name that a link message bears.
private func name(_ message: borrowing Message) -> String? {
    var attributes = message.attributes(after: ifinfomsg.self)
    while let attribute = attributes.next() {
        if attribute.type == IFLA_IFNAME { return attribute.string }
    }
    return nil
}

/// The names of all links, by a dump.
private func linkNames(_ connection: inout NetlinkConnection<NetlinkSocket>) throws -> [String] {
    var request = MessageBuffer()
    request.message(type: RTM_GETLINK) { $0.header(ifinfomsg()) }
    return try connection.dump(&request) { message throws(NetlinkError) in name(message) }
}

@Suite("Requests and answers, with a kernel")
struct KernelTests {
    @Test("a batch goes on after a refused message, and all refused ones are told with the kernel's words")
    func batchGoesOn() async throws {
        try await withTestNamespace {
            var connection = NetlinkConnection(try NetlinkSocket(.route))
            var buffer = MessageBuffer()
            addLink("br0", kind: "bridge", to: &buffer)
            addLink("br0", kind: "bridge", to: &buffer)
            addLink("x0", kind: "nosuchkind", to: &buffer)
            addLink("a-name-that-is-too-long", kind: "bridge", to: &buffer)
            addLink("br1", kind: "bridge", to: &buffer)
            var refusals: [NetlinkError.Refusal] = []
            do throws(NetlinkError) { try connection.commit(&buffer) } catch { refusals = error.refusals }
            #expect(refusals.map(\.index) == [1, 2, 3])
            #expect(refusals.map(\.errno) == [EEXIST, EOPNOTSUPP, ERANGE])
            #expect(refusals.dropFirst().first?.text == "Unknown device type")
            #expect(refusals.last?.text == "Attribute failed policy validation")
            #expect(refusals.last?.offset == 32)
            #expect(try linkNames(&connection).sorted() == ["br0", "br1", "lo"])
            #expect(try run("ip", "-o", "link").contains("br1"))
            // The connection stands after errors.
            buffer.removeAll()
            addLink("br2", kind: "bridge", to: &buffer)
            try connection.commit(&buffer)
            #expect(if_nametoindex("br2") > 0)
        }
    }

    @Test("NLM_F_ECHO tells the index of what was made, for every message of the batch")
    func echo() async throws {
        try await withTestNamespace {
            var connection = NetlinkConnection(try NetlinkSocket(.route))
            var buffer = MessageBuffer()
            addLink("br0", kind: "bridge", to: &buffer, flags: NLM_F_ECHO)
            addLink("br1", kind: "bridge", to: &buffer, flags: NLM_F_ECHO)
            var made: [Int: Int32] = [:]
            try connection.commit(&buffer) { index, answer throws(NetlinkError) in
                made[index] = answer.header(as: ifinfomsg.self)?.ifi_index
            }
            #expect(made == [0: Int32(if_nametoindex("br0")), 1: Int32(if_nametoindex("br1"))])
        }
    }

    @Test("10,000 messages, more than a send buffer holds, go in one send; a dump brings back what they made")
    func largeBatch() async throws {
        try await withTestNamespace {
            var connection = NetlinkConnection(try NetlinkSocket(.route))
            var buffer = MessageBuffer()
            for number in 0..<10000 {
                buffer.message(type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL) { message in
                    var header = ifaddrmsg()
                    header.ifa_family = UInt8(AF_INET)
                    header.ifa_prefixlen = 32
                    header.ifa_index = 1
                    message.header(header)
                    message.put(Int(IFA_LOCAL), bigEndian: UInt32(0x0a00_0001 + number))
                }
            }
            #expect(buffer.byteCount > 300_000)
            try connection.commit(&buffer)
            var request = MessageBuffer()
            request.message(type: RTM_GETADDR) { message in
                var header = ifaddrmsg()
                header.ifa_family = UInt8(AF_INET)
                message.header(header)
            }
            let lengths = try connection.dump(&request) { message throws(NetlinkError) in
                message.header(as: ifaddrmsg.self)?.ifa_prefixlen
            }
            #expect(lengths.filter { $0 == 32 }.count == 10000)
        }
    }

    @Test("a dump stays whole while another thread adds and removes what is dumped")
    func dumpUnderChange() async throws {
        try await withTestNamespace {
            var connection = NetlinkConnection(try NetlinkSocket(.route))
            var buffer = MessageBuffer()
            for number in 0..<400 { addLink("ifb\(number)", kind: "ifb", to: &buffer) }
            try connection.commit(&buffer)
            let churner = try Churner()
            defer { churner.stop() }
            for _ in 0..<10 {
                let names = try linkNames(&connection)
                #expect(names.filter { $0.hasPrefix("ifb") }.count == 400)
                #expect(Set(names).count == names.count)
            }
            #expect(churner.rounds > 0)
        }
    }
}

/// Adds and removes an alternative name and a bridge, in the namespace of the thread that made it, until stopped.
private final class Churner: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let count = Atomic<Int>(0)
    private let ended = Atomic<Bool>(false)

    var rounds: Int { count.load(ordering: .acquiring) }

    init() throws {
        let socket = try NetlinkSocket(.route)
        let box = SocketBox(socket)
        Task.detached { [self] in
            _ = try? await onThread { self.churn(box) }
            ended.store(true, ordering: .releasing)
        }
        while rounds == 0 { usleep(1000) }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        while !ended.load(ordering: .acquiring) { usleep(1000) }
    }

    private func churn(_ box: SocketBox) {
        guard let socket = box.take() else { return }
        var connection = NetlinkConnection(socket)
        var buffer = MessageBuffer()
        while !isStopped.load(ordering: .acquiring) {
            buffer.removeAll()
            addLink("churn", kind: "bridge", to: &buffer)
            buffer.message(type: RTM_DELLINK) { message in
                message.header(ifinfomsg())
                message.put(IFLA_IFNAME, string: "churn")
            }
            try? connection.commit(&buffer)
            count.add(1, ordering: .acquiringAndReleasing)
        }
    }
}

/// Hands a socket from one thread to another.
private final class SocketBox: Sendable {
    private let socket: Mutex<NetlinkSocket?>
    init(_ socket: consuming NetlinkSocket) { self.socket = Mutex(socket) }
    func take() -> NetlinkSocket? { socket.withLock { $0.take() } }
}
