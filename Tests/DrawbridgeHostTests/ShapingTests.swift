import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
import NetworkTypes
import TestSupport
import Testing

@testable import DrawbridgeHost

/// Limits on a real kernel, judged by `tc`.
@Suite struct ShapingTests {
    private let id = VifID(domain: 7, device: 0)
    private let group: UInt32 = 0x1_2345

    private func rates(_ fromGuest: String?, _ toGuest: String?) throws -> VifRates {
        VifRates(
            fromGuest: try fromGuest.flatMap { try RateText.read($0).limit.rate },
            toGuest: try toGuest.flatMap { try RateText.read($0).limit.rate })
    }

    /// Observes, plans and applies; tells the plan, and what was sent and read for it.
    private func limit(
        _ world: TestHost, _ rates: VifRates
    ) async throws -> (lines: [String], traffic: KernelTraffic) {
        let device = VifDevice(id: id, names: [try #require(LinkName("vif7.0"))])
        let scope = PlanScope(vifs: [id])
        let shaping = VifShaping(id, rates, group: group, tick: HostAccess.timerTick)
        return try await world.host.transact { access throws(DrawbridgeError) in
            let start = access.traffic
            let observation = try access.observe(.vifs([device], bridges: [:]))
            let state = observation.state.slice(of: scope)
            do throws(PlanningError) {
                let desired = try shaping.limited(in: state)
                let plan = try difference(from: state, to: desired)
                let applied = access.apply(plan, bindings: observation.bindings)
                if let failure = applied.failure { throw PlanningError.refused(failure) }
                var traffic = access.traffic
                traffic.changes -= start.changes
                traffic.reads -= start.reads
                traffic.sends -= start.sends
                return (plan.lines(from: state, to: desired), traffic)
            } catch { throw error.drawbridgeError }
        }
    }

    @Test("limits are made, changed in place and removed, at a cost that does not grow with the vifs")
    func life() async throws {
        var costs: [KernelTraffic] = []
        for count in [7, 60] {
            let world = try TestHost()
            try on(
                world.namespace,
                "for i in $(seq 1 \(count)); do echo link add vif$i.0 type veth peer name p$i; done | ip -batch -; "
                    + "ip link set vif7.0 up")
            let before = try on(world.namespace, "tc -j qdisc show dev vif7.0; ip -j link show type ifb")
            let made = try await limit(world, try rates("10Mb/s@20ms", "100Mb/s"))
            costs.append(made.traffic)
            #expect(!made.lines.isEmpty)
            let tbf =
                "tc -j qdisc show dev %@ | jq -c '.[] | select(.kind==\"tbf\") | [.handle, .options.rate, .options.burst]'"
            func bucket(_ name: String) throws -> String {
                try on(world.namespace, tbf.split(separator: "%@").joined(separator: name))
            }
            #expect(try bucket("ifb7.0") == #"["db00:",1250000,25000]"#)
            #expect(try bucket("vif7.0") == #"["db00:",12500000,625000]"#)
            #expect(
                try on(
                    world.namespace,
                    "ip -d -j link show ifb7.0 | jq -r '.[0] | [.ifalias, .group, .operstate] | @csv'")
                    == #""drawbridge rate vif7.0","74565","UNKNOWN""#)
            #expect(try await limit(world, try rates("10Mb/s@20ms", "100Mb/s")).lines == [])
            #expect(try await limit(world, try rates("20Mb/s", "100Mb/s")).lines.count == 1)
            #expect(try bucket("ifb7.0") == #"["db00:",2500000,125000]"#)
            _ = try await limit(world, VifRates())
            #expect(
                try on(world.namespace, "tc -j qdisc show dev vif7.0; ip -j link show type ifb") == before)
        }
        #expect(costs[0] == costs[1])
        #expect(costs[0].sends <= 6)
    }

    @Test("a part that the kernel lacks is named, with what follows")
    func missing() {
        let ifb = LinkKey.ifb(id)
        let bucket = QueueingDiscipline<LinkKey>(
            device: ifb, handle: 0xdb00_0000, parent: .rootQdisc,
            kind: .tokenBucket(.init(rate: 1, burst: 1, limit: 1)))
        let ingress = QueueingDiscipline<LinkKey>(
            device: .vif(id), handle: 0xffff_0000, parent: .ingressQdisc, kind: .other("ingress", options: [])
        )
        let filter = TrafficFilter<LinkKey>(
            device: .vif(id), parent: 0xffff_0000, priority: 1, action: .redirect(to: ifb))
        let cases: [(DrawbridgePlanning.Operation, Int32, String)] = [
            (.createLink(ifb, Link(name: "ifb7.0"), peer: nil), EOPNOTSUPP, "CONFIG_IFB"),
            (.replaceQdisc(bucket), ENOENT, "CONFIG_NET_SCH_TBF"),
            (.replaceQdisc(ingress), ENOENT, "CONFIG_NET_SCH_INGRESS"),
            (.addFilter(filter), ENOENT, "CONFIG_NET_ACT_MIRRED"),
        ]
        for (operation, errno, part) in cases {
            let refusal = NetlinkError.Refusal(index: 0, errno: errno, text: "kind is unknown")
            let error = operation.missingPart(refusal, name: "vif7.0")
            #expect(error?.cause.contains(part) == true && error?.cause.contains("kind is unknown") == true)
            #expect(error?.advice?.contains("without it") == true)
            #expect(operation.missingPart(.init(index: 0, errno: EPERM), name: "vif7.0") == nil)
        }
    }
}
