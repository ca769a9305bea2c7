import DrawbridgeModel
import NetworkTypes
import Testing

struct GuestAddressTests {
    @Test(
        "one address, or a network",
        arguments: [
            ("192.0.2.7", "192.0.2.7/32"), ("192.0.2.7/32", "192.0.2.7/32"), ("192.0.2.0/28", "192.0.2.0/28"),
            ("2001:db8::7", "2001:db8::7/128"), ("2001:db8::/64", "2001:db8::/64"),
            ("fe80::7", "fe80::7/128"), ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"),
        ])
    func accepted(text: String, meaning: String) throws {
        #expect(try GuestAddress.read(text).description == meaning)
    }

    @Test(
        "what is no address, or not one that a guest can have, is refused with the text",
        arguments: [
            "", "x", "192.0.2", "192.0.2.256", "192.0.2.07", "192.0.2.7/", "192.0.2.7/33", "192.0.2.7/-1",
            "192.0.2.7/255.255.255.0", "2001:db8::/129", "fe80::1%eth0", "192.0.2.7/24", "2001:db8::7/64",
            "0.0.0.0", "127.0.0.1", "127.0.0.0/8", "224.0.0.1", "239.1.0.0/16", "255.255.255.255", "::",
            "::1",
            "ff02::1", "ff00::/8", "::ffff:192.0.2.7",
        ])
    func refused(text: String) {
        let problem = #expect(throws: GuestAddress.Problem.self) { try GuestAddress.read(text) }
        #expect(problem?.message.contains("'\(text)'") == true)
    }

    @Test("a host with its network's length: both ways of meaning it are told")
    func ambiguous() {
        let problem = #expect(throws: GuestAddress.Problem.self) { try GuestAddress.read("192.0.2.7/24") }
        #expect(
            problem?.message
                == "'192.0.2.7/24' is a prefix where a host is needed, or a host where a prefix is; "
                + "write 192.0.2.7 for the one address, or 192.0.2.0/24 for the whole network")
    }
}

struct ClashTests {
    private func vif(_ domain: UInt32, _ device: UInt32 = 0, mac: String) throws -> VifRequest {
        var request = try vif(domain, device)
        request.mac = MACAddress(mac)
        return request
    }

    private func vif(_ domain: UInt32, _ device: UInt32 = 0, having texts: String...) throws -> VifRequest {
        var request = VifRequest(
            id: VifID(domain: domain, device: device), source: .existing(try #require(LinkName("vif"))))
        request.addresses = try texts.map { try GuestAddress.read($0) }
        return request
    }

    private let network = LinkName("xenbr0")

    @Test("the same hardware address on two vifs of one network")
    func sameMAC() throws {
        let (one, two) = (try vif(1, mac: "00:16:3e:00:00:01"), try vif(2, mac: "00:16:3e:00:00:01"))
        let clash = two.clash(with: one, on: network)
        #expect(clash?.key == "mac" && clash?.value == "00:16:3e:00:00:01")
        #expect(clash?.cause == "'00:16:3e:00:00:01' is already that of vif1.0 on xenbr0")
        #expect(two.clash(with: one, on: nil) == nil)
        #expect(one.clash(with: one, on: network) == nil)
    }

    @Test("§7-110: the same hardware address on two vifs of one domain, whatever their networks")
    func sameMACOfDomain() throws {
        let (one, two) = (try vif(1, 0, mac: "00:16:3e:00:00:01"), try vif(1, 1, mac: "00:16:3e:00:00:01"))
        for network in [network, nil] {
            #expect(
                two.clash(with: one, on: network)?.cause
                    == "The mac \"00:16:3e:00:00:01\" is already defined, by vif1.0")
        }
    }

    @Test("the same address, or a prefix that holds it, on two vifs of one network")
    func sameAddress() throws {
        let one = try vif(1, having: "192.0.2.7", "2001:db8:7::/64")
        #expect(
            try vif(2, having: "192.0.2.6", "192.0.2.7").clash(with: one, on: network)
                == VifRequest.Clash(
                    key: "ip", value: "192.0.2.7", cause: "'192.0.2.7' is already that of vif1.0 on xenbr0"))
        #expect(
            try vif(2, having: "2001:db8:7::1").clash(with: one, on: network)
                == VifRequest.Clash(
                    key: "ip", value: "2001:db8:7::1",
                    cause:
                        "'2001:db8:7::1' and '2001:db8:7::/64' of vif1.0 on xenbr0 have addresses in common"))
        #expect(try vif(2, having: "192.0.2.0/24").clash(with: one, on: network)?.value == "192.0.2.0/24")
        #expect(try vif(2, having: "192.0.2.0/24").clash(with: one, on: nil) == nil)
        #expect(try vif(2, having: "192.0.2.8", "2001:db8:8::/64").clash(with: one, on: network) == nil)
    }
}
