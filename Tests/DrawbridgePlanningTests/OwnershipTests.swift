import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct OwnershipTests {
    private let state = OrderTests.host()

    @Test("Marks are read back, and nothing else is taken for one")
    func marks() {
        for mark in [
            LinkMark.made(.bridge(NetworkName("xenbr0")!)), .made(.vif(VifID(domain: 1, device: 0))),
            .used(.vif(VifID(domain: 12, device: 3))),
        ] {
            #expect(LinkMark(alias: mark.alias) == mark)
        }
        for text in ["", "drawbridge", "drawbridge vif1", "drawbridge bridge a/b", "my drawbridge vif1.0"] {
            #expect(LinkMark(alias: text) == nil)
        }
    }

    @Test("What router advertisements made is the kernel's; so is what comes with every address and link")
    func kernel() {
        var advertised = address("2001:db8::abcd/64")
        advertised.origin = AddressOrigin.routerAdvertisement
        #expect(state.owner(of: advertised) == .kernel)
        var temporary = address("2001:db8::abce/64")
        temporary.flags = .temporary
        #expect(state.owner(of: temporary) == .kernel)
        var old = address("2001:db8::abcf/64")
        old.flags = .managesTemporary
        old.validLifetime = 86400
        #expect(state.owner(of: old) == .kernel)
        var learned = route(nil, via: "fe80::1", family: .ipv6)
        learned.origin = .routerAdvertisement
        #expect(state.owner(of: learned) == .kernel)
        var local = route("192.0.2.10/32", table: 255)
        local.type = .local
        local.origin = .kernel
        #expect(state.owner(of: local) == .kernel)
        var groups = route("ff00::/8", metric: 256, table: 255)
        groups.origin = .kernel
        #expect(state.owner(of: groups) == .kernel)
        var onLink = route("2001:db8:9::/64", metric: 256)
        onLink.origin = .kernel
        onLink.expires = 2_592_000
        #expect(state.owner(of: onLink) == .kernel)
    }

    @Test("The host's own, leases and connected routes included, is the host's")
    func host() {
        var leased = address("192.0.2.50/24")
        leased.validLifetime = 600
        #expect(state.owner(of: leased) == .host)
        var managed = address("2001:db8::5/128")
        managed.validLifetime = 600
        #expect(state.owner(of: managed) == .host)
        for route in state.routes { #expect(state.owner(of: route) == .host) }
        #expect(state.owner(of: eth0) == .host)
    }

    @Test("What leads elsewhere is foreign and no part of a slice")
    func foreign() {
        #expect(state.owner(of: route("10.0.0.0/8", dev: .other(4))) == .foreign)
        #expect(state.owner(of: address("10.0.0.1/8", on: .other(4))) == .foreign)
        var full = state
        full.links[.other(4)] = Link(name: "eth1")
        full.addresses[.other(4)] = [address("10.0.0.1/8", on: .other(4))]
        full.routes.append(route("10.0.0.0/8", dev: .other(4)))
        full.routes.append(route(nil, via: "10.0.0.254", dev: .other(4)))
        let slice = full.slice(of: xenbr0.scope)
        #expect(slice.links.keys.allSatisfy(\.hasRole) && slice.addresses[.other(4)] == nil)
        // Only the one that shares its key with a route of the uplink is kept, for its place.
        #expect(slice.routes.filter { $0.devices == [.other(4)] }.map(\.destination) == [nil])
    }

    @Test("Drawbridge's own is what bears its mark")
    func drawbridge() throws {
        let raised = try xenbr0.raised(from: state)
        #expect(raised.owner(of: bridge0) == .drawbridge)
        var renamed = raised
        renamed.links[bridge0]?.alias = nil
        #expect(renamed.owner(of: bridge0) == .host)
    }
}
