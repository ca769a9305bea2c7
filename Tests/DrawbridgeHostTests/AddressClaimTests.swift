import NetworkTypes
import Testing

@testable import DrawbridgeHost

@Suite("What frames tell of a guest's addresses") struct AddressClaimTests {
    static let mac = MACAddress(value: 0x0016_3e00_0001)
    static let other = MACAddress(value: 0x0016_3e00_0002)
    static let router: [UInt8] = [2, 0, 0, 0, 0, 9]

    /// An answer of a DHCP server's (RFC 2131 §2) that goes to the guest.
    static func answer(
        _ kind: UInt8, to client: MACAddress = mac, address: [UInt8] = [10, 0, 0, 5],
        options: [UInt8]? = nil, operation: UInt8 = 2, ports: [UInt8] = [0, 67, 0, 68], fragment: UInt8 = 0
    ) -> [UInt8] {
        var message: [UInt8] = [operation, 1, 6, 0] + Array(repeating: 0, count: 12) + address
        message += Array(repeating: 0, count: 8) + client.octets + Array(repeating: 0, count: 10 + 192)
        message += [99, 130, 83, 99] + (options ?? [54, 4, 10, 0, 0, 1, 0, 53, 1, kind, 255])
        let header: [UInt8] = [
            0x45, 0, 0, 0, 0, 0, 0, fragment, 64, 17, 0, 0, 10, 0, 0, 1, 255, 255, 255, 255,
        ]
        return mac.octets + router + [8, 0] + header + ports + [0, 0, 0, 0] + message
    }

    /// A DHCPv6 message (RFC 9915 §8) that goes to the guest.
    static func reply(_ kind: UInt8, to client: MACAddress = mac, options: [UInt8]) -> [UInt8] {
        let message: [UInt8] = [kind, 1, 2, 3] + options
        let length = UInt8(message.count + 8)
        return client.octets + router + [0x86, 0xdd, 0x60, 0, 0, 0, 0, length, 17, 64]
            + Array(repeating: 0, count: 32) + [2, 0x23, 2, 0x22, 0, length, 0, 0] + message
    }

    static let global: [UInt8] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]

    /// One DHCPv6 option.
    static func option(_ kind: UInt8, _ content: [UInt8]) -> [UInt8] {
        [0, kind, 0, UInt8(content.count)] + content
    }

    @Test("A DHCP acknowledgement gives its address, and no other message of the server's does")
    func acknowledgement() {
        let own = [
            AddressClaim(prefix: Prefix(host: .ipv4(IPv4Address(value: 0x0a00_0005))), source: .server)
        ]
        #expect(AddressClaim.given(by: Self.answer(5), to: Self.mac) == own)
        for kind in [UInt8(0), 1, 2, 3, 4, 6, 7, 8] {
            #expect(AddressClaim.given(by: Self.answer(kind), to: Self.mac) == [])
        }
        #expect(AddressClaim.given(by: Self.answer(5, to: Self.other), to: Self.mac) == [])
        #expect(AddressClaim.given(by: Self.answer(5, address: [0, 0, 0, 0]), to: Self.mac) == [])
        #expect(AddressClaim.given(by: Self.answer(5, operation: 1), to: Self.mac) == [])
        #expect(AddressClaim.given(by: Self.answer(5, ports: [0, 68, 0, 67]), to: Self.mac) == [])
        #expect(AddressClaim.given(by: Self.answer(5, fragment: 8), to: Self.mac) == [])
        #expect(AddressClaim.given(by: Self.answer(5, options: [53, 2, 5, 5, 255]), to: Self.mac) == [])
        #expect(AddressClaim.given(by: Self.answer(5, options: [255, 53, 1, 5]), to: Self.mac) == [])
    }

    @Test("A DHCPv6 reply gives its addresses and prefixes, but for those whose time is up")
    func reply() {
        let lasting: [UInt8] = [0, 0, 1, 0, 0, 0, 2, 0]
        let over: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        let times: [UInt8] = Array(repeating: 0, count: 12)
        let prefix: [UInt8] = [56] + Self.global
        func own(_ length: UInt8) -> [AddressClaim] {
            Prefix(.ipv6(IPv6Address(value: 0x2001_0db8 << 96 | 5)), length: length)
                .map { [AddressClaim(prefix: $0, source: .server)] } ?? []
        }
        func given(_ options: [UInt8], _ kind: UInt8 = 7, to mac: MACAddress = Self.mac) -> [AddressClaim] {
            AddressClaim.given(by: Self.reply(kind, to: mac, options: options), to: Self.mac)
        }
        let identifier = Self.option(1, [0, 1])
        let address = Self.option(3, times + Self.option(5, Self.global + lasting))
        #expect(given(identifier + address) == own(128))
        #expect(given(Self.option(4, [0, 0, 0, 1] + Self.option(5, Self.global + lasting))) == own(128))
        #expect(given(Self.option(25, times + Self.option(26, lasting + prefix))) == own(56))
        #expect(given(Self.option(3, times + Self.option(5, Self.global + over))) == [])
        #expect(given(Self.option(25, times + Self.option(26, over + prefix))) == [])
        #expect(given(address, 2) == [], "an advertisement is no lease")
        #expect(given(address, to: Self.other) == [])
    }

    @Test(
        "An ARP message and duplicate detection tell what the guest uses, with its own hardware address alone"
    )
    func use() {
        let own = [AddressClaim(prefix: Prefix(host: .ipv4(IPv4Address(value: 0x0a00_0005))), source: .guest)]
        func arp(_ source: MACAddress, _ sender: MACAddress, _ from: [UInt8], _ to: [UInt8]) -> [UInt8] {
            Array(repeating: 255, count: 6) + source.octets + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + sender.octets
                + from + Array(repeating: 0, count: 6) + to
        }
        let (five, one, none): ([UInt8], [UInt8], [UInt8]) = ([10, 0, 0, 5], [10, 0, 0, 1], [0, 0, 0, 0])
        #expect(AddressClaim.used(in: arp(Self.mac, Self.mac, five, one), by: Self.mac) == own)
        #expect(AddressClaim.used(in: arp(Self.mac, Self.mac, none, five), by: Self.mac) == own)
        #expect(AddressClaim.used(in: arp(Self.other, Self.mac, five, one), by: Self.mac) == [])
        #expect(AddressClaim.used(in: arp(Self.mac, Self.other, five, one), by: Self.mac) == [])
        #expect(AddressClaim.used(in: arp(Self.mac, Self.mac, [127, 0, 0, 1], one), by: Self.mac) == [])
    }

    @Test("A frame that is cut anywhere is read without a fault, and gives nothing that it does not hold")
    func cut() {
        let times: [UInt8] = Array(repeating: 1, count: 12)
        let lease = Self.answer(5)
        let reply = Self.reply(
            7, options: Self.option(3, times + Self.option(5, Self.global + [0, 0, 1, 0, 0, 0, 2, 0])))
        for length in 0..<reply.count {
            #expect(AddressClaim.given(by: reply.prefix(length), to: Self.mac) == [])
        }
        for length in 0..<lease.count - 1 {
            #expect(AddressClaim.given(by: lease.prefix(length), to: Self.mac) == [])
        }
    }
}
