import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite("What a vif may send")
struct VifFilterTests {
    private let device = LinkName("vif1.0")
    private let network = LinkName("xenbr0")

    private func filter(
        mac: String? = "00:16:3e:00:00:01", _ addresses: [String] = [],
        _ change: (inout FilterSettings) -> Void = { _ in }
    ) throws -> VifFilter? {
        var request = VifRequest(
            id: VifID(domain: 1, device: 0), source: .existing(try #require(device)))
        request.mac = mac.flatMap { MACAddress($0) }
        request.addresses = try addresses.map { try #require(Prefix($0)) }
        var settings = FilterSettings()
        change(&settings)
        return VifFilter(request, device: try #require(device), network: try #require(network), settings)
    }

    @Test("a vif is held to its addresses where they are told, else to its hardware address")
    func byDefault() throws {
        #expect(try filter(["10.0.0.5"])?.mode == .addresses)
        #expect(try filter()?.mode == .hardwareAddress)
        #expect(try filter(mac: nil) == nil)
        #expect(try filter(["10.0.0.5"])?.description == "vif1.0: 10.0.0.5 at 00:16:3e:00:00:01")
    }

    @Test("what is said of vifs without an address holds for these alone")
    func withoutAddress() throws {
        #expect(try filter { $0.withoutAddress = .open }?.mode == .open)
        #expect(try filter { $0.withoutAddress = .closed }?.mode == .closed)
        #expect(try filter(mac: nil) { $0.withoutAddress = .closed }?.mode == .closed)
        #expect(try filter(["10.0.0.5"]) { $0.withoutAddress = .open }?.mode == .addresses)
        #expect(try filter(mac: nil, ["10.0.0.5"]) { $0.withoutAddress = .open } == nil)
    }

    @Test("the settings say the rest, and that there is no filter")
    func settings() throws {
        let filter = try #require(
            try filter {
                $0.linkLocal = .eui64
                $0.allowsRARP = true
                $0.logsDrops = true
            })
        #expect(filter.linkLocal == .eui64 && filter.allowsRARP && filter.isLogged)
        #expect(try self.filter(["10.0.0.5"]) { $0.isOn = false } == nil)
    }

    @Test("what is said of one vif holds before what its network says")
    func ofOneVif() {
        var configuration = Configuration()
        var own = VifSettings(id: VifID(domain: 1, device: 0))
        own.antispoof = false
        own.withoutAddress = .open
        configuration.vifs = [own]
        configuration.networkDefaults.filter.withoutAddress = .closed
        var network = FilterSettings()
        network.allowsRARP = true
        let settings = configuration.filter(of: own.id, on: network)
        #expect(!settings.isOn && settings.withoutAddress == .open && settings.allowsRARP)
        let other = configuration.filter(of: VifID(domain: 2, device: 0), on: nil)
        #expect(other.isOn && other.withoutAddress == .closed)
    }
}
