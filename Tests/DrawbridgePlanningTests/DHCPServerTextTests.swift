import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct DHCPServerTextTests {
    private func host(_ name: String, _ last: UInt32 = 1) -> DHCPServerText.Host {
        DHCPServerText.Host(
            name: name, mac: MACAddress(value: 0x0016_3e00_0000 + UInt64(last)),
            address: IPv4Address(value: 10 << 24 | last), router: IPv4Address(value: 10 << 24 | (last + 127)))
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("§7-64: the line about a guest is Xen's, added once, and replaced where it says something else")
    func added() {
        let line =
            "host web-1-test-2 { hardware ethernet 00:16:3e:00:00:01; fixed-address 10.0.0.1; option routers 10.0.0.128; option host-name \"web-1-test-2\"; }"
        let once = DHCPServerText.adding(host("web-1-test-2"), to: Array("authoritative;".utf8))
        #expect(text(once) == "authoritative;\n\(line)\n")
        #expect(DHCPServerText.adding(host("web-1-test-2"), to: once) == once)
        let other = DHCPServerText.adding(host("web-1-test-2", 2), to: once)
        #expect(text(other).split(separator: "\n").count == 2 && text(other).contains("10.0.0.129"))
    }

    @Test(
        "§7-65: only the whole line about this very host is removed",
        arguments: [
            "host web-10 { hardware ethernet 00:16:3e:00:00:02; }", "host web-1 {", "# host web-1 { }",
            "group { host web-1 { } }", "host web-1 { } host web-2 { }", "host web-1.example { }",
            "subhost web-1 { }",
            "caf\u{e9} host web-1 { }",
        ])
    func kept(_ line: String) {
        let before = Array("\(line)\n".utf8) + [0xff, 10]
        let with = DHCPServerText.adding(host("web-1"), to: before)
        #expect(with.count > before.count)
        #expect(DHCPServerText.removingHost("web-1", from: with) == before)
    }

    @Test(
        "§7-93: the network of derived addresses is added unless one is there, and only what was added is removed"
    )
    func subnet() {
        let server = IPv4Address(value: 0xc000_0235)
        let with = DHCPServerText.addingSubnet(domain: "a.example", nameServer: server, to: [])
        #expect(
            text(with)
                == "subnet 10.0.0.0 netmask 255.255.0.0 { option domain-name \"a.example\"; option domain-name-servers 192.0.2.53; }\n"
        )
        #expect(DHCPServerText.addingSubnet(domain: nil, nameServer: nil, to: with) == with)
        #expect(DHCPServerText.removingSubnet(from: with).isEmpty)
        let plain = DHCPServerText.addingSubnet(domain: nil, nameServer: nil, to: [])
        #expect(text(plain) == "subnet 10.0.0.0 netmask 255.255.0.0 {}\n")
        #expect(DHCPServerText.removingSubnet(from: plain).isEmpty)
        for own in [
            "subnet 10.0.0.0 netmask 255.255.0.0 {\n}\n",
            "subnet 10.0.0.0 netmask 255.255.0.0 { range 10.0.0.5; }\n",
        ] {
            let bytes = Array(own.utf8)
            #expect(DHCPServerText.addingSubnet(domain: nil, nameServer: nil, to: bytes) == bytes)
            #expect(DHCPServerText.removingSubnet(from: bytes) == bytes)
        }
    }

    @Test(
        "§7-64: an interface is added to the lines by which distributions name them, and removed as a whole word",
        arguments: [
            ("INTERFACESv4=\"\"", "INTERFACESv4=\"vif3.1\""), ("DHCPDARGS=eth1", "DHCPDARGS=\"eth1 vif3.1\""),
            ("DHCPD_INTERFACE='eth1 vif3.10' # two", "DHCPD_INTERFACE='eth1 vif3.10 vif3.1' # two"),
            ("INTERFACES=\"vif3.10\"", "INTERFACES=\"vif3.10 vif3.1\""),
            ("INTERFACESv6=\"\"", "INTERFACESv6=\"\""),
            ("#INTERFACES=\"\"", "#INTERFACES=\"\""), ("OPTIONS=\"-q\"", "OPTIONS=\"-q\""),
        ])
    func interfaces(_ before: String, _ after: String) throws {
        let device = try #require(LinkName("vif3.1"))
        let with = DHCPServerText.adding(interface: device, to: Array("\(before)\n".utf8))
        #expect(text(with) == "\(after)\n")
        #expect(DHCPServerText.adding(interface: device, to: with) == with)
        let without = text(DHCPServerText.removing(interface: device, from: with))
        #expect(without == "\(before)\n" || without == "DHCPDARGS=\"eth1\"\n")
    }
}
