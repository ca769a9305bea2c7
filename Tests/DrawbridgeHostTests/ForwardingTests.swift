import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite("What a bridge is told of the hardware addresses of vifs")
struct ForwardingTests {
    private func filter(_ mac: String, _ mode: UnaddressedVif = .macOnly) throws -> VifFilter {
        let device = try #require(LinkName("vif1.0"))
        var request = VifRequest(id: VifID(domain: 1, device: 0), source: .existing(device))
        request.mac = MACAddress(mac)
        var settings = FilterSettings()
        settings.withoutAddress = mode
        let network = try #require(LinkName("xenbr0"))
        return try #require(VifFilter(request, device: device, network: network, settings))
    }

    private func pins(_ old: VifFilter?, _ new: VifFilter?) -> [String] {
        FilterChange(from: old, to: new).pins(ofPort: { _ in 7 }).map {
            "\($0.address) \($0.port) \($0.isHeld ? "held" : "let go")"
        }
    }

    @Test("a held address is let go before another is held, and when the vif is held to none any more")
    func changes() throws {
        let one = try filter("00:16:3e:00:00:01")
        let other = try filter("00:16:3e:00:00:02")
        let open = try filter("00:16:3e:00:00:01", .open)
        #expect(pins(nil, one) == ["00:16:3e:00:00:01 7 held"])
        #expect(pins(one, other) == ["00:16:3e:00:00:01 7 let go", "00:16:3e:00:00:02 7 held"])
        #expect(pins(one, open) == ["00:16:3e:00:00:01 7 let go"])
        #expect(pins(one, nil) == ["00:16:3e:00:00:01 7 let go"])
        #expect(pins(open, nil) == [])
        #expect(FilterChange(from: nil, to: one).pins(ofPort: { _ in nil }).isEmpty)
    }
}
