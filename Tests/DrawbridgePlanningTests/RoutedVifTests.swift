import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct RoutedVifTests {
    private let id = VifID(domain: 3, device: 0)
    private let network = NetworkName("route-eth0")!
    private let router = IPv4Address("192.168.7.2")!
    private var key: LinkKey { .vif(id) }

    private func host(_ ids: [VifID]? = nil) -> HostState {
        var state = HostState()
        var uplink = Link<LinkKey>(name: "eth0")
        uplink.flags = [.up, .broadcast, .multicast]
        uplink.addressGeneration = AddressGeneration.none
        state.links[.uplink(network)] = uplink
        for id in ids ?? [id] {
            var link = Link<LinkKey>(name: "\(id)")
            link.flags = [.broadcast, .multicast]
            link.addressGeneration = .eui64
            state.links[.vif(id)] = link
            state.settings[.vif(id)] = [
                .disableIPv6: "0", .forwarding: "0", .proxyARP: "0", .forwarding6: "0",
                .acceptsRouterAdvertisements: "1",
            ]
        }
        return state
    }

    private func vif(_ id: VifID? = nil, _ texts: String...) -> RoutedVif {
        let id = id ?? self.id
        var request = VifRequest(id: id, source: .existing(LinkName("\(id)")!))
        request.mac = MACAddress("00:16:3e:00:00:03")
        request.addresses = texts.compactMap { Prefix($0) }
        return RoutedVif(request, group: 70001, network: network, router: router)
    }

    private func reach(_ desired: HostState, from state: HostState) throws -> HostState {
        var state = state
        for step in try difference(from: state, to: desired).steps { state.apply(step.operation) }
        #expect(try difference(from: state, to: desired).isEmpty)
        return state
    }

    @Test("§7-50, §7-51: the host's address, proxy ARP, and a route of metric 2 to each address and prefix")
    func online() throws {
        let before = host()
        let now = try reach(try vif(nil, "10.9.0.5/32", "10.9.1.0/24").online(in: before), from: before)
        #expect(now.addresses[key]?.map(\.prefix) == [Prefix(host: .ipv4(router))])
        #expect(now.setting(.proxyARP, of: key) == "1" && now.setting(.forwarding, of: key) == "1")
        #expect(now.routes.map(\.destination) == [Prefix("10.9.0.5/32"), Prefix("10.9.1.0/24")])
        #expect(now.routes.allSatisfy { $0.metric == 2 && $0.preferredSource == .ipv4(router) })
        #expect(now.setting(.disableIPv6, of: key) == "1")
        #expect(now.links[key]?.flags.contains(.up) == true)
        #expect(now.neighbors.map(\.destination) == [IPAddress("10.9.0.5")])
        #expect(now.neighbors.allSatisfy { $0.state == .permanent })
    }

    @Test("§7-51: the routes of a tap have metric 1")
    func tap() throws {
        var vif = vif(nil, "10.9.0.5/32")
        vif.isTap = true
        #expect(try vif.online(in: host()).routes.map(\.metric) == [1])
    }

    @Test("§7-56: a vif without addresses has that of the host, and no routes")
    func noAddresses() throws {
        let now = try reach(try vif().online(in: host()), from: host())
        #expect(now.addresses[key]?.count == 1 && now.routes.isEmpty)
    }

    @Test(
        "§7-57: an IPv6 address is routed by fe80::1, and the uplink answers for it; a prefix is only routed")
    func ipv6() throws {
        let before = host()
        let wanted = vif(nil, "2001:db8::5/128", "2001:db8:5::/64")
        let now = try reach(try wanted.online(in: before), from: before)
        #expect(now.addresses(of: key, .ipv6).map(\.prefix) == [Prefix("fe80::1/64")])
        #expect(
            now.routes.filter { $0.origin == RoutedVif.origin }.map(\.destination)
                == [Prefix("2001:db8::5/128"), Prefix("2001:db8:5::/64")])
        #expect(now.setting(.disableIPv6, of: key) == "0" && now.setting(.forwarding6, of: key) == "1")
        #expect(now.setting(.acceptsRouterAdvertisements, of: key) == "0")
        #expect(now.neighbors.filter(\.isProxy).map(\.destination) == [IPAddress("2001:db8::5")])
        let gone = try reach(
            wanted.offline(in: now, former: before.settings[key] ?? [:]), from: now)
        #expect(gone.neighbors.isEmpty && gone.routes.isEmpty && gone.addresses.isEmpty)
        #expect(gone.settings[key] == before.settings[key])
    }

    @Test("§7-57: without IPv6 in the kernel its addresses are left aside")
    func withoutIPv6() throws {
        var wanted = vif(nil, "2001:db8::5/128", "10.9.0.5/32")
        wanted.hasIPv6 = false
        var before = host()
        before.settings[key] = [.forwarding: "0", .proxyARP: "0"]
        let now = try reach(try wanted.online(in: before), from: before)
        #expect(now.routes.count == 1 && now.neighbors.count == 1)
        #expect(now.setting(.disableIPv6, of: key) == nil)
    }

    @Test("The newer domain has the address, and the older one's end takes nothing of it along")
    func newer() throws {
        let newer = VifID(domain: 4, device: 0)
        let both = host([id, newer])
        let older = try reach(
            try vif(nil, "10.9.0.5/32", "2001:db8::5/128", "10.9.0.6/32").online(in: both), from: both)
        let young = vif(newer, "10.9.0.5/32", "2001:db8::5/128")
        let now = try reach(try young.online(in: older, insteadOf: [id]), from: older)
        let own = now.routes.filter { $0.origin == RoutedVif.origin }
        #expect(own.filter { $0.devices == [key] }.map(\.destination) == [Prefix("10.9.0.6/32")])
        #expect(own.filter { $0.devices == [.vif(newer)] }.count == 2)
        let old = vif(nil, "10.9.0.5/32", "2001:db8::5/128", "10.9.0.6/32")
        let kept: Set<Prefix> = [Prefix("10.9.0.5/32")!, Prefix("2001:db8::5/128")!]
        let gone = try reach(old.offline(in: now, keeping: kept), from: now)
        #expect(
            gone.routes.filter { $0.devices == [.vif(newer)] && $0.origin == RoutedVif.origin }.count == 2)
        #expect(gone.neighbors.filter(\.isProxy).count == 1)
    }

    @Test("A pair is made and deleted whole")
    func pair() throws {
        var before = host()
        before.links[key] = nil
        before.settings[key] = nil
        var wanted = vif(nil, "10.9.0.5/32")
        wanted.request.source = .pair(guestName: LinkName("eth0")!)
        let now = try reach(try wanted.online(in: before), from: before)
        #expect(now.links[key]?.address == .xenVif)
        #expect(try reach(wanted.offline(in: now), from: now) == before)
    }
}

@Suite struct NATAddressesTests {
    private func addresses(_ domain: UInt32, _ device: UInt32, _ texts: String...) throws -> NATAddresses {
        let id = VifID(domain: domain, device: device)
        var request = VifRequest(id: id, source: .existing(LinkName("vif")!))
        request.addresses = texts.compactMap { Prefix($0) }
        return try NATAddresses(of: request)
    }

    @Test("§7-59: addresses are derived from the numbers of the domain and the vif")
    func derived() throws {
        let addresses = try addresses(300, 1)
        #expect(addresses.guest == IPv4Address("10.1.44.2") && addresses.router == IPv4Address("10.1.44.129"))
    }

    @Test("§7-60: the router of an address that is told ends in 127 more")
    func told() throws {
        #expect(try addresses(3, 0, "10.9.0.5/32").router == IPv4Address("10.9.0.132"))
        #expect(try addresses(3, 0, "10.9.0.128/32").router == IPv4Address("10.9.0.255"))
    }

    @Test(
        "§7-61: what has no router, and more than one address, is refused",
        arguments: [["10.9.0.200/32"], ["10.9.0.129/32"], ["10.9.0.5/32", "10.9.0.6/32"], ["10.9.0.0/24"]])
    func refused(_ texts: [String]) {
        var request = VifRequest(id: VifID(domain: 3, device: 0), source: .existing(LinkName("vif")!))
        request.addresses = texts.compactMap { Prefix($0) }
        #expect(throws: PlanningError.self) { try NATAddresses(of: request) }
    }

    @Test(
        "§7-61: numbers that no address can be derived from are refused", arguments: [(65536, 0), (3, 128)])
    func numbers(_ domain: UInt32, _ device: UInt32) {
        #expect(throws: PlanningError.self) { try addresses(domain, device) }
    }
}
