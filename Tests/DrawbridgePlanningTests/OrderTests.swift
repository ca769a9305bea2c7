import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

/// The order that keeps a host reachable, rule by rule.
@Suite struct OrderTests {
    /// The host of the demonstration: two addresses of one subnet, IPv6, routes and a neighbour.
    static func host() -> HostState {
        var state = bareHost()
        state.applyAll([
            .addAddress(address("192.0.2.10/24")),
            .addAddress(address("192.0.2.11/24", label: "eth0:1")),
            .addAddress(address("fe80::216:3eff:fe5e:6c00/64")),
            .addAddress(address("2001:db8::10/64")),
            .addRoute(route(nil, via: "192.0.2.1")),
            .addRoute(route("198.51.100.0/24", via: "192.0.2.1", src: "192.0.2.11")),
            .addRoute(route("203.0.113.0/24", table: 100)),
            .addRoute(route(nil, via: "2001:db8::1", family: .ipv6)),
            .replaceNeighbor(
                Neighbor(
                    ip("192.0.2.1"), on: eth0, address: MACAddress("02:00:00:00:00:01"), state: .permanent)),
        ])
        return state
    }

    private let baseline = host()

    private func start() throws -> Plan {
        try difference(from: baseline, to: try xenbr0.raised(from: baseline))
    }

    private func stop() throws -> Plan {
        try difference(from: try xenbr0.raised(from: baseline), to: baseline)
    }

    /// The places of the steps that fulfil a condition.
    private func places(_ plan: Plan, _ condition: (DrawbridgePlanning.Operation) -> Bool) -> [Int] {
        plan.steps.indices.filter { condition(plan.steps[$0].operation) }
    }

    private func isAddition(_ operation: DrawbridgePlanning.Operation, on link: LinkKey) -> Bool {
        if case .addAddress(let address) = operation { address.device == link } else { false }
    }

    private func isRemoval(_ operation: DrawbridgePlanning.Operation, from link: LinkKey) -> Bool {
        if case .deleteAddress(let address) = operation { address.device == link } else { false }
    }

    private func isUplinkChange(
        _ operation: DrawbridgePlanning.Operation, _ test: (LinkChange) -> Bool
    ) -> Bool {
        if case .setLink(.uplink, let change) = operation { test(change) } else { false }
    }

    @Test("Phases come in order, and no address is added after the phase that routes need it in")
    func phasesAreInOrder() throws {
        for plan in [try start(), try stop()] {
            #expect(!plan.isEmpty)
            #expect(plan.steps.map(\.phase) == plan.steps.map(\.phase).sorted())
        }
    }

    @Test("Start: addresses on the bridge, bridge up, port, carrier, routes, then the old addresses")
    func startOrder() throws {
        let plan = try start()
        let up = try #require(
            places(plan) { if case .setLink(bridge0, let change) = $0 { change.isUp == true } else { false } }
                .first)
        let added = places(plan) { isAddition($0, on: bridge0) }
        let joined = try #require(places(plan) { isUplinkChange($0) { $0.master == .some(bridge0) } }.first)
        let awaited = try #require(places(plan) { $0 == .awaitCarrier(bridge0, 10) }.first)
        let routed = places(plan) { if case .replaceRoute = $0 { true } else { false } }
        let removed = places(plan) { isRemoval($0, from: eth0) }
        let disabled = try #require(places(plan) { $0 == .setSetting(eth0, .disableIPv6, "1") }.first)
        #expect(added.count == 4 && removed.count == 4 && routed.count >= 3)
        #expect(try up < #require(added.min()))
        #expect(try #require(added.max()) < joined)
        // Frames go round the uplink while it joins.
        #expect(plan.steps[joined - 1].operation == .openBypass(uplink: eth0, bridge: bridge0))
        #expect(plan.steps[joined + 1].operation == .closeBypass(uplink: eth0))
        #expect(joined < awaited)
        #expect(try awaited < #require(routed.min()))
        #expect(try #require(routed.max()) < #require(removed.min()))
        #expect(try #require(removed.max()) < disabled)
        #expect(plan.steps.last?.operation == .solicitRouters(bridge0))
    }

    @Test("Stop is the mirror image: addresses on the uplink, routes, off the bridge, then the bridge goes")
    func stopOrder() throws {
        let plan = try stop()
        let added = places(plan) { isAddition($0, on: eth0) }
        let routed = places(plan) {
            switch $0 {
            case .replaceRoute(let route), .addRoute(let route): route.devices == [eth0]
            default: false
            }
        }
        let left = try #require(places(plan) { isUplinkChange($0) { $0.master == .some(nil) } }.first)
        let deleted = try #require(places(plan) { $0 == .deleteLink(bridge0) }.first)
        #expect(added.count == 4 && routed.count >= 3)
        #expect(try #require(added.max()) < #require(routed.min()))
        #expect(try #require(routed.max()) < left)
        #expect(plan.steps[left - 1].operation == .openBypass(uplink: eth0, bridge: bridge0))
        #expect(plan.steps[left + 1].operation == .closeBypass(uplink: eth0))
        #expect(left < deleted)
        // While the bridge still has the first connected route, what comes in by the uplink would be answered
        // into a bridge without a port.
        let reached = plan.steps[..<left].reduce(into: try xenbr0.raised(from: baseline)) {
            $0.apply($1.operation)
        }
        #expect(!reached.routes.contains { $0.devices.contains(bridge0) })
    }

    @Test("IPv6 addresses come without duplicate detection, and lose the flag when all is in place")
    func noDuplicateDetection() throws {
        let plan = try start()
        for step in plan.steps {
            guard case .addAddress(let address) = step.operation, address.prefix.family == .ipv6 else {
                continue
            }
            #expect(address.flags.contains(.noDuplicateDetection))
        }
        let reached = baseline.applying(plan)
        #expect(reached.addresses(of: bridge0, .ipv6).count == 2)
        #expect(reached.addresses(of: bridge0, .ipv6).allSatisfy { $0.flags.isEmpty })
    }

    @Test("No address is generated on the bridge: the mode is none until the end, then the uplink's")
    func quietBridge() throws {
        let plan = try start()
        let quiet = try #require(
            places(plan) {
                if case .setLink(bridge0, let change) = $0 {
                    change.addressGeneration == AddressGeneration.none
                } else {
                    false
                }
            }.first)
        let up = try #require(
            places(plan) { if case .setLink(bridge0, let change) = $0 { change.isUp == true } else { false } }
                .first)
        #expect(quiet < up)
        #expect(baseline.applying(plan).links[bridge0]?.addressGeneration == .eui64)
    }

    @Test("Secondaries go before the primary that would take them along", arguments: ["0", "1"])
    func secondariesFirst(promotes: String) throws {
        var state = baseline
        state.apply(.setSetting(eth0, .promotesSecondaries, promotes))
        let raised = try xenbr0.raised(from: state)
        let plan = try difference(from: state, to: raised)
        let removed = plan.steps.compactMap { step -> String? in
            guard case .deleteAddress(let address) = step.operation, address.prefix.family == .ipv4 else {
                return nil
            }
            return "\(address.prefix)"
        }
        #expect(removed == ["192.0.2.11/24", "192.0.2.10/24"])
        let back = raised.applying(try difference(from: raised, to: state))
        #expect(back.addresses[eth0] == state.addresses[eth0])
        #expect(back.settings[eth0] == state.settings[eth0])
    }

    @Test("A secondary that stays when its primary goes is never away", arguments: ["0", "1"])
    func secondaryOutlivesPrimary(promotes: String) throws {
        var state = baseline
        state.apply(.setSetting(eth0, .promotesSecondaries, promotes))
        var desired = state
        desired.apply(.setSetting(eth0, .promotesSecondaries, "1"))
        desired.apply(.deleteAddress(address("192.0.2.10/24")))
        desired.apply(.setSetting(eth0, .promotesSecondaries, promotes))
        let plan = try difference(from: state, to: desired)
        var now = state
        for step in plan.steps {
            now.apply(step.operation)
            #expect(now.heldAddresses.contains(ip("192.0.2.11")), "\(step)")
        }
        #expect(now.addresses[eth0]?.first?.flags.contains(.secondary) == false)
        #expect(now.setting(.promotesSecondaries, of: eth0) == promotes)
    }

    @Test("Strict reverse path filtering is loose while an address is on two links")
    func looseMeanwhile() throws {
        var state = baseline
        state.apply(.setSetting(eth0, .reversePathFilter, "1"))
        let raised = try xenbr0.raised(from: state)
        for (from, to, link) in [(state, raised, bridge0), (raised, state, eth0)] {
            let plan = try difference(from: from, to: to)
            let added = try #require(places(plan) { isAddition($0, on: link) }.min())
            for loosened in [eth0, bridge0] {
                let loose = try #require(
                    places(plan) { $0 == .setSetting(loosened, .reversePathFilter, "2") }.first)
                #expect(loose < added)
            }
            #expect(from.applying(plan).setting(.reversePathFilter, of: link) == "1")
        }
    }

    @Test("What a port's routes lead to is known before they do: a port cannot resolve an address")
    func neighborsBeforeRoutes() throws {
        var state = baseline
        state.neighbors = [
            Neighbor(ip("192.0.2.1"), on: eth0, address: MACAddress("02:00:00:00:00:01"), state: .delay),
            Neighbor(ip("192.0.2.9"), on: eth0, address: nil, state: .incomplete),
        ]
        let raised = try xenbr0.raised(from: state)
        let plan = try difference(from: raised, to: state)
        let told = plan.steps.indices.filter {
            if case .replaceNeighbor(let neighbor) = plan.steps[$0].operation {
                neighbor.device == eth0 && neighbor.state == .stale
            } else {
                false
            }
        }
        let removed = places(plan) { if case .deleteRoute = $0 { true } else { false } }
        let replaced = places(plan) { if case .replaceRoute = $0 { true } else { false } }
        #expect(told.count == 1)
        #expect(try #require(told.first) < #require((removed + replaced).min()))
        // By themselves they are no reason for a plan.
        var without = state
        without.neighbors = []
        #expect(try difference(from: without, to: state).isEmpty)
    }

    @Test("A bridge is made with another MTU than it gets, so that a vif's smaller one does not lower it")
    func bridgeKeepsItsMTU() throws {
        let plan = try start()
        guard case .createLink(bridge0, let link, nil)? = plan.steps.first?.operation else {
            Issue.record("the bridge is not made first")
            return
        }
        #expect(link.mtu == 1499 && !link.flags.contains(.up))
        #expect(baseline.applying(plan).links[bridge0]?.mtu == 1500)
    }

    @Test("Labels follow the device's name there and back; those of another form stay")
    func labels() throws {
        var state = bareHost()
        for (text, label) in [
            ("192.0.2.1/24", "eth0"), ("192.0.2.2/24", "eth0:web"), ("192.0.2.3/24", "lan"),
            ("192.0.2.4/24", "eth0:123456789a"),
        ] {
            state.apply(.addAddress(address(text, label: label)))
        }
        let raised = try xenbr0.raised(from: state)
        #expect(
            raised.addresses[bridge0]?.map(\.label) == ["xenbr0", "xenbr0:web", "lan", "eth0:123456789a"])
        let lowered = xenbr0.lowered(baseline: state, settled: raised, observed: raised)
        #expect(lowered.addresses == state.addresses)
    }

    @Test("A multipath route with one leg elsewhere is replaced as one, and never missing")
    func multipath() throws {
        var state = baseline
        var balanced = route("10.0.0.0/8", via: "192.0.2.1")
        balanced.nexthops.append(RouteNexthop(device: .other(9), gateway: ip("198.18.0.1")))
        balanced.nexthops[1].hops = 3
        state.apply(.addRoute(balanced))
        let plan = try difference(from: state, to: try xenbr0.raised(from: state))
        let touching = plan.steps.map(\.operation).filter {
            switch $0 {
            case .addRoute(let route), .appendRoute(let route), .replaceRoute(let route),
                .deleteRoute(let route):
                route.destination == prefix("10.0.0.0/8")
            default: false
            }
        }
        var expected = balanced
        expected.nexthops[0].device = bridge0
        #expect(touching == [.replaceRoute(expected)])
    }

    @Test(
        "Nexthop objects are replaced, groups keep their members, and routes that name them are not touched")
    func nexthopObjects() throws {
        var state = baseline
        var single = Nexthop<LinkKey>(id: 5)
        single.family = .ipv4
        single.device = eth0
        single.gateway = ip("192.0.2.1")
        var group = Nexthop<LinkKey>(id: 6)
        group.group = [.init(id: 5, hops: 0)]
        var using = route("10.0.0.0/8", dev: nil)
        using.nexthopID = 6
        state.applyAll([.replaceNexthop(single), .replaceNexthop(group), .addRoute(using)])
        let raised = try xenbr0.raised(from: state)
        let plan = try difference(from: state, to: raised)
        single.device = bridge0
        #expect(
            plan.steps.map(\.operation).filter {
                switch $0 {
                case .replaceNexthop, .deleteNexthop: true
                case .addRoute(let route), .replaceRoute(let route), .deleteRoute(let route):
                    route.nexthopID != 0
                default: false
                }
            } == [.replaceNexthop(single)])
        let slice = raised.slice(of: xenbr0.scope)
        #expect(slice.nexthops.count == 2 && slice.routes.contains { $0.nexthopID == 6 })
    }

    @Test("An equal route through a link of others is neither replaced nor reordered")
    func foreignRoutes() throws {
        var state = bareHost()
        state.apply(.addAddress(address("192.0.2.10/24")))
        let foreign = route(nil, via: "10.9.9.9", dev: .other(7))
        state.apply(.addRoute(foreign))
        state.apply(.appendRoute(route(nil, via: "192.0.2.1")))
        let raised = try xenbr0.raised(from: state)
        for (from, to) in [(state, raised), (raised, state)] {
            let plan = try difference(from: from, to: to)
            var now = from
            for step in plan.steps {
                now.apply(step.operation)
                #expect(now.routes.filter { $0.destination == nil }.first == foreign, "\(step)")
            }
            #expect(now.routes.filter { $0.destination == nil }.count == 2)
        }
    }

    @Test(
        "An IPv6 route without a gateway that shares its metric with another's is added before the old one goes"
    )
    func sharedMetric() throws {
        var state = bareHost()
        state.apply(.addAddress(address("2001:db8::10/64")))
        let foreign = route("2001:db8:7::/64", dev: .other(7))
        state.apply(.addRoute(foreign))
        state.apply(.appendRoute(route("2001:db8:7::/64")))
        let plan = try difference(from: state, to: try xenbr0.raised(from: state))
        let operations = plan.steps.map(\.operation)
        let added = operations.firstIndex(
            of: .appendRoute(normalized(route("2001:db8:7::/64", dev: bridge0))))
        let removed = operations.firstIndex(of: .deleteRoute(normalized(route("2001:db8:7::/64"))))
        #expect(try #require(added) < #require(removed))
        #expect(state.applying(plan).routes.contains { $0.devices == [.other(7)] })
    }

    private func normalized(_ route: Route<LinkKey>) -> Route<LinkKey> {
        var result = route
        result.preference = 0
        return result
    }

    @Test("An address whose attributes cannot be changed in place is made again, and its routes with it")
    func repair() throws {
        var desired = bareHost()
        desired.applyAll([
            .addAddress(address("192.0.2.10/24", label: "eth0:new")),
            .addRoute(route(nil, via: "192.0.2.1")),
        ])
        var observed = bareHost()
        observed.applyAll([
            .addAddress(address("192.0.2.10/24")), .addRoute(route(nil, via: "192.0.2.1")),
        ])
        let plan = try difference(from: observed, to: desired)
        #expect(plan.steps.allSatisfy { $0.phase == .repair })
        #expect(observed.applying(plan) == desired)
    }

    @Test("The order of addresses is met exactly")
    func addressOrder() throws {
        var desired = bareHost()
        var observed = bareHost()
        let texts = ["192.0.2.1/24", "198.51.100.1/24", "203.0.113.1/24", "2001:db8::1/64", "2001:db8::2/64"]
        for text in texts { desired.apply(.addAddress(address(text))) }
        for text in texts.reversed() { observed.apply(.addAddress(address(text))) }
        #expect(observed.addresses != desired.addresses)
        let plan = try difference(from: observed, to: desired)
        #expect(observed.applying(plan).addresses == desired.addresses)
        #expect(observed.applying(plan).routes.count == desired.routes.count)
    }

    @Test("What the kernel would refuse fails in planning, and says what")
    func unreachable() throws {
        var desired = baseline
        desired.routes.append(route("10.0.0.0/8", via: "192.0.2.1", src: "192.0.2.200"))
        do {
            _ = try difference(from: baseline, to: desired)
            Issue.record("a route was planned whose source nobody has")
        } catch {
            #expect(error.drawbridgeError.cause.contains("10.0.0.0/8 via 192.0.2.1 dev eth0 src 192.0.2.200"))
        }
        var renamed = baseline
        renamed.links[.vif(VifID(domain: 1, device: 0))] = Link(name: "vif1.0")
        #expect(throws: PlanningError.missingLink(name: "vif1.0")) {
            try difference(from: baseline, to: renamed)
        }
    }

    @Test("Every step is a line that names the devices")
    func text() throws {
        let raised = try xenbr0.raised(from: baseline)
        let lines = try start().lines(from: baseline, to: raised)
        #expect(lines.first == "create bridge xenbr0 with address 00:16:3e:5e:6c:00")
        #expect(lines.contains("add 192.0.2.10/24 to xenbr0"))
        #expect(lines.contains("eth0: make it a port of xenbr0"))
        #expect(lines.contains("replace route default via 192.0.2.1 dev xenbr0"))
        #expect(lines.contains("remove 192.0.2.10/24 from eth0"))
        #expect(
            lines.allSatisfy { !$0.contains("\n") && !$0.contains("uplink of") && !$0.contains("Optional") })
    }
}
