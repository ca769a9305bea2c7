import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct VLANTests {
    private let key = LinkKey.vif(VifID(domain: 3, device: 1))

    /// A host whose bridge is up, filtering by VLANs or not, with a vif that is down, or a port of another bridge.
    private func host(isFiltering: Bool, isElsewhere: Bool = false) throws -> HostState {
        let plain = OrderTests.host()
        var state = plain.applying(try difference(from: plain, to: try xenbr0.raised(from: plain)))
        if case .bridge(var settings)? = state.links[bridge0]?.kind {
            settings.vlanFiltering = isFiltering
            state.links[bridge0]?.kind = .bridge(settings)
        }
        var link = Link<LinkKey>(name: "vif3.1")
        link.flags = [.broadcast]
        link.address = .xenVif
        if isElsewhere {
            link.flags.formUnion([.up, .noARP])
            link.master = .other(99)
            link.portKind = "bridge"
            link.port = BridgePortSettings()
        }
        state.links[key] = link
        return state
    }

    private func vif(_ vlans: PortVLANs?) -> BridgeVif {
        var vif = BridgeVif(
            VifRequest(id: VifID(domain: 3, device: 1), source: .existing(LinkName("vif3.1")!)), group: 7)
        vif.vlans = vlans
        return vif
    }

    @Test("A vif is in its VLANs, and in no other, before it is up")
    func beforeUp() throws {
        let before = try host(isFiltering: true)
        let wanted = PortVLANs(untagged: 10, tagged: [20, 30])
        let plan = try difference(from: before, to: try vif(wanted).online(in: before, bridge: bridge0))
        var now = before
        for step in plan.steps {
            now.apply(step.operation)
            if now.links[key]?.isUp == true { #expect(now.links[key]?.port?.vlans == wanted) }
        }
        #expect(now.links[key]?.isUp == true)
    }

    @Test("It leaves the VLANs that it is not to be in before it joins others, and nothing is done twice")
    func changed() throws {
        let plain = try host(isFiltering: true)
        let before = plain.applying(
            try difference(
                from: plain,
                to: try vif(PortVLANs(untagged: 10, tagged: [20, 30])).online(in: plain, bridge: bridge0)))
        let desired = try vif(PortVLANs(untagged: 40, tagged: [30])).online(in: before, bridge: bridge0)
        let plan = try difference(from: before, to: desired)
        #expect(
            plan.steps.map(\.operation) == [
                .removeVLANs(key, [10, 20]), .addVLANs(key, PortVLANs(untagged: 40)),
            ])
        #expect(try difference(from: before.applying(plan), to: desired).isEmpty)
        // Without VLANs of its own it is in that of every port.
        let last = try vif(nil).online(in: before, bridge: bridge0)
        #expect(before.applying(try difference(from: before, to: last)).links[key]?.port?.vlans == .initial)
    }

    @Test("A bridge that does not filter refuses a vif that is to be in a VLAN")
    func refused() throws {
        let before = try host(isFiltering: false)
        #expect(throws: PlanningError.self) {
            try vif(PortVLANs(untagged: 10)).online(in: before, bridge: bridge0)
        }
        let plan = try difference(from: before, to: try vif(nil).online(in: before, bridge: bridge0))
        #expect(!plan.steps.contains { if case .addVLANs = $0.operation { true } else { false } })
    }

    @Test("A vif of which nothing passes goes from bridge to bridge while it is up, but not between VLANs")
    func silent() throws {
        for (isFiltering, isSilent, staysUp) in [
            (false, true, true), (false, false, false), (true, true, false),
        ] {
            let before = try host(isFiltering: isFiltering, isElsewhere: true)
            var desired = try vif(nil).online(in: before, bridge: bridge0)
            if isSilent { desired.silent = [key] }
            let plan = try difference(from: before, to: desired)
            let goesDown = plan.steps.contains {
                if case .setLink(key, let change) = $0.operation { change.isUp == false } else { false }
            }
            #expect(goesDown != staysUp)
            #expect(before.applying(plan).links[key]?.master == bridge0)
        }
    }
}
