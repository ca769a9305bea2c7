import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

private let id = VifID(domain: 3, device: 1)
private let vif = LinkKey.vif(id)
private let ifb = LinkKey.ifb(id)
private let group: UInt32 = 70001

private func rate(_ text: String) throws -> Rate { try #require(try RateText.read(text).limit.rate) }

/// A host with a vif that is connected, or is about to be.
private func host(isConnected: Bool = true) throws -> HostState {
    var state = HostState()
    var link = Link<LinkKey>(name: "vif3.1")
    link.flags = isConnected ? [.up] : []
    state.links[vif] = link
    return state
}

private func shaping(_ fromGuest: String? = nil, _ toGuest: String? = nil) throws -> VifShaping {
    VifShaping(
        id, VifRates(fromGuest: try fromGuest.map(rate), toGuest: try toGuest.map(rate)), group: group,
        tick: 4_000_000)
}

extension HostState {
    fileprivate func bucket(of key: LinkKey) -> QueueingDiscipline<LinkKey>.TokenBucket? {
        guard case .tokenBucket(let bucket)? = qdisc(of: key, at: .rootQdisc)?.kind else { return nil }
        return bucket
    }

    fileprivate mutating func reach(_ desired: HostState) throws -> [DrawbridgePlanning.Operation] {
        let plan = try difference(from: self, to: desired)
        for step in plan.steps { apply(step.operation) }
        #expect(try difference(from: self, to: desired).isEmpty)
        return plan.steps.map(\.operation)
    }
}

@Suite("Limits as plans") struct VifShapingTests {
    @Test("the limits of both directions are where they belong, and the second plan is empty")
    func both() throws {
        var state = try host()
        _ = try state.reach(try shaping("10Mb/s", "1MB/s@20ms").limited(in: state))
        #expect(state.bucket(of: ifb)?.rate == 1_250_000 && state.bucket(of: ifb)?.burst == 62_500)
        #expect(state.bucket(of: vif)?.rate == 1_000_000 && state.bucket(of: vif)?.burst == 20_000)
        #expect(state.filters[vif] == nil && state.qdisc(of: vif, at: .ingressQdisc) == nil)
        #expect(state.links[ifb]?.name == "ifb3.1" && state.links[ifb]?.isUp == true)
        #expect(state.owner(of: ifb) == .drawbridge && state.links[ifb]?.group == group)
        #expect(state.setting(.disableIPv6, of: ifb) == "1")
    }

    @Test("what is limited is up and limited before anything is sent there, and the vif comes up last")
    func order() throws {
        let before = try host(isConnected: false)
        var desired = before
        desired.links[vif]?.flags.insert(.up)
        desired = try shaping("10Mb/s", "10Mb/s").limited(in: desired)
        var state = before
        for step in try difference(from: before, to: desired).steps {
            state.apply(step.operation)
            if state.links[ifb]?.isUp == true { #expect(state.bucket(of: ifb) != nil) }
            if state.links[vif]?.isUp == true {
                #expect(state.links[ifb]?.isUp == true && state.bucket(of: vif) != nil)
            }
        }
        #expect(state.links[vif]?.isUp == true)
    }

    @Test("another rate changes the bucket in place, and nothing else")
    func live() throws {
        var state = try host()
        _ = try state.reach(try shaping("10Mb/s", "10Mb/s").limited(in: state))
        let steps = try state.reach(try shaping("20Mb/s", "10Mb/s").limited(in: state))
        #expect(steps.count == 1)
        guard case .replaceQdisc(let qdisc)? = steps.first else {
            Issue.record("\(steps)")
            return
        }
        #expect(qdisc.device == ifb && qdisc.handle == 0xdb00_0000)
    }

    @Test("without a limit nothing is left of it")
    func removed() throws {
        let before = try host()
        var state = before
        _ = try state.reach(try shaping("10Mb/s", "10Mb/s").limited(in: state))
        _ = try state.reach(try shaping().limited(in: state))
        #expect(state == before)
        _ = try state.reach(try shaping(nil, "10Mb/s").limited(in: state))
        #expect(state.links[ifb] == nil && state.filters[vif] == nil)
    }

    @Test("a vif that goes takes its limits along, whoever made its device", arguments: [false, true])
    func offline(isPair: Bool) throws {
        var before = try host()
        if isPair {
            before.links[vif]?.alias = LinkMark.made(vif).alias
            before.links[vif]?.kind = .veth
        }
        var state = before
        _ = try state.reach(try shaping("10Mb/s", "10Mb/s").limited(in: state))
        let name = try #require(LinkName("vif3.1"))
        let request = VifRequest(id: id, source: isPair ? .pair(guestName: name) : .existing(name))
        _ = try state.reach(BridgeVif(request, group: group).offline(in: state))
        #expect(state.links[ifb] == nil && state.qdiscs.isEmpty && state.filters.isEmpty)
        #expect((state.links[vif] == nil) == isPair)
    }

    @Test("a vif that is released with its network keeps no limit, and what others put there")
    func released() throws {
        var state = try host()
        let before = state
        _ = try state.reach(try shaping("10Mb/s", "10Mb/s").limited(in: state))
        let request = VifRequest(id: id, source: .existing(try #require(LinkName("vif3.1"))))
        _ = try state.reach(BridgeVif(request, group: group).releasing(in: state))
        #expect(state == before)
        state.qdiscs[vif] = [
            QueueingDiscipline(
                device: vif, handle: 0xffff_0000, parent: .ingressQdisc, kind: .other("clsact", options: []))
        ]
        #expect(try state.reach(BridgeVif(request, group: group).releasing(in: state)).isEmpty)
    }

    @Test("a vif whose device is gone leaves no device behind that limited it")
    func vanished() throws {
        var state = try host()
        _ = try state.reach(try shaping("10Mb/s").limited(in: state))
        state.apply(.deleteLink(vif))
        let request = VifRequest(id: id, source: .existing(try #require(LinkName("vif3.1"))))
        _ = try state.reach(BridgeVif(request, group: group).offline(in: state))
        #expect(state.links.isEmpty)
    }

    @Test("the tc filter of an earlier version goes, with its qdisc")
    func earlier() throws {
        let before = try host()
        var state = before
        state.qdiscs[vif] = [
            QueueingDiscipline(
                device: vif, handle: 0xffff_0000, parent: .ingressQdisc,
                kind: .other("ingress", options: []))
        ]
        state.filters[vif] = [
            TrafficFilter(
                device: vif, parent: 0xffff_0000, priority: 56093, action: .redirect(to: ifb))
        ]
        _ = try state.reach(try shaping("10Mb/s").limited(in: state))
        #expect(state.filters[vif] == nil && state.qdisc(of: vif, at: .ingressQdisc) == nil)
        #expect(state.bucket(of: ifb) != nil)
        _ = try state.reach(try shaping().limited(in: state))
        #expect(state == before)
    }

    @Test("drift is put right: the bucket, the device itself", arguments: 0..<3)
    func drift(which: Int) throws {
        var state = try host()
        let desired = try shaping("10Mb/s", "10Mb/s").limited(in: state)
        _ = try state.reach(desired)
        switch which {
        case 0: state.apply(.deleteLink(ifb))
        case 1: state.apply(.deleteQdisc(try #require(state.qdisc(of: vif, at: .rootQdisc))))
        default: state.links[ifb]?.flags.remove(.up)
        }
        let again = try shaping("10Mb/s", "10Mb/s").limited(in: state)
        #expect(!(try state.reach(again)).isEmpty)
        #expect(state.bucket(of: ifb) != nil && state.bucket(of: vif) != nil)
        #expect(state.links[ifb]?.isUp == true)
    }

    @Test("one that was being made when the daemon ended is taken on")
    func unmarked() throws {
        var state = try host()
        var link = Link<LinkKey>(name: "ifb3.1")
        link.kind = .ifb
        link.group = group
        state.links[ifb] = link
        _ = try state.reach(try shaping("10Mb/s").limited(in: state))
        #expect(state.links[ifb]?.alias == "drawbridge rate vif3.1")
    }

    @Test("what others put there is not touched: with a limit it is in the way, without one it stays")
    func foreign() throws {
        var state = try host()
        let root = QueueingDiscipline<LinkKey>(
            device: vif, handle: 0x1_0000, parent: .rootQdisc, kind: .other("htb", options: []))
        let ingress = QueueingDiscipline<LinkKey>(
            device: vif, handle: 0xffff_0000, parent: .ingressQdisc, kind: .other("clsact", options: []))
        state.qdiscs[vif] = [root, ingress]
        #expect(throws: PlanningError.self) { try shaping(nil, "10Mb/s").limited(in: state) }
        // What others do at the ingress comes before, and is in nobody's way.
        var limited = state
        _ = try limited.reach(try shaping("10Mb/s").limited(in: state))
        #expect(limited.qdiscs[vif] == [root, ingress])
        #expect(try state.reach(try shaping().limited(in: state)).isEmpty)
        state.qdiscs[vif] = nil
        state.links[ifb] = Link<LinkKey>(name: "ifb3.1")
        #expect(throws: PlanningError.self) { try shaping("10Mb/s").limited(in: state) }
        #expect(try state.reach(try shaping().limited(in: state)).isEmpty)
    }

    @Test(
        "the credit is that of the window, but a frame and a timer tick at least",
        arguments: [
            ("10Mb/s", 1500, 62_500), ("1MB/s@20ms", 1500, 20_000), ("1B/s", 1500, 1522),
            ("1B/s", 9000, 9022),
            ("20KB/s", 1500, 1522), ("1GB/s@1ms", 1500, 4_000_000), ("100GB/s@1s", 1500, 4_294_967_295),
        ] as [(String, UInt32, UInt32)])
    func credit(text: String, mtu: UInt32, burst: UInt32) throws {
        let rate = try rate(text)
        #expect(VifShaping.burst(of: rate, mtu: mtu, tick: 4_000_000) == burst)
        let notices = try shaping(text).notices(mtu: mtu)
        #expect(notices.isEmpty == (UInt64(burst) == rate.credit), "\(notices)")
        if let notice = notices.first {
            #expect(notice.contains("rate \(rate)") && notice.contains("\(burst)"))
        }
    }
}
