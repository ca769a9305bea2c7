import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import TestSupport
import Testing

/// What the planner believes of the kernel, held against the kernel.
@Suite struct ModelTests {
    /// SplitMix64: the same numbers for the same seed everywhere.
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    private static func operation(_ network: NetworkName, _ numbers: inout Numbers) -> DrawbridgePlanning
        .Operation?
    {
        let device = Bool.random(using: &numbers) ? LinkKey.uplink(network) : .bridge(network)
        let host = Int.random(in: 1...4, using: &numbers)
        let net = Int.random(in: 0...1, using: &numbers)
        func address() -> Address<LinkKey>? {
            if Int.random(in: 0..<3, using: &numbers) == 0 {
                guard let prefix = Prefix("2001:db8:\(net)::\(host)/64") else { return nil }
                var address = Address(prefix, on: device)
                address.flags = [.permanent, .noDuplicateDetection]
                return address
            }
            guard let prefix = Prefix("192.0.\(net).\(host)/24") else { return nil }
            var address = Address(prefix, on: device)
            address.flags = .permanent
            address.label = device == .bridge(network) ? "xenbr0" : "eth0"
            return address
        }
        func route() -> Route<LinkKey>? {
            let isIPv6 = Int.random(in: 0..<3, using: &numbers) == 0
            var route = Route<LinkKey>(
                isIPv6 ? .ipv6 : .ipv4,
                to: Prefix(isIPv6 ? "2001:db8:f\(host % 2)::/64" : "203.0.11\(host % 2).0/24"))
            route.metric = isIPv6 ? 1024 : UInt32(net) * 10
            route.scope = isIPv6 ? .universe : .link
            route.origin = .static
            if isIPv6 { route.preference = 0 }
            route.nexthops = [RouteNexthop(device: device)]
            return route
        }
        switch Int.random(in: 0..<10, using: &numbers) {
        case 0...3: return address().map { .addAddress($0) }
        case 4: return address().map { .deleteAddress($0) }
        case 5: return route().map { .addRoute($0) }
        case 6: return route().map { .replaceRoute($0) }
        case 7:
            // Without a metric the kernel deletes a route of any metric (`fib_table_delete`); plans only delete what is there.
            return route().flatMap { $0.metric == 0 ? nil : .deleteRoute($0) }
        case 8:
            var change = LinkChange()
            change.isUp = Int.random(in: 0..<4, using: &numbers) > 0
            return .setLink(device, change)
        default:
            var change = LinkChange()
            change.mtu = [1400, 1500].randomElement(using: &numbers)
            return .setLink(device, change)
        }
    }

    @Test("random operations leave the model and the kernel in the same state", arguments: 1...16)
    func agreement(seed: Int) async throws {
        let world = try TestHost()
        let promote = seed % 2
        try on(
            world.namespace,
            "sysctl -q net.ipv4.conf.all.promote_secondaries=\(promote); "
                + "ip link add xenbr0 type bridge; ip link add x0 up master xenbr0 type veth peer name x1; ip link set x1 up; "
                + "ip link set eth0 down; ip link set eth0 addrgenmode none; ip link set xenbr0 addrgenmode none up; ip link set eth0 up; "
                + "sysctl -q net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.xenbr0.accept_ra=0")
        let network = BridgeNetwork(try #require(theNetwork), group: 1)
        var numbers = Numbers(state: UInt64(seed))
        var history: [String] = []
        for _ in 0..<40 {
            guard let operation = Self.operation(network.network.name, &numbers) else { continue }
            let (before, applied, after) = try await world.host.transact { access throws(DrawbridgeError) in
                let before = try access.observe(network.network)
                let applied = access.apply(
                    Plan(steps: [Step(.address, operation)]), bindings: before.bindings)
                return (before, applied, try access.observe(network.network))
            }
            var predicted = before.state.slice(of: network.scope)
            let changes = predicted.apply(operation)
            predicted = predicted.plannable
            let observed = after.state.slice(of: network.scope)
            history.append(
                operation.text { predicted.name(of: $0) } + (applied.failure.map { " [\($0.cause)]" } ?? ""))
            let story = history.joined(separator: "\n")
            if applied.failure != nil { #expect(!changes, "refused by the kernel alone\n\(story)") }
            for key in [network.uplink, network.bridge] {
                #expect(predicted.addresses[key] == observed.addresses[key], "\(story)")
                #expect(predicted.links[key]?.isUp == observed.links[key]?.isUp, "\(story)")
                #expect(predicted.links[key]?.mtu == observed.links[key]?.mtu, "\(story)")
            }
            func missing(_ left: HostState, _ right: HostState) -> [String] {
                Set(left.routes).subtracting(right.routes).map { route in
                    Operation.addRoute(route).text { left.name(of: $0) }
                        + " metric \(route.metric) \(route.origin)"
                }
            }
            #expect(missing(predicted, observed) == [], "only in the model\n\(story)")
            #expect(missing(observed, predicted) == [], "only in the kernel\n\(story)")
            if predicted.addresses != observed.addresses || Set(predicted.routes) != Set(observed.routes) {
                break
            }
        }
        #expect(history.count > 0)
    }
}
