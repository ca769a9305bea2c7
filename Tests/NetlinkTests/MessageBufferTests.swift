import LinuxHeaders
import Netlink
import Testing

/// The octets of a buffer.
func octets(_ buffer: borrowing MessageBuffer) -> [UInt8] {
    let bytes = buffer.bytes
    return (0..<bytes.byteCount).compactMap { bytes.value(at: $0, as: UInt8.self) }
}

@Suite("Building messages")
struct MessageBufferTests {
    @Test("a message with header, text, number and nest is, octet by octet, what netlink(7) says")
    func exactBytes() {
        var buffer = MessageBuffer()
        buffer.message(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL) { message in
            var header = ifinfomsg()
            header.ifi_index = 7
            header.ifi_flags = 1
            header.ifi_change = 1
            message.header(header)
            message.put(IFLA_IFNAME, string: "br0")
            message.put(IFLA_MTU, UInt32(1500))
            message.nest(IFLA_LINKINFO) { $0.put(IFLA_INFO_KIND, string: "bridge") }
        }
        #expect(
            octets(buffer) == [
                0x40, 0, 0, 0, 0x10, 0, 0x01, 0x06, 0, 0, 0, 0, 0, 0, 0, 0,  // nlmsghdr
                0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,  // ifinfomsg
                8, 0, 3, 0, 0x62, 0x72, 0x30, 0,  // IFLA_IFNAME "br0"
                8, 0, 4, 0, 0xdc, 0x05, 0, 0,  // IFLA_MTU 1500
                16, 0, 18, 0x80,  // IFLA_LINKINFO, nested
                11, 0, 1, 0, 0x62, 0x72, 0x69, 0x64, 0x67, 0x65, 0, 0,  // IFLA_INFO_KIND "bridge", padded
            ])
        #expect(buffer.messageCount == 1)
        #expect(buffer.failure == nil)
    }

    @Test("numbers go in network order where asked, octets and flags as they are, each padded")
    func contents() {
        var buffer = MessageBuffer()
        buffer.message(type: 16) { message in
            message.put(1, bigEndian: UInt16(0x1234))
            message.put(2)
            message.put(3, bytes: [1, 2, 3, 4, 5])
            message.put(4, unterminated: "ab")
            message.nest(5, flagged: false) { _ in }
        }
        #expect(
            octets(buffer).dropFirst(16) == [
                6, 0, 1, 0, 0x12, 0x34, 0, 0, 4, 0, 2, 0, 9, 0, 3, 0, 1, 2, 3, 4, 5, 0, 0, 0,
                6, 0, 4, 0, 0x61, 0x62, 0, 0, 4, 0, 5, 0,
            ])
    }

    @Test("an attribute of 65,531 octets fits, one of 65,532 is a failure and not a trap")
    func longAttribute() {
        var buffer = MessageBuffer()
        buffer.message(type: 16) { $0.put(9, bytes: [UInt8](repeating: 1, count: 65531)) }
        #expect(buffer.failure == nil)
        buffer.message(type: 16) { $0.put(9, bytes: [UInt8](repeating: 1, count: 65532)) }
        #expect(buffer.failure == .attributeTooLong(type: 9, length: 65536))
    }

    @Test("a nest that grows too long is a failure that names the nest")
    func longNest() {
        var buffer = MessageBuffer()
        buffer.message(type: 16) { message in
            message.nest(77) { nest in
                for _ in 0..<3 { nest.put(1, bytes: [UInt8](repeating: 0, count: 30000)) }
            }
        }
        #expect(buffer.failure == .attributeTooLong(type: 77, length: 4 + 3 * 30004))
    }

    @Test("text with a NUL is a failure, and emptying the buffer forgets it")
    func textWithNUL() {
        var buffer = MessageBuffer()
        buffer.message(type: 16) { $0.put(3, string: "vif\0evil") }
        #expect(buffer.failure == .stringHoldsNUL(type: 3))
        buffer.removeAll()
        #expect(buffer.failure == nil)
        #expect(buffer.byteCount == 0)
    }

    @Test("a body that throws leaves no trace of its message")
    func throwingBody() {
        struct Stop: Error {}
        var buffer = MessageBuffer()
        buffer.message(type: 16) { $0.put(1, UInt32(1)) }
        let before = buffer.byteCount
        do throws(Stop) {
            try buffer.message(type: 17) { message throws(Stop) in
                message.put(1, UInt32(1))
                throw Stop()
            }
            Issue.record("nothing was thrown")
        } catch {}
        #expect(buffer.byteCount == before)
        #expect(buffer.messageCount == 1)
    }

    @Test("truncating keeps the first messages, and the buffer grows past its first memory")
    func truncation() {
        var buffer = MessageBuffer(capacity: 64)
        for number in 0..<200 { buffer.message(type: 16) { $0.put(1, UInt8(truncatingIfNeeded: number)) } }
        #expect(buffer.byteCount == 200 * 24)
        buffer.truncate(toMessages: 3)
        #expect(buffer.byteCount == 72)
        var reader = MessageReader(buffer.bytes)
        var values: [UInt8] = []
        while let message = reader.next() {
            var attributes = message.attributes(after: 0)
            while let attribute = attributes.next() { values.append(attribute.value() ?? 255) }
        }
        #expect(values == [0, 1, 2])
    }
}
