public import DrawbridgeModel
import NetworkTypes

/// Why no plan could be made. Nothing has been changed.
public enum PlanningError: Error, Hashable, Sendable {
    /// A link that only others can make is not there.
    case missingLink(name: String)
    /// The kernel, as modelled, would not get to the desired state; the text is the first step still to do.
    case unreachable(step: String)
    /// What is asked for contradicts itself or the host.
    case refused(DrawbridgeError)

    /// The same as an error for people.
    public var drawbridgeError: DrawbridgeError {
        switch self {
        case .missingLink(let name): DrawbridgeError(.notFound, name, "no such interface")
        case .unreachable(let step):
            DrawbridgeError(
                .internal, "plan", "no order of operations reaches the desired state: \(step) remains",
                advice: "nothing was changed")
        case .refused(let error): error
        }
    }
}

/// The operations that lead from what is observed to what is desired, in an order that keeps the host reachable.
///
/// The plan is made phase by phase against a prediction that ``HostState/apply(_:)`` advances with every
/// operation; an operation that would change nothing is dropped. If the prediction is not what is desired in the end,
/// planning fails.
///
/// Links that `desired` does not hold are deleted where Drawbridge made them and left alone otherwise, with all
/// that is on them. Both states must be slices of one scope (``HostState/slice(of:)``).
public func difference(
    from observed: HostState, to desired: HostState
) throws(PlanningError) -> Plan {
    let desired = desired.plannable
    var planner = Planner(from: observed.plannable, to: desired)
    try planner.planAllPhases()
    if let step = planner.firstUnmet() { throw .unreachable(step: step) }
    return Plan(steps: planner.steps)
}

extension HostState {
    /// The state without what is never planned, every object in its normal form.
    public var plannable: HostState {
        var result = self
        result.addresses = addresses.compactMapValues { list in
            let own = list.filter { owner(of: $0) == .host }.map(\.normalized)
            return own.isEmpty ? nil : own
        }
        result.routes = routes.filter { owner(of: $0) != .kernel }.map(\.normalized)
        result.neighbors = neighbors.filter { owner(of: $0) == .host }.map(\.normalized)
        return result
    }
}

/// Makes one plan.
struct Planner {
    let observed: HostState
    let desired: HostState
    var predicted: HostState
    var steps: [Step] = []
    var phase = Phase.permit
    /// Whether addresses or uplinks change places, so that dynamic neighbours should go along.
    let isMove: Bool
    /// Uplinks that join or leave a bridge in this plan.
    var movers: Set<LinkKey> = []

    /// The routes that are to be, by key, and the keys in order.
    let wantedRoutes: [RouteKey: [Route<LinkKey>]]
    let wantedRouteKeys: [RouteKey]

    init(from observed: HostState, to desired: HostState) {
        self.observed = observed
        self.desired = desired
        predicted = observed
        isMove = desired.links.contains { key, link in
            guard key.hasRole, let old = observed.links[key] else { return key.hasRole }
            if case .uplink = key, old.master != link.master { return true }
            return (observed.addresses[key] ?? []).map(AddressKey.init)
                != (desired.addresses[key] ?? []).map(AddressKey.init)
        }
        let routes = desired.routes.filter(desired.concernsRole)
        wantedRoutes = Dictionary(grouping: routes, by: { RouteKey($0) })
        var seen: Set<RouteKey> = []
        wantedRouteKeys = routes.map { RouteKey($0) }.filter { seen.insert($0).inserted }
    }

    mutating func planAllPhases() throws(PlanningError) {
        for phase in Phase.allCases {
            self.phase = phase
            switch phase {
            case .permit, .forbid: break
            case .create: try planCreation()
            case .settings: planSettings()
            case .address: planAddresses()
            case .port: planPorts()
            case .shape: planShaping()
            case .up: planUp()
            case .route: planRoutes()
            case .withdraw: planWithdrawal()
            case .repair: planRepair()
            case .delete: planDeletion()
            }
        }
    }

    /// Adds a step if it changes the prediction.
    mutating func emit(_ operation: Operation) {
        guard predicted.apply(operation) else { return }
        steps.append(Step(phase, operation))
    }

    /// Adds a step that changes nothing a state holds.
    mutating func emitAlways(_ operation: Operation) {
        steps.append(Step(phase, operation))
    }

    /// Changes one link.
    mutating func set(_ key: LinkKey, _ edit: (inout LinkChange) -> Void) {
        var change = LinkChange()
        edit(&change)
        if change != LinkChange() { emit(.setLink(key, change)) }
    }

    /// The links that are both wanted and have a role: only these are ever changed.
    var plannedLinks: [LinkKey] { desired.orderedLinks.filter(\.hasRole) }
}
