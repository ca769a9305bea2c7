import DrawbridgeAPI
import Testing

/// A plan that a person can read, however many settings a link has.
@Suite struct PlanFoldingTests {
    private func folded(_ plan: [String]) -> [String] { OutcomeReport(changed: true, plan: plan).foldedPlan }

    @Test("Settings of one link are one line, those of another link another")
    func settings() {
        let names = ["ipv4.forwarding", "ipv4.rp_filter", "ipv6.hop_limit", "ipv6.mtu"]
        let plan =
            names.map { "set \($0) of xenbr0 to 1" } + names.map { "set \($0) of eth0 to 0" }
            + ["xenbr0: up"]
        #expect(folded(plan) == ["set 4 settings of xenbr0", "set 4 settings of eth0", "xenbr0: up"])
    }

    @Test("Three settings, and what is interrupted, stay as they are")
    func fewSettings() {
        let one = "set ipv6.disable_ipv6 of eth0 to 1"
        #expect(folded([one, one, one]) == [one, one, one])
        #expect(folded([one, one, "eth0: up", one, one]) == [one, one, "eth0: up", one, one])
    }

    @Test(
        "Of many routes, neighbours or addresses the first three stand for all",
        arguments: [
            ("replace route 10.0.%.0/24 via 192.0.2.1 dev xenbr0", "replace route: 97 more"),
            ("set neighbour 192.0.2.% at 02:00:00:00:00:77 on xenbr0", "set neighbour: 97 more"),
            ("add 192.0.2.%/24 to xenbr0", "add address: 97 more"),
            ("remove 2001:db8::%/64 from eth0", "remove address: 97 more"),
        ])
    func many(pattern: String, rest: String) {
        let plan = (0..<100).map { number in
            pattern.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "\(number)")
        }
        #expect(folded(plan) == plan.prefix(3) + [rest])
        #expect(folded(Array(plan.prefix(8))) == Array(plan.prefix(8)))
    }

    @Test("Steps that are not alike stay a line each, and an empty plan is empty")
    func different() {
        let plan = (0..<20).map { "vif\($0).0: up" }
        #expect(folded(plan) == plan)
        #expect(folded([]) == [])
    }
}
