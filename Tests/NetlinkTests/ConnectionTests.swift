import Glibc
import LinuxHeaders
import Netlink
import Testing

/// What a scripted transport gives to be received.
private enum Answer {
    case datagram([UInt8])
    case overrun
}

/// A transport that answers from a script and notes what was sent.
private struct ScriptedTransport: ~Copyable, NetlinkTransport {
    let port: UInt32 = 42
    var sent: [[UInt8]] = []
    /// The answers to each send, made with the sequence number of its first message.
    private var script: [(UInt32) -> [Answer]]
    private var queue: [Answer] = []

    init(_ script: [(UInt32) -> [Answer]]) { self.script = script }

    mutating func send(_ bytes: RawSpan) throws(NetlinkError) {
        var octets: [UInt8] = []
        for offset in 0..<bytes.byteCount { octets.append(bytes.value(at: offset, as: UInt8.self) ?? 0) }
        sent.append(octets)
        guard !script.isEmpty else { return }
        let answers = script.removeFirst()
        queue += answers(bytes.value(at: 8, as: UInt32.self) ?? 0)
    }

    mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer, waiting: Bool
    ) throws(NetlinkError) -> Int? {
        guard !queue.isEmpty else {
            if waiting { throw .system(call: "recvfrom(AF_NETLINK)", errno: EAGAIN) }
            return nil
        }
        switch queue.removeFirst() {
        case .overrun: throw .overrun
        case .datagram(let octets):
            buffer.copyBytes(from: octets)
            return octets.count
        }
    }
}

private func little(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// A message as the kernel would send it.
private func message(
    _ type: Int32, flags: Int32 = 0, sequence: UInt32, port: UInt32 = 42, _ payload: [UInt8]
) -> [UInt8] {
    let kind = UInt32(type) | UInt32(flags) << 16
    let padding = [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
    return little(UInt32(16 + payload.count)) + little(kind) + little(sequence) + little(port) + payload
        + padding
}

/// NLMSG_ERROR with an errno, capped, with a text if there is one.
private func error(_ number: Int32, sequence: UInt32, text: String? = nil) -> [UInt8] {
    var payload = little(UInt32(bitPattern: -number)) + [UInt8](repeating: 0, count: 16)
    var flags = NLM_F_CAPPED
    if let text {
        flags |= NLM_F_ACK_TLVS
        payload += [UInt8(4 + text.utf8.count + 1), 0, 1, 0] + Array(text.utf8) + [0]
    }
    return message(NLMSG_ERROR, flags: flags, sequence: sequence, payload)
}

private func requests(_ count: Int) -> MessageBuffer {
    var buffer = MessageBuffer()
    for _ in 0..<count { buffer.message(type: RTM_NEWLINK) { $0.header(ifinfomsg()) } }
    return buffer
}

/// What `commit` of `count` messages throws over such a transport.
private func commit(_ count: Int, _ script: @escaping (UInt32) -> [Answer]) -> NetlinkError? {
    var connection = NetlinkConnection(ScriptedTransport([script]))
    var buffer = requests(count)
    do throws(NetlinkError) { try connection.commit(&buffer) } catch { return error }
    return nil
}

@Suite("Requests and answers, without a kernel")
struct ConnectionTests {
    @Test("a batch goes out in one send, numbered, and only its last message asks for an acknowledgement")
    func oneSend() throws {
        var connection = NetlinkConnection(ScriptedTransport([{ [.datagram(error(0, sequence: $0 + 2))] }]))
        var buffer = requests(3)
        try connection.commit(&buffer)
        let sent = connection.transport.sent
        #expect(sent.count == 1)
        #expect([sent[0][6], sent[0][38], sent[0][70]] == [1, 1, 5])
        #expect([sent[0][8], sent[0][40], sent[0][72]] == [1, 2, 3])
    }

    @Test("another message than the last can be the one that is acknowledged")
    func acknowledged() throws {
        var connection = NetlinkConnection(ScriptedTransport([{ [.datagram(error(0, sequence: $0 + 1))] }]))
        var buffer = requests(3)
        try connection.commit(&buffer, acknowledged: 1)
        let sent = connection.transport.sent
        #expect([sent[0][6], sent[0][38], sent[0][70]] == [1, 5, 1])
    }

    @Test("every refused message is told, with its place and the kernel's own text")
    func everyRefusal() {
        let failure = commit(4) { first in
            [
                .datagram(error(EEXIST, sequence: first, text: "there already")),
                .datagram(error(ENODEV, sequence: first + 2)),
                .datagram(error(0, sequence: first + 3)),
            ]
        }
        #expect(
            failure?.refusals == [
                .init(index: 0, errno: EEXIST, text: "there already"), .init(index: 2, errno: ENODEV),
            ])
        #expect(failure?.description == "File exists: there already (and 1 more refused)")
    }

    @Test("an abandoned batch, whose acknowledgement never comes, ends with its error")
    func abandonedBatch() {
        let failure = commit(3) { [.datagram(error(EINVAL, sequence: $0))] }
        #expect(failure?.index == 0)
        #expect(failure?.errno == EINVAL)
    }

    @Test("answers of an older request, or addressed to another port, are passed over")
    func foreignAnswers() {
        let failure = commit(1) { first in
            [
                .datagram(error(EPERM, sequence: first &- 7)),
                .datagram(message(NLMSG_ERROR, sequence: first, port: 43, little(.max))),
                .datagram(error(0, sequence: first)),
            ]
        }
        #expect(failure == nil)
    }

    @Test("answers with a payload come with the place of their request")
    func payload() throws {
        var connection = NetlinkConnection(
            ScriptedTransport([
                { first in
                    [
                        .datagram(message(16, sequence: first + 1, [5, 0, 0, 0])),
                        .datagram(error(0, sequence: first + 1)),
                    ]
                }
            ]))
        var buffer = requests(2)
        var seen: [Int: UInt32] = [:]
        try connection.commit(&buffer) { index, answer throws(NetlinkError) in
            seen[index] = answer.payload.value(as: UInt32.self)
        }
        #expect(seen == [1: 5])
    }

    @Test("a request that cannot be encoded is never sent")
    func unencodable() {
        var connection = NetlinkConnection(ScriptedTransport([]))
        var buffer = MessageBuffer()
        buffer.message(type: 16) { $0.put(3, string: "a\0") }
        do throws(NetlinkError) {
            try connection.commit(&buffer)
            Issue.record("nothing was thrown")
        } catch {
            #expect(error == .encoding(.stringHoldsNUL(type: 3)))
        }
        #expect(connection.transport.sent.isEmpty)
    }

    @Test("an answer that is cut off and a full receive buffer are errors")
    func badAnswers() {
        #expect(commit(1) { _ in [.overrun] } == .overrun)
        let failure = commit(1) { _ in [.datagram([40, 0, 0, 0, 2, 0])] }
        guard case .malformed = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }
}

@Suite("Dumps, without a kernel")
struct DumpTests {
    /// A dump of one value, marked as interrupted or not.
    private static func answers(_ value: UInt8, interrupted: Bool) -> (UInt32) -> [Answer] {
        { first in
            let flags = NLM_F_MULTI | (interrupted ? NLM_F_DUMP_INTR : 0)
            return [
                .datagram(message(16, flags: NLM_F_MULTI, sequence: first, [value, 0, 0, 0])),
                .datagram(message(NLMSG_DONE, flags: flags, sequence: first, [0, 0, 0, 0])),
            ]
        }
    }

    private static func dump(
        _ connection: inout NetlinkConnection<ScriptedTransport>
    ) throws(NetlinkError) -> [UInt8] {
        var buffer = requests(1)
        return try connection.dump(&buffer) { message throws(NetlinkError) in
            guard let value = message.payload.value(as: UInt8.self), value < 100 else {
                throw .malformed("entry")
            }
            return value
        }
    }

    /// What a dump throws over such a transport.
    private static func failure(
        _ connection: inout NetlinkConnection<ScriptedTransport>
    ) -> NetlinkError? {
        do throws(NetlinkError) { _ = try dump(&connection) } catch { return error }
        return nil
    }

    @Test("an interrupted dump is thrown away and tried again")
    func interrupted() throws {
        var connection = NetlinkConnection(
            ScriptedTransport([
                Self.answers(1, interrupted: true), Self.answers(2, interrupted: false),
            ]))
        #expect(try Self.dump(&connection) == [2])
        let sent = connection.transport.sent
        #expect(sent.count == 2)
        #expect(sent[0][7] == 3)
    }

    @Test("a dump that is interrupted every time ends with an error")
    func hopeless() {
        var connection = NetlinkConnection(
            ScriptedTransport((0..<3).map { _ in Self.answers(1, interrupted: true) }))
        connection.dumpAttempts = 3
        #expect(Self.failure(&connection) == .interrupted(attempts: 3))
    }

    @Test("an entry that makes no sense ends the dump, but only when that was read to its end")
    func undecodable() throws {
        var connection = NetlinkConnection(
            ScriptedTransport([
                Self.answers(200, interrupted: false), Self.answers(2, interrupted: false),
            ]))
        #expect(Self.failure(&connection) == .malformed("entry"))
        #expect(try Self.dump(&connection) == [2])
    }

    @Test("a dump that the kernel refuses at its end is refused")
    func refused() {
        var connection = NetlinkConnection(
            ScriptedTransport([
                { [.datagram(message(NLMSG_DONE, sequence: $0, little(UInt32(bitPattern: -EINVAL))))] }
            ]))
        #expect(Self.failure(&connection)?.errno == EINVAL)
    }
}
