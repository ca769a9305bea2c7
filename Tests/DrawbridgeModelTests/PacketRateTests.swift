import DrawbridgeModel
import NetworkTypes
import Testing

/// Limits of packets, and vifs as a domain's file describes them.
@Suite struct PacketRateTests {
    @Test(
        "a rate of packets: its number, its window, and what may come at once",
        arguments: [
            ("1000/s", 1000, 50), ("10K/s", 10_000, 500), ("500/s@20ms", 500, 10),
            ("10M/s@1us", 10_000_000, 10),
            ("1/s", 1, 1), ("3/s@2s", 3, 6),
        ])
    func reading(_ text: String, _ perSecond: UInt32, _ credit: UInt32) throws {
        let rate = try #require(try PacketLimit(reading: text).rate)
        #expect(rate.perSecond == perSecond)
        #expect(rate.credit == credit)
        #expect(try PacketLimit(reading: "\(rate)").rate == rate)
    }

    @Test("no limit") func unlimited() throws { #expect(try PacketLimit(reading: "unlimited") == .unlimited) }

    @Test(
        "what is no rate of packets is refused with its text",
        arguments: [
            ("", "''"), ("10", "'10' is not"), ("0/s", "zero"), ("10K", "'10K'"), ("010/s", "'010'"),
            ("11M/s", "at most 10000000/s"), ("99999999999999999999/s", "too large"), ("1/s@", "''"),
            ("1/s@20", "'20'"), ("1/s@0ms", "zero"), ("1/s@5000s", "at most 4294 seconds"), ("1G/s", "'1G'"),
            ("10Mb/s", "'10Mb'"), ("-1/s", "'-1'"),
        ])
    func refused(_ text: String, _ words: String) {
        #expect {
            try PacketLimit(reading: text)
        } throws: { error in
            (error as? PacketLimit.Problem)?.message.contains(words) ?? false
        }
    }

    @Test("limits of packets: what is asked before the configuration's, and only root may ask for more")
    func precedence() throws {
        let network = try #require(NetworkName("xenbr0"))
        var configuration = Configuration()
        configuration.networkDefaults.ratePackets = PacketRate(perSecond: 100)
        configuration.networkDefaults.rateInPackets = PacketRate(perSecond: 200)
        let id = VifID(domain: 3, device: 0)
        var settings = VifSettings(id: id)
        settings.ratePackets = .unlimited
        var request = VifRequest(id: VifID(domain: 4, device: 0), source: .pair(guestName: network))
        #expect(configuration.rates(of: request, on: network).packetsFromGuest?.perSecond == 100)
        #expect(configuration.excess(of: request, on: network) == nil)
        request.rateInPackets = try PacketLimit(reading: "300/s")
        #expect(configuration.excess(of: request, on: network) == "rate-in-packets")
        request.rateInPackets = try PacketLimit(reading: "30/s")
        #expect(configuration.excess(of: request, on: network) == nil)
        request.ratePackets = .unlimited
        #expect(configuration.excess(of: request, on: network) == "rate-packets")
        configuration.vifs = [settings]
        let other = VifRequest(id: id, source: .pair(guestName: network))
        let rates = configuration.rates(of: other, on: network)
        #expect(rates.packetsFromGuest == nil && rates.packetsToGuest?.perSecond == 200)
    }

    @Test("§7-104: an empty text is a vif with defaults") func empty() throws {
        for text in ["", "  "] {
            #expect(try VifText(text).values.isEmpty)
        }
    }

    @Test(
        "§7-105: items with commas between, blanks around them; an unknown key and an item without '=' are errors"
    )
    func vifText() throws {
        let text = try VifText(
            " mac = 00:16:3e:00:00:01 ,bridge=xenbr0, ip=10.0.0.5 10.0.0.6,rate=10Mb/s@20ms,model=e1000")
        #expect(text["mac"] == "00:16:3e:00:00:01" && text["bridge"] == "xenbr0")
        #expect(text["ip"] == "10.0.0.5 10.0.0.6" && text["rate"] == "10Mb/s@20ms")
        #expect(text.notices == ["'model=e1000' has no meaning here; ignored"])
        for (wrong, words) in [
            ("mac=00:16:3e:00:00:01,colour=red", "Invalid vif option: colour"),
            ("bridge", "bridge should be a pair, separated by an equals sign."),
            ("bridge=xenbr0,", " should be a pair, separated by an equals sign."),
        ] {
            let error = #expect(throws: DrawbridgeError.self) { try VifText(wrong) }
            #expect(error?.cause == words)
        }
        #expect(throws: DrawbridgeError.self) { try VifText("mtu=big").mtu }
    }
}
