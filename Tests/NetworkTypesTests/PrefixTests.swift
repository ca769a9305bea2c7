import NetworkTypes
import Testing

@Suite struct PrefixTests {
    @Test(arguments: [
        ("192.0.2.7/24", "192.0.2.7/24", "192.0.2.0/24"), ("192.0.2.7", "192.0.2.7/32", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0"), ("255.255.255.255/0", "255.255.255.255/0", "0.0.0.0/0"),
        ("2001:DB8::1/64", "2001:db8::1/64", "2001:db8::/64"), ("::1", "::1/128", "::1/128"),
        ("ffff::/0", "ffff::/0", "::/0"), ("10.1.2.3/09", "10.1.2.3/9", "10.0.0.0/9"),
    ])
    func reading(text: String, printed: String, network: String) throws {
        let prefix = try #require(Prefix(text))
        #expect(prefix.description == printed)
        #expect(prefix.network.description == network)
        #expect(Prefix(prefix.description) == prefix)
    }

    @Test(arguments: [
        "", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "::/129", "192.0.2.0/24/24", "192.0.2.0/-1",
        "192.0.2.0/+8",
        "192.0.2.0/256", "192.0.2.0/255.255.255.0", "192.0.2.0 /24",
    ])
    func refused(text: String) { #expect(Prefix(text) == nil) }

    @Test func holding() throws {
        let network = try #require(Prefix("192.0.2.0/24"))
        let inside = try #require(IPAddress("192.0.2.255"))
        let outside = try #require(IPAddress("192.0.3.0"))
        let other = try #require(IPAddress("::c000:200"))
        #expect(network.contains(inside))
        #expect(!network.contains(outside))
        #expect(!network.contains(other))
        let half = try #require(Prefix("192.0.2.128/25"))
        let all = try #require(Prefix("0.0.0.0/0"))
        let ipv6 = try #require(Prefix("::/0"))
        #expect(half.overlaps(network) && network.overlaps(half) && all.overlaps(half))
        #expect(!ipv6.overlaps(all))
        #expect(!Prefix(host: outside).overlaps(network))
    }
}
