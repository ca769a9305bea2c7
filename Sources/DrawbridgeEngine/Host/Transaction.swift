import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// What a transaction came to.
struct Reached: Sendable {
    /// The plan, a line a step.
    var lines: [String]
    /// The state before and after, within the scope.
    var before: HostState
    var after: HostState
    var bindings: Bindings
    var warnings: [String]
    /// For each line the vif that it is about, where it is about one.
    fileprivate var subjects: [VifID?]

    /// What it came to for each of some vifs that were handled together: their own lines and warnings, so that the
    /// answers to a batch are not a batch each.
    func outcomes(of ids: [VifID]) -> [Outcome] {
        guard ids.count > 1 else {
            return ids.map { _ in Outcome(changed: !lines.isEmpty, plan: lines, warnings: warnings) }
        }
        let own = Dictionary(grouping: zip(lines, subjects)) { $1 }
        return ids.map { id in
            let plan = own[id]?.map(\.0) ?? []
            return Outcome(
                changed: !plan.isEmpty, plan: plan, warnings: warnings.filter { $0.contains("\(id)") })
        }
    }
}

extension Operation {
    /// The vif that it is about, by its device or the one that limits it.
    fileprivate var vif: VifID? {
        let key: LinkKey? =
            switch self {
            case .createLink(let key, _, _), .deleteLink(let key), .setLink(let key, _),
                .setSetting(let key, _, _), .removeVLANs(let key, _), .addVLANs(let key, _):
                key
            case .deleteAddress(let address): address.device
            case .replaceQdisc(let qdisc), .deleteQdisc(let qdisc): qdisc.device
            case .addFilter(let filter), .deleteFilter(let filter): filter.device
            default: nil
            }
        return switch key {
        case .vif(let id), .ifb(let id): id
        default: nil
        }
    }
}

extension HostAccess {
    /// Observes, plans, applies and verifies, in one piece.
    ///
    /// - Parameters:
    ///   - dryRun: plans only.
    ///   - peers: namespaces for the other ends of pairs.
    ///   - group: a link of this group that bears no mark yet was being made when an earlier daemon ended: it counts
    ///     as made by Drawbridge, to be taken back.
    ///   - writeDown: called with the observed slice when the plan is made and before it is applied; the journal's
    ///     place.
    ///   - desire: what is wanted, as a function of what is there.
    /// - Throws: what kept it from being reached. What took effect is left as it is: going back is another
    ///   transaction, with another desired state.
    mutating func reach(
        _ scope: ObservationScope, within plan: PlanScope, dryRun: Bool = false,
        peers: [LinkKey: Int32] = [:],
        claiming group: UInt32 = 0,
        writeDown: (HostState, Bindings) throws(DrawbridgeError) -> Void = { _, _ in },
        desire: (HostState) throws(DrawbridgeError) -> HostState
    ) throws(DrawbridgeError) -> Reached {
        let observation = try observe(scope)
        let before = observation.state.slice(of: plan).claiming(group)
        var desired = try desire(before)
        let first = try planned(from: before, to: desired)
        var reached = Reached(
            lines: first.lines(from: before, to: desired), before: before, after: before,
            bindings: observation.bindings, warnings: [], subjects: first.steps.map(\.operation.vif))
        if dryRun { return reached }
        try writeDown(before, observation.bindings)
        guard !first.isEmpty else { return reached }
        var next = first
        // The kernel may do something by itself meanwhile, such as taking a lifetime's second: one more look.
        for attempt in 0..<3 {
            let applied = apply(next, bindings: reached.bindings, peers: peers)
            reached.bindings = applied.bindings
            reached.warnings += applied.warnings
            try applied.get()
            let now = try observe(scope)
            reached.after = now.state.slice(of: plan).claiming(group)
            reached.bindings = now.bindings
            next = try planned(from: reached.after, to: desired)
            if !next.isEmpty, desired.accept(what: reached.after, refuses: next) {
                next = try planned(from: reached.after, to: desired)
            }
            if next.isEmpty { return reached }
            if attempt == 2 { break }
        }
        let left = next.lines(from: reached.after, to: desired).first ?? ""
        throw DrawbridgeError(
            .kernel, "the host", "did not become what was asked for: it remains to \(left)",
            advice: "somebody else may be changing the same things")
    }

    private func planned(from observed: HostState, to desired: HostState) throws(DrawbridgeError) -> Plan {
        try planning { () throws(PlanningError) in try difference(from: observed, to: desired) }
    }
}

extension HostState {
    /// The state with the links of a group marked as made by Drawbridge, where they bear no mark: the kernel takes the
    /// mark only after the link is there.
    fileprivate func claiming(_ group: UInt32) -> HostState {
        guard group != 0 else { return self }
        var result = self
        for (key, link) in links where link.group == group && link.alias == nil {
            result.links[key]?.alias = LinkMark.made(key).alias
        }
        return result
    }

    /// Takes what a driver refused, such as another address, as it is; tells whether there was any.
    fileprivate mutating func accept(what observed: HostState, refuses plan: Plan) -> Bool {
        var isChanged = false
        for step in plan.steps where step.operation.mayFail {
            guard case .setLink(let key, let change) = step.operation, let link = observed.links[key] else {
                continue
            }
            if change.address != nil { links[key]?.address = link.address }
            if change.mtu != nil { links[key]?.mtu = link.mtu }
            isChanged = true
        }
        return isChanged
    }
}

/// Calls a planning function and tells its error as one of ours.
func planning<Value>(
    _ body: () throws(PlanningError) -> Value
) throws(DrawbridgeError) -> Value {
    do throws(PlanningError) {
        return try body()
    } catch {
        throw error.drawbridgeError
    }
}

/// Calls a function of the journal and tells its error as one of ours.
func journalled<Value>(
    _ body: () throws(RecordError) -> Value
) throws(DrawbridgeError) -> Value {
    do throws(RecordError) {
        return try body()
    } catch {
        throw error.reported
    }
}
