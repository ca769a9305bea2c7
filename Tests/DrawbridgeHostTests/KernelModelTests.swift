import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

/// Whether the kernel does what the model says it does: random operations go through both.
@Suite struct KernelModelTests {
    @Test("Random operations have the effect on a namespace that the model predicts", arguments: 1...40)
    func randomOperations(seed: UInt64) async throws {
        let disagreements = try await withTestNamespace {
            var host = try NamespaceHost.make()
            var generator = OperationGenerator(seed: seed)
            var found: [String] = []
            var state = try host.observe()
            for round in 0..<250 {
                let operation = generator.next(in: state)
                var predicted = state
                predicted.apply(operation)
                let refusal = host.apply(operation)
                let observed = try host.observe()
                let difference = contrast(predicted: predicted, observed: observed)
                if !difference.isEmpty {
                    found.append(
                        "\(round): \(operation.text { state.name(of: $0) }) (\(refusal ?? "done")): \(difference)"
                    )
                }
                state = observed
            }
            return found
        }
        for disagreement in disagreements { Issue.record("seed \(seed), \(disagreement)") }
    }

    @Test("A start and a stop do on a namespace what their plans predict, and every request is accepted")
    func startAndStop() async throws {
        let problems = try await withTestNamespace {
            var host = try NamespaceHost.make()
            var problems: [String] = []
            for operation in OperationGenerator.household {
                if let refusal = host.apply(operation) { problems.append("\(operation): \(refusal)") }
            }
            let baseline = try host.observe()
            let network = NamespaceHost.network
            for desired in [
                try network.raised(from: baseline), baseline, try network.raised(from: baseline), baseline,
            ] {
                let before = try host.observe()
                for step in try difference(from: before, to: desired).steps {
                    if let refusal = host.apply(step.operation) {
                        problems.append("\(step.operation): \(refusal)")
                    }
                }
                let after = try host.observe()
                let rest = try difference(from: after, to: desired)
                problems += rest.lines(from: after, to: desired).map { "still to do: \($0)" }
            }
            let left = contrast(predicted: baseline, observed: try host.observe())
            return left.isEmpty ? problems : problems + ["left: \(left)"]
        }
        #expect(problems == [])
    }
}

/// What differs between what was predicted and what is there; empty if nothing does.
private func contrast(predicted: HostState, observed: HostState) -> String {
    var words: [String] = []
    let (left, right) = (predicted.plannable, observed.plannable)
    for key in Set(left.links.keys).union(right.links.keys).sorted() {
        let (old, new) = (left.links[key], right.links[key])
        if old?.master != new?.master || old?.isUp != new?.isUp || old?.mtu != new?.mtu {
            words.append("link \(key)")
        }
        let text = { (address: Address<LinkKey>) in
            "\(address.prefix)/\(address.flags.rawValue)/\(address.label ?? "")/\(address.scope.rawValue)"
                + "/\(address.routeMetric)/\(address.validLifetime != nil)"
        }
        let (before, after) = ((left.addresses[key] ?? []).map(text), (right.addresses[key] ?? []).map(text))
        if before != after { words.append("addresses of \(key): \(before) but \(after)") }
    }
    let text = { (route: Route<LinkKey>) in
        "\(Operation.addRoute(route).text { "\($0)" }) p\(route.origin.rawValue) e\(route.expires != nil)"
    }
    let (before, after) = (
        Dictionary(grouping: left.routes, by: { RouteKey($0) }).mapValues { $0.map(text) },
        Dictionary(grouping: right.routes, by: { RouteKey($0) }).mapValues { $0.map(text) }
    )
    for key in Set(before.keys).union(after.keys) {
        let (old, new) = (before[key] ?? [], after[key] ?? [])
        let isEqual = key.family == .ipv4 ? old == new : old.sorted() == new.sorted()
        if !isEqual { words.append("routes: \(old) but \(new)") }
    }
    if left.nexthops.keys.sorted() != right.nexthops.keys.sorted() {
        words.append("nexthops: \(left.nexthops.keys.sorted()) but \(right.nexthops.keys.sorted())")
    }
    let lasting = { (state: HostState) in
        Set(state.neighbors.filter { $0.state.contains(.permanent) }.map(NeighborKey.init))
    }
    if lasting(left) != lasting(right) { words.append("neighbours: \(lasting(left)) but \(lasting(right))") }
    return words.joined(separator: "; ")
}
