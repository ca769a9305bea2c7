import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct ForwardingTests {
    private func host(_ changes: [(String, SettingKey, String)] = []) -> [HostSetting: String] {
        var state: [HostSetting: String] = [HostSetting("all", .acceptsRedirects): "1"]
        for link in ["all", "default", "eth0", "eth1", "lo"] {
            for key in SettingKey.ofForwarding { state[HostSetting(link, key)] = "0" }
            state[HostSetting(link, .acceptsRouterAdvertisements)] = "1"
        }
        for (link, key, value) in changes { state[HostSetting(link, key)] = value }
        return state
    }

    private func desired(_ edit: (inout HostForwarding) -> Void = { _ in }) -> HostForwarding {
        var desired = HostForwarding()
        desired.uplinks = ["eth0"]
        edit(&desired)
        return desired
    }

    private func applied(_ plan: ForwardingPlan, to state: [HostSetting: String]) -> [HostSetting: String] {
        var state = state
        for write in plan.writes { state.apply(write) }
        return state
    }

    @Test("§7-92: IPv4 is forwarded by the uplink alone, and no global key is written")
    func uplinkAlone() {
        let plan = ForwardingPlan(to: desired(), from: host())
        #expect(
            plan.writes == [
                SettingWrite(HostSetting("eth0", .forwarding), "1"),
                SettingWrite(HostSetting("eth0", .proxyARP), "1"),
            ])
    }

    @Test("What was done is not done again, and all of it is given back")
    func thereAndBack() {
        let before = host([("eth1", .forwarding6, "1")])
        let wish = desired { $0.ipv6Uplinks = ["eth0"] }
        let plan = ForwardingPlan(to: wish, from: before, advertised: ["eth0"])
        let raised = applied(plan, to: before)
        #expect(raised[HostSetting("lo", .forwarding6)] == "1")
        let again = ForwardingPlan(
            to: wish, from: raised, advertised: ["eth0"], remembered: plan.record)
        #expect(again.writes.isEmpty)
        let back = ForwardingPlan(to: HostForwarding(), from: raised, remembered: plan.record)
        #expect(applied(back, to: raised) == before)
        #expect(back.record == ForwardingRecord())
    }

    @Test(
        "Before IPv6 is forwarded, what has routes from advertisements goes on taking them, and nothing else does"
    )
    func advertisements() throws {
        let wish = desired { $0.ipv6Uplinks = ["eth0"] }
        let plan = ForwardingPlan(to: wish, from: host(), advertised: ["eth0"])
        #expect(plan.writes.first == SettingWrite(HostSetting("eth0", .acceptsRouterAdvertisements), "2"))
        let global = try #require(plan.writes.firstIndex { $0.setting == HostSetting("all", .forwarding6) })
        #expect(global > 0)
        #expect(!plan.writes.contains { $0.setting == HostSetting("eth1", .acceptsRouterAdvertisements) })
        // The way back forwards no more before advertisements are taken as before.
        let raised = applied(plan, to: host())
        let back = ForwardingPlan(to: HostForwarding(), from: raised, remembered: plan.record)
        #expect(back.writes.last == SettingWrite(HostSetting("eth0", .acceptsRouterAdvertisements), "1"))
    }

    @Test("§7-92: the global key takes along what the kernel takes along, and that is given back too")
    func global() {
        let before = host([("eth1", .forwarding, "1")])
        let plan = ForwardingPlan(to: desired { $0.isGlobal = true }, from: before)
        #expect(plan.writes.first == SettingWrite(HostSetting("all", .forwarding), "1"))
        let raised = applied(plan, to: before)
        #expect(raised[HostSetting("all", .acceptsRedirects)] == "0")
        #expect(raised[HostSetting("lo", .forwarding)] == "1")
        let back = ForwardingPlan(to: HostForwarding(), from: raised, remembered: plan.record)
        #expect(applied(back, to: raised) == before)
    }

    @Test("A value that others have set since stays as it is")
    func others() {
        let before = host()
        let plan = ForwardingPlan(to: desired(), from: before)
        var raised = applied(plan, to: before)
        raised[HostSetting("eth0", .proxyARP)] = "0"
        raised[HostSetting("eth1", .forwarding)] = "1"
        let back = ForwardingPlan(to: HostForwarding(), from: raised, remembered: plan.record)
        let now = applied(back, to: raised)
        #expect(now[HostSetting("eth1", .forwarding)] == "1")
        #expect(now[HostSetting("eth0", .forwarding)] == "0")
        #expect(back.writes == [SettingWrite(HostSetting("eth0", .forwarding), "0")])
    }

    @Test("An interface that came meanwhile gets what it would have been born with")
    func newcomer() {
        let before = host()
        let wish = desired { $0.ipv6Uplinks = ["eth0"] }
        let plan = ForwardingPlan(to: wish, from: before)
        var raised = applied(plan, to: before)
        raised[HostSetting("vif3.0", .forwarding6)] = "1"
        let back = ForwardingPlan(to: HostForwarding(), from: raised, remembered: plan.record)
        #expect(applied(back, to: raised)[HostSetting("vif3.0", .forwarding6)] == "0")
    }

    @Test("From every point of the way, both the goal and the beginning are reached")
    func interrupted() {
        let before = host([("eth1", .forwarding6, "1")])
        let wish = desired {
            $0.ipv6Uplinks = ["eth0"]; $0.isGlobal = true
        }
        let plan = ForwardingPlan(to: wish, from: before, advertised: ["eth0"])
        let goal = applied(plan, to: before)
        for count in 0...plan.writes.count {
            var state = before
            for write in plan.writes.prefix(count) { state.apply(write) }
            let on = ForwardingPlan(
                to: wish, from: state, advertised: ["eth0"], remembered: plan.record)
            #expect(applied(on, to: state) == goal, "on from \(count)")
            let back = ForwardingPlan(to: HostForwarding(), from: state, remembered: plan.record)
            #expect(applied(back, to: state) == before, "back from \(count)")
        }
    }

    @Test("Large receive offload goes with forwarding, and comes back after it")
    func offload() throws {
        let before = host([("eth0", .largeReceiveOffload, "1"), ("eth1", .largeReceiveOffload, "1")])
        let plan = ForwardingPlan(to: desired(), from: before)
        let raised = applied(plan, to: before)
        #expect(raised[HostSetting("eth0", .largeReceiveOffload)] == "0")
        #expect(raised[HostSetting("eth1", .largeReceiveOffload)] == "1")
        let back = ForwardingPlan(to: HostForwarding(), from: raised, remembered: plan.record)
        #expect(applied(back, to: raised) == before)
    }

    @Test("What forwarding set of another network's bridge is no change of it; what others set is theirs")
    func besides() throws {
        let bridge = LinkKey.bridge(try #require(LinkName("xenbr0")))
        var state = HostState()
        state.links[bridge] = Link(name: "xenbr0")
        state.settings[bridge] = [.forwarding: "1", .proxyARP: "1", .forwarding6: "1"]
        var record = ForwardingRecord()
        record.before = [HostSetting("xenbr0", .forwarding): "0", HostSetting("xenbr0", .proxyARP): "0"]
        // Somebody has set `proxy_arp` since Drawbridge did and took it back.
        record.ours = [HostSetting("xenbr0", .forwarding): "1", HostSetting("xenbr0", .proxyARP): "0"]
        var seen: [SettingKey: String]?
        let desired = state.desired(besides: record) { observed in
            seen = observed.settings[bridge]
            var desired = observed
            desired.settings[bridge]?[.forwarding6] = "0"
            return desired
        }
        #expect(seen == [.forwarding: "0", .proxyARP: "1", .forwarding6: "1"])
        #expect(desired.settings[bridge] == [.forwarding: "1", .proxyARP: "1", .forwarding6: "0"])
        let gone = state.desired(besides: record) { _ in HostState() }
        #expect(gone.settings.isEmpty)
    }
}
