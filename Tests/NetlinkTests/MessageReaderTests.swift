import LinuxHeaders
import Netlink
import Testing

@Suite("Reading messages")
struct MessageReaderTests {
    /// The types of the messages in `octets`, and whether something was left over.
    private func read(_ octets: [UInt8]) -> (types: [Int], isMalformed: Bool) {
        var reader = MessageReader(octets.span.bytes)
        var types: [Int] = []
        while let message = reader.next() { types.append(message.type) }
        return (types, reader.isMalformed)
    }

    private let whole: [UInt8] = [20, 0, 0, 0, 0x10, 0, 2, 0, 9, 0, 0, 0, 8, 0, 0, 0, 1, 2, 3, 4]

    @Test("header fields and payload are read")
    func fields() {
        var reader = MessageReader(whole.span.bytes)
        guard let message = reader.next() else {
            Issue.record("no message")
            return
        }
        let (type, flags, sequence, port) = (message.type, message.flags, message.sequence, message.port)
        let value = message.payload.value(as: UInt32.self)
        #expect(type == 16)
        #expect(flags == 2)
        #expect(sequence == 9)
        #expect(port == 8)
        #expect(value == 0x0403_0201)
    }

    @Test("a last message without padding is read, and two in a row")
    func padding() {
        var short = whole
        short[0] = 18
        short.removeLast(2)
        let result = read(whole + short)
        #expect(result.types == [16, 16])
        #expect(!result.isMalformed)
    }

    @Test(
        "a length that does not fit ends the reading and is told",
        arguments: [[UInt8(21), 0], [15, 0], [0, 0], [0xff, 0xff]])
    func badLength(_ length: [UInt8]) {
        var bad = whole
        bad.replaceSubrange(0..<2, with: length)
        let result = read(whole + bad)
        #expect(result.types == [16])
        #expect(result.isMalformed)
    }

    @Test("every prefix of a message is refused without a trap")
    func prefixes() {
        for count in 1..<whole.count { #expect(read(Array(whole[..<count])).isMalformed, "\(count)") }
    }

    @Test("attributes: a bad length ends the reading, short content reads as nil, flags are masked")
    func attributes() {
        let octets: [UInt8] = [
            6, 0, 3, 0x80, 0x12, 0x34, 0, 0, 7, 0, 4, 0, 0x61, 0, 0x62, 0, 200, 0, 5, 0, 1, 1, 1, 1,
        ]
        var attributes = Attributes(octets.span.bytes)
        var seen: [Int] = []
        while let attribute = attributes.next() {
            seen.append(attribute.type)
            let (raw, text, bytes) = (attribute.rawType, attribute.string, attribute.bytes)
            let (big, short) = (attribute.bigEndian(as: UInt16.self), attribute.value(as: UInt32.self))
            if attribute.type == 3 {
                #expect(raw == 0x8003)
                #expect(big == 0x1234)
                #expect(short == nil)
            } else {
                #expect(text == "a")
                #expect(bytes == [0x61, 0, 0x62])
            }
        }
        #expect(seen == [3, 4])
    }
}
