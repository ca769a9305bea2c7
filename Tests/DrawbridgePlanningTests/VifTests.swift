import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct VifTests {
    private let id = VifID(domain: 3, device: 1)

    private func network() throws -> HostState {
        let host = OrderTests.host()
        return host.applying(try difference(from: host, to: try xenbr0.raised(from: host)))
    }

    private func foreign(isUp: Bool) throws -> HostState {
        var state = try network()
        var link = Link<LinkKey>(name: "vif3.1")
        link.address = MACAddress("02:00:00:00:00:09")
        link.flags = isUp ? [.up, .broadcast, .multicast] : [.broadcast, .multicast]
        link.addressGeneration = .eui64
        state.links[.vif(id)] = link
        return state
    }

    private func vif(_ edit: (inout VifRequest) -> Void = { _ in }) -> BridgeVif {
        var request = VifRequest(id: id, source: .existing(LinkName("vif3.1")!))
        edit(&request)
        return BridgeVif(request, group: 70001)
    }

    @Test(
        "§7-20, §7-21, §7-22: a vif joins the bridge with the address of Xen, its MTU, no ARP and no groups")
    func online() throws {
        var before = try foreign(isUp: false)
        before.apply(.addAddress(address("169.254.1.1/16", on: .vif(id), label: nil)))
        let desired = try vif().online(in: before, bridge: bridge0)
        let link = try #require(before.applying(try difference(from: before, to: desired)).links[.vif(id)])
        #expect(link.master == bridge0 && link.isUp && link.mtu == 1500)
        #expect(link.address == .xenVif)
        #expect(link.flags.contains(.noARP) && !link.flags.contains(.multicast))
        #expect(link.port?.bpduGuard == true && link.port?.learning == true)
        #expect(desired.addresses[.vif(id)] == nil)
    }

    @Test("The vif comes up last, and one that was up is down meanwhile", arguments: [false, true])
    func upLast(wasUp: Bool) throws {
        let before = try foreign(isUp: wasUp)
        let plan = try difference(from: before, to: try vif().online(in: before, bridge: bridge0))
        guard case .setLink(.vif, let last)? = plan.steps.last?.operation else {
            Issue.record("the last step is \(String(describing: plan.steps.last))")
            return
        }
        #expect(last.isUp == true && plan.steps.last?.phase == .up)
        var now = before
        for step in plan.steps.dropLast() {
            now.apply(step.operation)
            if now.links[.vif(id)]?.master != nil { #expect(now.links[.vif(id)]?.isUp == false) }
        }
        #expect(now.setting(.disableIPv6, of: .vif(id)) == "1")
    }

    @Test("§7-23: a refusal to change the address or the MTU does not fail the plan")
    func mayFail() throws {
        let before = try foreign(isUp: false)
        let desired = try vif { $0.mtu = 1400 }.online(in: before, bridge: bridge0)
        let plan = try difference(from: before, to: desired)
        #expect(plan.steps.filter(\.operation.mayFail).count == 2)
        var reached = before
        for step in plan.steps where !step.operation.mayFail { reached.apply(step.operation) }
        let rest = try difference(from: reached, to: desired)
        #expect(!rest.isEmpty)
        #expect(reached.links[.vif(id)]?.isUp == true && reached.links[.vif(id)]?.master == bridge0)
    }

    @Test("§7-24: an MTU asked for is the vif's, and the bridge keeps its own")
    func mtu() throws {
        let before = try foreign(isUp: false)
        let desired = try vif { $0.mtu = 1400 }.online(in: before, bridge: bridge0)
        let reached = before.applying(try difference(from: before, to: desired))
        #expect(reached.links[.vif(id)]?.mtu == 1400 && reached.links[bridge0]?.mtu == 1500)
    }

    @Test("§7-28: a bridge that is not there is an error in the words of Xen")
    func noBridge() throws {
        let before = try foreign(isUp: false)
        #expect(throws: PlanningError.self) {
            try vif { $0.bridge = LinkName("nobr") }.online(in: before, bridge: .bridge(LinkName("nobr")!))
        }
        do {
            _ = try vif { $0.bridge = LinkName("nobr") }.online(in: before, bridge: .other(0))
        } catch {
            #expect(error.drawbridgeError.cause == "Could not find bridge device nobr")
        }
    }

    @Test("§7-30: online again changes nothing")
    func twice() throws {
        let before = try foreign(isUp: false)
        let desired = try vif().online(in: before, bridge: bridge0)
        let reached = before.applying(try difference(from: before, to: desired))
        let again = try vif().online(in: reached, bridge: bridge0)
        #expect(try difference(from: reached, to: again).isEmpty)
    }

    @Test("§7-31: offline leaves the device, down and no port")
    func offline() throws {
        let before = try foreign(isUp: false)
        let online = try vif().online(in: before, bridge: bridge0)
        let up = before.applying(try difference(from: before, to: online))
        let plan = try difference(from: up, to: vif().offline(in: up))
        let link = try #require(up.applying(plan).links[.vif(id)])
        #expect(link.master == nil && !link.isUp && link.alias == nil)
        #expect(!plan.steps.contains { if case .deleteLink = $0.operation { true } else { false } })
    }

    @Test("§7-32: offline of a vif that is gone changes nothing")
    func vanished() throws {
        let state = try network()
        #expect(try difference(from: state, to: vif().offline(in: state)).isEmpty)
    }

    @Test("§7-35: a vif is renamed and known by its new name")
    func renamed() throws {
        let before = try foreign(isUp: true)
        let desired = try vif { $0.vifName = LinkName("web0") }.online(in: before, bridge: bridge0)
        let plan = try difference(from: before, to: desired)
        let reached = before.applying(plan)
        #expect(reached.links[.vif(id)]?.name == "web0")
        #expect(plan.lines(from: before, to: desired).contains("web0: make it a port of xenbr0"))
    }

    @Test("A pair is made with its other end, in one message, and deleted when the vif goes")
    func pair() throws {
        let before = try network()
        let made = vif {
            $0.source = .pair(guestName: LinkName("eth0")!)
            $0.mac = MACAddress("00:16:3e:00:00:01")
        }
        let desired = try made.online(in: before, bridge: bridge0)
        let plan = try difference(from: before, to: desired)
        guard case .createLink(.vif, let link, let peer?)? = plan.steps.first?.operation else {
            Issue.record("the pair is not made first")
            return
        }
        #expect(link.master == bridge0 && link.group == 70001 && peer.name == LinkName("eth0"))
        let up = before.applying(plan)
        #expect(
            try difference(from: up, to: made.offline(in: up)).steps.map(\.operation) == [
                .deleteLink(.vif(id))
            ])
    }

    @Test(
        "A tap is made with its owner, and deleted when the vif goes; another's is refused, and so is another owner"
    )
    func tap() throws {
        let before = try network()
        var options = TapOptions()
        options.owner = 1000
        let made = vif { $0.source = .tap(options) }
        let up = before.applying(
            try difference(from: before, to: try made.online(in: before, bridge: bridge0)))
        let link = try #require(up.links[.vif(id)])
        #expect(link.kind == .tun(options.settings) && link.master == bridge0 && link.isUp)
        #expect(try difference(from: up, to: try made.online(in: up, bridge: bridge0)).steps.isEmpty)
        // Whoever opened it last decides whether frames have a header.
        var opened = up
        var settings = options.settings
        settings.hasVirtioHeader = true
        opened.links[.vif(id)]?.kind = .tun(settings)
        #expect(try difference(from: opened, to: try made.online(in: opened, bridge: bridge0)).steps.isEmpty)
        settings.owner = 1001
        opened.links[.vif(id)]?.kind = .tun(settings)
        #expect(throws: PlanningError.self) { try made.online(in: opened, bridge: bridge0) }
        #expect(throws: PlanningError.self) { try made.online(in: try foreign(isUp: false), bridge: bridge0) }
        #expect(
            try difference(from: up, to: made.offline(in: up)).steps.map(\.operation) == [
                .deleteLink(.vif(id))
            ])
    }

    @Test("A stop of the network takes guests off their bridge first and leaves their devices as they are")
    func released() throws {
        let before = try foreign(isUp: false)
        let up = before.applying(
            try difference(from: before, to: try vif().online(in: before, bridge: bridge0)))
        let desired = vif().releasing(
            in: xenbr0.lowered(
                baseline: OrderTests.host(), settled: try xenbr0.raised(from: OrderTests.host()), observed: up
            ))
        let plan = try difference(from: up, to: desired)
        let reached = up.applying(plan)
        #expect(reached.links[bridge0] == nil)
        #expect(reached.links[.vif(id)]?.isUp == true && reached.links[.vif(id)]?.master == nil)
        let off = try #require(plan.steps.firstIndex { $0.phase == .port })
        let deleted = try #require(plan.steps.firstIndex { $0.operation == .deleteLink(bridge0) })
        #expect(off < deleted)
    }

    @Test("A thousand vifs are one plan")
    func thousand() throws {
        var state = try network()
        var desired = state
        for domain in 0..<1000 {
            var request = VifRequest(
                id: VifID(domain: UInt32(domain), device: 0), source: .pair(guestName: LinkName("eth0")!))
            request.bridge = LinkName("xenbr0")
            desired = try BridgeVif(request, group: 70001).online(in: desired, bridge: bridge0)
        }
        let plan = try difference(from: state, to: desired)
        state = state.applying(plan)
        #expect(state.links.values.count { $0.master == bridge0 } == 1001)
    }
}
