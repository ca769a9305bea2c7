import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct IsolationTests {
    private let id = VifID(domain: 3, device: 1)
    private var lan: LinkName { get throws { try #require(LinkName("lan")) } }

    private func request(_ isIsolated: Bool? = nil) throws -> VifRequest {
        var request = VifRequest(id: id, source: .existing(try #require(LinkName("vif3.1"))))
        request.isIsolated = isIsolated
        return request
    }

    @Test("what is asked for holds before what is said of the vif, and that before what its network says")
    func precedence() throws {
        for own in [nil, true, false] {
            for asked in [nil, true, false] {
                for ofNetwork in [nil, true] {
                    var configuration = Configuration()
                    var network = Network(name: try lan, uplink: .none)
                    network.isolatesGuests = ofNetwork
                    configuration.networks = [network]
                    var settings = VifSettings(id: id)
                    settings.isIsolated = own
                    configuration.vifs = [settings]
                    let found = configuration.isolates(try request(asked), on: try lan)
                    #expect(found == (asked ?? own ?? ofNetwork ?? false))
                }
            }
        }
    }

    @Test("networks that the configuration does not name take what holds for all of them")
    func defaults() throws {
        var configuration = Configuration()
        #expect(!configuration.isolates(try request(), on: try lan))
        configuration.networkDefaults.isolatesGuests = true
        #expect(configuration.isolates(try request(), on: try lan))
        configuration.networks = [Network(name: try lan, uplink: .none)]
        #expect(!configuration.isolates(try request(), on: try lan))
    }

    @Test("what the configuration isolates only root may connect; to isolate oneself is everybody's right")
    func excess() throws {
        var configuration = Configuration()
        #expect(configuration.excess(of: try request(true), on: try lan) == nil)
        #expect(configuration.excess(of: try request(false), on: try lan) == nil)
        configuration.networkDefaults.isolatesGuests = true
        #expect(configuration.excess(of: try request(false), on: try lan) == "isolated")
        #expect(configuration.excess(of: try request(true), on: try lan) == nil)
        #expect(configuration.excess(of: try request(), on: try lan) == nil)
    }

    @Test("an isolated vif is an isolated port, and one that was is none any more", arguments: [true, false])
    func port(isIsolated: Bool) throws {
        var state = HostState()
        state.links[.bridge(try lan)] = Link(name: "lan")
        var link = Link<LinkKey>(name: "vif3.1")
        link.port = BridgePortSettings()
        link.port?.isolated = !isIsolated
        state.links[.vif(id)] = link
        var vif = BridgeVif(try request(), group: 70001)
        vif.isIsolated = isIsolated
        let online = try vif.online(in: state, bridge: .bridge(try lan))
        #expect(online.links[.vif(id)]?.port?.isolated == isIsolated)
    }
}
