import NetworkTypes
import Testing

@Suite struct InternetAddressTests {
    @Test(arguments: ["0.0.0.0", "192.0.2.7", "255.255.255.255", "10.0.0.1"])
    func ipv4(text: String) { #expect(IPv4Address(text)?.description == text) }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "1..3.4", "-1.2.3.4", "+1.2.3.4",
        "0x1.2.3.4",
        "1.2.3.４", "1.2.3.1000",
    ])
    func ipv4Refused(text: String) { #expect(IPv4Address(text) == nil) }

    @Test(
        "the canonical text of RFC 5952",
        arguments: [
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:0:0:1", "::1"),
            // §4.1: leading zeros; §4.3: lower case.
            ("2001:0DB8::0001", "2001:db8::1"),
            // §4.2.2: one zero group alone is not shortened.
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            // §4.2.3: the longest run, and of equal ones the first.
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"), ("0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"),
            // §5: an embedded IPv4 address where the prefix tells that there is one.
            ("::ffff:c000:0201", "::ffff:192.0.2.1"), ("::FFFF:192.0.2.1", "::ffff:192.0.2.1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("fe80:0:0:0:216:3eff:fe5e:6c00", "fe80::216:3eff:fe5e:6c00"),
        ])
    func ipv6(text: String, canonical: String) { #expect(IPv6Address(text)?.description == canonical) }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::1%eth0",
        "1:2:3:4:5:6:7::8",
        ":1::", "1:", "::1:", "1.2.3.4", "::1.2.3", "::1.2.3.256", "1:2:3:4:5:6:7:1.2.3.4", "fe80:: ",
        "1.2.3.4::", "::-1",
    ])
    func ipv6Refused(text: String) { #expect(IPv6Address(text) == nil) }

    @Test func eightGroupsAndAGapIsTooMany() {
        #expect(IPv6Address("1:2:3:4:5:6:7:8::") == nil)
        #expect(IPv6Address("::1:2:3:4:5:6:7:8") == nil)
        #expect(IPv6Address("1:2:3:4:5:6:7::")?.description == "1:2:3:4:5:6:7:0")
    }

    @Test func kinds() {
        #expect(IPv6Address("fe80::1")?.isLinkLocal == true)
        #expect(IPv6Address("febf::1")?.isLinkLocal == true)
        #expect(IPv6Address("fec0::1")?.isLinkLocal == false)
        #expect(IPv6Address("ff02::1")?.isMulticast == true)
        #expect(IPv6Address("fe80::1")?.isMulticast == false)
    }

    @Test func whateverIsPrintedIsReadBack() {
        for _ in 0..<5000 {
            var value = UInt128.random(in: 0 ... .max)
            // Zero groups are what the shortening is about, so there have to be many.
            for group in 0..<8 where Bool.random() { value &= ~(UInt128(0xffff) << UInt128(16 * group)) }
            let address = IPv6Address(value: value)
            #expect(IPv6Address(address.description) == address)
            #expect(IPAddress(octets: address.octets) == .ipv6(address))
            let old = IPv4Address(value: .random(in: 0 ... .max))
            #expect(IPv4Address(old.description) == old)
            #expect(IPAddress(octets: old.octets) == .ipv4(old))
            #expect(IPAddress(old.description) == .ipv4(old))
        }
        #expect(IPAddress(octets: [1, 2]) == nil)
    }

    @Test func order() throws {
        let texts = ["10.0.0.1", "192.0.2.1", "::", "::ffff:1.2.3.4", "fe80::1"]
        let addresses = texts.compactMap { IPAddress($0) }
        #expect(addresses.shuffled().sorted().map(\.description) == texts)
        let ipv4 = try #require(IPAddress("10.0.0.1"))
        #expect(ipv4.family.bits == 32)
    }
}
