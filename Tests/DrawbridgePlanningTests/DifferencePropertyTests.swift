import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

/// What must hold for any two states, tried on many of them.
@Suite struct DifferencePropertyTests {
    static let seed: UInt64 = 0xd1a3_b21d_9e00_0001

    /// Two states that the kernel can be in.
    static func pair(_ hosts: inout RandomHosts) throws -> (from: HostState, to: HostState) {
        func random(_ base: HostState) throws -> HostState {
            var state = hosts.random.chance(50) ? try xenbr0.raised(from: base) : base
            if hosts.random.chance(40) { hosts.disturb(&state) }
            return state
        }
        let first = hosts.baseline()
        let second = hosts.random.chance(50) ? first : hosts.baseline()
        return (try random(first), try random(second))
    }

    /// The parts of a state that a plan answers for, in a form in which equal states are equal values.
    static func essence(_ state: HostState, like other: HostState) -> HostState {
        var result = state.plannable
        result.neighbors = result.neighbors.filter { $0.state.contains(.permanent) }
            .sorted { $0.destination < $1.destination }
        result.settings = state.settings.compactMapValues { $0 }
        for (key, settings) in result.settings {
            result.settings[key] = settings.filter { other.settings[key]?[$0.key] != nil }
        }
        result.globals = [:]
        // Routes of one key are ordered, those of different keys are not, and IPv6 has no order to speak of.
        let groups = Dictionary(
            grouping: result.routes.filter { $0.devices.contains { $0.hasRole } || $0.nexthopID != 0 },
            by: { RouteKey($0) })
        result.routes = groups.sorted { $0.key.hashValue < $1.key.hashValue }.flatMap { key, routes in
            key.family == .ipv4 ? routes : routes.sorted { $0.hashValue < $1.hashValue }
        }
        for key in result.links.keys {
            result.links[key]?.port = nil
            result.links[key]?.portKind = nil
            result.links[key]?.hasCarrier = true
        }
        return result
    }

    private func expectEqual(_ reached: HostState, _ goal: HostState, _ context: String) {
        let difference = contrast(Self.essence(reached, like: goal), Self.essence(goal, like: goal))
        if !difference.isEmpty { Issue.record("\(context): \(difference)") }
    }

    @Test(
        "20,000 random pairs: the goal is reached, the second plan is empty, a cut leads on both ways",
        arguments: [1, 2, 3, 4] as [UInt64])
    func randomPairs(part: UInt64) throws {
        var hosts = RandomHosts(seed: Self.seed &* part)
        print("seed \(Self.seed &* part)")
        var steps = 0
        for round in 0..<5_000 {
            let (from, to) = try Self.pair(&hosts)
            let plan: Plan
            do {
                plan = try difference(from: from, to: to)
            } catch {
                Issue.record("round \(round): \(error)")
                continue
            }
            steps += plan.steps.count
            let reached = from.applying(plan)
            expectEqual(reached, to, "round \(round)")
            #expect(try difference(from: reached, to: to).isEmpty, "round \(round)")
            guard !plan.isEmpty else { continue }
            var cut = from
            let length = Int.random(in: 0..<plan.steps.count, using: &hosts.random)
            for step in plan.steps[..<length] { cut.apply(step.operation) }
            for goal in [from, to] {
                do {
                    let rest = try difference(from: cut, to: goal)
                    expectEqual(cut.applying(rest), goal, "round \(round) cut at \(length)")
                } catch {
                    Issue.record("round \(round) cut at \(length): \(error)")
                }
            }
        }
        #expect(steps > 25_000)
    }

    @Test("A move keeps every address on one of the two links, and the default route, at every step")
    func movesWithoutGaps() throws {
        var hosts = RandomHosts(seed: Self.seed &+ 1)
        for round in 0..<3_000 {
            let baseline = hosts.baseline()
            let raised = try xenbr0.raised(from: baseline)
            for (from, to) in [(baseline, raised), (raised, baseline)] {
                let plan = try difference(from: from, to: to)
                var state = from
                for (index, step) in plan.steps.enumerated() {
                    state.apply(step.operation)
                    #expect(
                        from.heldAddresses.isSubset(of: state.heldAddresses),
                        "round \(round) step \(index): \(step)")
                    for family in AddressFamily.allCases where from.hasDefaultRoute(family) {
                        #expect(state.hasDefaultRoute(family), "round \(round) step \(index): \(step)")
                    }
                }
            }
        }
    }

    @Test(
        "Whatever others do meanwhile, a stop is possible, leaves no bridge, and an upheld network can be stopped"
    )
    func stopsAfterDisturbance() throws {
        var hosts = RandomHosts(seed: Self.seed &+ 2)
        for round in 0..<1_000 {
            let baseline = hosts.baseline()
            let settled = baseline.applying(
                try difference(from: baseline, to: try xenbr0.raised(from: baseline)))
            var observed = settled
            hosts.disturb(&observed)
            let upheld = try xenbr0.upheld(baseline: baseline, settled: settled, observed: observed)
            let kept = observed.applying(try difference(from: observed, to: upheld))
            for (state, base) in [(observed, settled), (kept, kept)] {
                let lowered = xenbr0.lowered(baseline: baseline, settled: base, observed: state)
                let reached = state.applying(try difference(from: state, to: lowered))
                #expect(reached.links[bridge0] == nil && reached.addresses[bridge0] == nil, "round \(round)")
                #expect(reached.links[eth0]?.master == nil, "round \(round)")
            }
            let undisturbed = xenbr0.lowered(baseline: baseline, settled: settled, observed: settled)
            expectEqual(undisturbed, baseline, "round \(round)")
        }
    }
}
