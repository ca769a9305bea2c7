import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

/// What a stop gives back when others were at work meanwhile.
@Suite struct MergeTests {
    private let baseline = OrderTests.host()
    private func settled() throws -> HostState { try xenbr0.raised(from: baseline) }

    private func lowered(_ change: (inout HostState) -> Void) throws -> HostState {
        var observed = try settled()
        change(&observed)
        return xenbr0.lowered(baseline: baseline, settled: try settled(), observed: observed)
    }

    @Test("Nothing changed: the baseline itself")
    func unchanged() throws {
        let result = try lowered { _ in }
        #expect(contrast(result, baseline) == "")
        #expect(try difference(from: baseline, to: result).isEmpty)
    }

    @Test("An address added on the bridge goes to the uplink, after those that were there")
    func addressAdded() throws {
        let result = try lowered {
            $0.apply(.addAddress(address("192.0.2.99/24", on: bridge0, label: "xenbr0:9")))
        }
        let list = result.addresses(of: eth0, .ipv4)
        #expect(list.map { "\($0.prefix)" } == ["192.0.2.10/24", "192.0.2.11/24", "192.0.2.99/24"])
        #expect(list.last?.label == "eth0:9")
    }

    @Test("An address put on the uplink while it is a port counts as the host's, and upholding moves it")
    func addressOnPort() throws {
        var observed = try settled()
        observed.apply(.setSetting(eth0, .disableIPv6, "0"))
        observed.apply(.addAddress(address("192.0.2.77/24")))
        let upheld = try xenbr0.upheld(baseline: baseline, settled: try settled(), observed: observed)
        #expect(upheld.addresses[eth0] == nil)
        #expect(upheld.addresses(of: bridge0, .ipv4).contains { $0.prefix == prefix("192.0.2.77/24") })
        let plan = try difference(from: observed, to: upheld)
        #expect(observed.applying(plan).addresses[eth0] == nil)
        let result = xenbr0.lowered(baseline: baseline, settled: try settled(), observed: observed)
        #expect(result.addresses(of: eth0, .ipv4).contains { $0.prefix == prefix("192.0.2.77/24") })
    }

    @Test("An address and a route that others removed stay away")
    func removed() throws {
        let result = try lowered {
            $0.apply(.deleteAddress(address("192.0.2.11/24", on: bridge0)))
            $0.apply(.deleteRoute(route("203.0.113.0/24", dev: bridge0, table: 100)))
        }
        #expect(result.addresses(of: eth0, .ipv4).map { "\($0.prefix)" } == ["192.0.2.10/24"])
        #expect(!result.routes.contains { $0.table == 100 })
        #expect(result.routes.contains { $0.destination == nil && $0.devices == [eth0] })
    }

    @Test("What is missing after an interruption is put back")
    func interrupted() throws {
        var observed = try settled()
        observed.apply(.deleteAddress(address("192.0.2.11/24", on: bridge0)))
        let result = xenbr0.lowered(
            baseline: baseline, settled: nil, observed: observed, wasInterrupted: true)
        #expect(result.addresses == baseline.addresses)
    }

    @Test("A default route that others replaced is theirs")
    func routeReplaced() throws {
        let result = try lowered { $0.apply(.replaceRoute(route(nil, via: "192.0.2.254", dev: bridge0))) }
        let defaults = result.routes.filter { $0.family == .ipv4 && $0.destination == nil }
        #expect(defaults == [route(nil, via: "192.0.2.254")])
    }

    @Test("A setting that others changed on the bridge is theirs, the rest is the baseline's")
    func settingChanged() throws {
        let result = try lowered {
            $0.apply(.setSetting(bridge0, SettingKey(.ipv4Neigh, "gc_stale_time"), "99"))
        }
        #expect(result.setting(SettingKey(.ipv4Neigh, "gc_stale_time"), of: eth0) == "99")
        #expect(result.setting(.disableIPv6, of: eth0) == "0")
    }

    @Test("Lifetimes are shorter by what has passed, and what has expired is gone")
    func expiry() throws {
        var before = bareHost()
        var lasting = address("192.0.2.10/24")
        lasting.validLifetime = 100
        lasting.preferredLifetime = 50
        var short = address("198.51.100.1/24")
        short.validLifetime = 30
        short.preferredLifetime = 30
        before.applyAll([.addAddress(lasting), .addAddress(short)])
        let up = try xenbr0.raised(from: before)
        let result = xenbr0.lowered(
            baseline: before.aged(by: 60), settled: up.aged(by: 60), observed: up.aged(by: 60))
        #expect(result.addresses[eth0]?.map(\.validLifetime) == [40])
        #expect(result.addresses[eth0]?.map(\.preferredLifetime) == [0])
    }

    @Test("A lease that was renewed keeps its new lifetime")
    func renewal() throws {
        var before = bareHost()
        var leased = address("192.0.2.10/24")
        leased.validLifetime = 100
        leased.preferredLifetime = 100
        before.apply(.addAddress(leased))
        let up = try xenbr0.raised(from: before)
        var observed = up.aged(by: 60)
        var renewed = leased
        renewed.device = bridge0
        renewed.validLifetime = 90
        renewed.preferredLifetime = 90
        observed.apply(.replaceAddress(renewed))
        let result = xenbr0.lowered(
            baseline: before.aged(by: 60), settled: up.aged(by: 60), observed: observed)
        #expect(result.addresses[eth0]?.map(\.validLifetime) == [90])
    }

    @Test("A lease that was renewed after it had run out in the baseline stays the primary address")
    func renewedPrimary() throws {
        var before = bareHost()
        var leased = address("192.0.2.10/24")
        leased.validLifetime = 10
        leased.preferredLifetime = 10
        before.applyAll([.addAddress(leased), .addAddress(address("192.0.2.11/24"))])
        let up = try xenbr0.raised(from: before)
        var renewed = leased
        renewed.device = bridge0
        var observed = up
        observed.apply(.replaceAddress(renewed))
        let result = xenbr0.lowered(
            baseline: before.aged(by: 60), settled: up.aged(by: 60), observed: observed)
        #expect(result.addresses[eth0] == before.addresses[eth0])
    }

    @Test("Of a bridge that others made, what was its own stays on it")
    func adoptedBridge() throws {
        var before = baseline
        var link = Link<LinkKey>(name: "xenbr0")
        link.kind = .bridge(BridgeSettings())
        link.flags = .up
        before.links[bridge0] = link
        before.apply(.addAddress(address("10.0.0.1/8", on: bridge0, label: "xenbr0")))
        let up = try xenbr0.raised(from: before)
        let plan = try difference(from: before, to: up)
        #expect(!plan.steps.contains { if case .createLink = $0.operation { true } else { false } })
        #expect(before.applying(plan).addresses(of: bridge0, .ipv4).count == 3)
        let result = xenbr0.lowered(baseline: before, settled: up, observed: up)
        #expect(result.addresses == before.addresses)
        let back = up.applying(try difference(from: up, to: result))
        #expect(back.links[bridge0] != nil && back.addresses == before.addresses)
    }

    /// A bridge of others, up, with some addresses of its own.
    private func withBridge(having own: [String]) -> HostState {
        var before = baseline
        var link = Link<LinkKey>(name: "xenbr0")
        link.kind = .bridge(BridgeSettings())
        link.flags = .up
        before.links[bridge0] = link
        for text in own { before.apply(.addAddress(address(text, on: bridge0, label: "xenbr0"))) }
        return before
    }

    @Test(
        "The connected route that a bridge of others shares with the uplink stays on both",
        arguments: [
            ["fe80::b/64"], ["192.0.2.200/24"], ["2001:db8:1::b/64", "fe80::b/64", "192.0.2.200/24"],
        ])
    func sharedConnectedRoute(own: [String]) throws {
        var before = withBridge(having: own)
        before.apply(.addAddress(address("fe80::a/64")))
        before.apply(.addAddress(address("2001:db8:1::a/64")))
        let up = before.applying(try difference(from: before, to: try xenbr0.raised(from: before)))
        let shared = up.routes.filter { $0.destination == prefix("fe80::/64") }
        #expect(shared.map(\.devices) == [[bridge0]])
        let result = xenbr0.lowered(baseline: before, settled: up, observed: up)
        let back = up.applying(try difference(from: up, to: result))
        for destination in ["fe80::/64", "192.0.2.0/24", "2001:db8:1::/64"].map(prefix) {
            let old = before.routes.filter { $0.destination == destination }
            let new = back.routes.filter { $0.destination == destination }
            #expect(new.count == old.count, "\(destination): \(new)")
            for route in old { #expect(new.contains(route), "\(route)") }
        }
        #expect(try difference(from: back, to: before).isEmpty)
    }

    @Test("Large receive offload is off while the uplink is a port, and on again when it has left")
    func largeReceiveOffload() throws {
        var before = baseline
        before.settings[eth0]?[.largeReceiveOffload] = "1"
        let up = try xenbr0.raised(from: before)
        #expect(up.setting(.largeReceiveOffload, of: eth0) == "0")
        #expect(up.setting(.largeReceiveOffload, of: bridge0) == nil)
        let result = xenbr0.lowered(baseline: before, settled: up, observed: up)
        let steps = try difference(from: up, to: result).steps.map(\.operation)
        let on = try #require(steps.firstIndex(of: .setSetting(eth0, .largeReceiveOffload, "1")))
        let left = try #require(
            steps.firstIndex {
                if case .setLink(eth0, let change) = $0 { change.master == .some(nil) } else { false }
            })
        #expect(left < on)
    }

    @Test("A route that others took off the bridge stays away from the bridge and from the uplink")
    func sharedConnectedRouteRemoved() throws {
        var before = withBridge(having: ["fe80::b/64"])
        before.apply(.addAddress(address("fe80::a/64")))
        let up = before.applying(try difference(from: before, to: try xenbr0.raised(from: before)))
        var observed = up
        observed.routes.removeAll { $0.destination == prefix("fe80::/64") }
        let result = xenbr0.lowered(baseline: before, settled: up, observed: observed)
        #expect(!result.routes.contains { $0.destination == prefix("fe80::/64") })
    }

    @Test("An uplink that was down is down again")
    func uplinkWasDown() throws {
        var before = bareHost()
        before.apply(.addAddress(address("192.0.2.10/24")))
        before.links[eth0]?.flags.remove(.up)
        before.routes = []
        let up = try xenbr0.raised(from: before)
        let plan = try difference(from: before, to: up)
        #expect(before.applying(plan).routes.map(\.devices) == [[bridge0]])
        let result = xenbr0.lowered(baseline: before, settled: up, observed: up)
        let back = up.applying(try difference(from: up, to: result))
        #expect(back.links[eth0]?.isUp == false)
        #expect(back.addresses == before.addresses && back.routes.isEmpty)
    }

    @Test("A network without uplink has a bridge that the host is not on")
    func isolated() throws {
        let lonely = BridgeNetwork(Network(name: NetworkName("lan0")!, uplink: .none), group: 70001)
        let state = try lonely.raised(from: HostState())
        let plan = try difference(from: HostState(), to: state)
        #expect(HostState().applying(plan).setting(.disableIPv6, of: lonely.bridge) == "1")
        #expect(try difference(from: HostState().applying(plan), to: HostState()).steps.count == 1)
    }
}
