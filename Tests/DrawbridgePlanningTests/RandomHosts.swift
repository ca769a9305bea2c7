import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

let xenbr0 = BridgeNetwork(
    Network(
        name: NetworkName("xenbr0")!, uplink: .named(LinkName("eth0")!)), group: 70001)
let eth0 = xenbr0.uplink
let bridge0 = xenbr0.bridge

func prefix(_ text: String) -> Prefix { Prefix(text)! }
func ip(_ text: String) -> IPAddress { IPAddress(text)! }

/// A host with one interface that is up and has nothing on it.
func bareHost() -> HostState {
    var state = HostState()
    var link = Link<LinkKey>(name: "eth0")
    link.flags = [.up, .broadcast, .multicast]
    link.address = MACAddress("00:16:3e:5e:6c:00")
    link.addressGeneration = .eui64
    state.links[eth0] = link
    state.settings[eth0] = [
        .disableIPv6: "0", .reversePathFilter: "0", .promotesSecondaries: "0", .arpFilter: "0",
        .acceptsRouterAdvertisements: "1", SettingKey(.ipv6Conf, "accept_dad"): "1",
        SettingKey(.ipv4Neigh, "gc_stale_time"): "60",
    ]
    return state
}

func address(_ text: String, on link: LinkKey = eth0, label: String? = "eth0") -> Address<LinkKey> {
    var address = Address(prefix(text), on: link)
    if address.prefix.family == .ipv4 { address.label = label }
    return address
}

func route(
    _ destination: String?, via gateway: String? = nil, dev link: LinkKey? = eth0, src: String? = nil,
    metric: UInt32 = 0, table: UInt32 = 254, family: AddressFamily = .ipv4
) -> Route<LinkKey> {
    let destination = destination.map(prefix)
    var route = Route<LinkKey>(destination?.family ?? family, to: destination)
    if let link { route.nexthops = [RouteNexthop(device: link, gateway: gateway.map(ip))] }
    route.preferredSource = src.map(ip)
    route.metric = metric == 0 && route.family == .ipv6 ? 1024 : metric
    route.table = table
    route.origin = .static
    if gateway == nil, route.family == .ipv4 { route.scope = .link }
    return route
}

extension HostState {
    mutating func applyAll(_ operations: [Operation]) { for operation in operations { apply(operation) } }

    func applying(_ plan: Plan) -> HostState {
        var result = self
        for step in plan.steps { result.apply(step.operation) }
        return result
    }

    func hasDefaultRoute(_ family: AddressFamily) -> Bool {
        routes.contains { $0.family == family && $0.destination == nil && $0.table == 254 }
    }

    var heldAddresses: Set<IPAddress> { Set(addresses.values.joined().map(\.prefix.address)) }
}

/// Makes hosts as an administrator might: each is what the kernel's model made of random operations.
struct RandomHosts {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    private let pool = [
        "192.0.2.10/24", "192.0.2.11/24", "192.0.2.12/24", "192.0.2.10/32", "198.51.100.7/25",
        "198.51.100.8/25", "203.0.113.1/32", "10.0.0.1/8", "10.1.0.1/16",
        "2001:db8::10/64", "2001:db8::11/64", "2001:db8:1::1/128", "fe80::216:3eff:fe5e:6c00/64",
        "fd00::1/48",
    ]

    mutating func randomAddress(on link: LinkKey) -> Address<LinkKey> {
        var new = Address(prefix(pool.randomElement(using: &random)!), on: link)
        if new.prefix.family == .ipv4 {
            let name = link == eth0 ? "eth0" : "xenbr0"
            new.label = random.chance(20) ? "\(name):\(Int.random(in: 1...3, using: &random))" : name
            if random.chance(10) { new.scope = .link }
            if random.chance(10) { new.broadcast = ip("192.0.2.255") }
        } else {
            if random.chance(10) { new.flags.insert(.noDuplicateDetection) }
        }
        if random.chance(10) { new.flags.insert(.noPrefixRoute) }
        if random.chance(10) { new.routeMetric = 77 }
        if random.chance(10) {
            new.validLifetime = 3600
            new.preferredLifetime = 1800
        }
        return new
    }

    mutating func randomRoute(through link: LinkKey, in state: HostState) -> Route<LinkKey> {
        let isIPv4 = random.chance(60)
        let gateways = isIPv4 ? ["192.0.2.1", "198.51.100.1", "10.0.0.254"] : ["2001:db8::1", "fe80::1"]
        let targets =
            isIPv4
            ? ["172.16.0.0/12", "172.17.0.0/16", "100.64.0.0/10"] : ["2001:db8:a::/48", "64:ff9b::/96"]
        var new = route(
            random.chance(30) ? nil : targets.randomElement(using: &random)!,
            via: random.chance(70) ? gateways.randomElement(using: &random)! : nil, dev: link,
            metric: [0, 0, 100, 200].randomElement(using: &random)!,
            table: random.chance(20) ? 100 : 254, family: isIPv4 ? .ipv4 : .ipv6)
        if random.chance(15) {
            new.nexthops.append(RouteNexthop(device: .other(7), gateway: ip(isIPv4 ? "10.9.9.9" : "fe80::9")))
        }
        if random.chance(20), let source = state.addresses(of: link, new.family).randomElement(using: &random)
        {
            new.preferredSource = source.prefix.address
        }
        if random.chance(20) { new.metrics[2] = [0x78, 5, 0, 0] }
        return new
    }

    /// A host without Drawbridge.
    mutating func baseline() -> HostState {
        var state = bareHost()
        for setting in [SettingKey.reversePathFilter, .promotesSecondaries, .arpFilter] {
            state.settings[eth0]?[setting] = random.chance(50) ? "1" : "0"
        }
        if random.chance(20) { state.globals[.promotesSecondaries] = "1" }
        if random.chance(20) { state.globals[.reversePathFilter] = "1" }
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            state.apply(.addAddress(randomAddress(on: eth0)))
        }
        if random.chance(30) {
            var single = Nexthop<LinkKey>(id: 10)
            single.family = .ipv4
            single.device = eth0
            single.gateway = ip("192.0.2.1")
            state.apply(.replaceNexthop(single))
            var group = Nexthop<LinkKey>(id: 20)
            group.group = [.init(id: 10, hops: 0)]
            state.apply(.replaceNexthop(group))
            var new = route("100.66.0.0/16", dev: nil)
            new.nexthopID = 20
            state.apply(.addRoute(new))
        }
        for _ in 0..<Int.random(in: 0...5, using: &random) {
            let new = randomRoute(through: eth0, in: state)
            state.apply(random.chance(70) ? .addRoute(new) : .appendRoute(new))
        }
        if random.chance(15) {
            state.apply(.addRoute(route(nil, via: "10.9.9.9", dev: .other(7), metric: 0)))
        }
        if random.chance(40) {
            state.apply(
                .replaceNeighbor(
                    Neighbor(
                        ip("192.0.2.1"), on: eth0, address: MACAddress("02:00:00:00:00:01"),
                        state: random.chance(50) ? .permanent : .reachable)))
        }
        return state
    }

    /// What somebody did meanwhile, on whichever link.
    mutating func disturb(_ state: inout HostState) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let link = state.links[bridge0] != nil && random.chance(60) ? bridge0 : eth0
            switch Int.random(in: 0..<7, using: &random) {
            case 0, 1: state.apply(.addAddress(randomAddress(on: link)))
            case 2:
                if let gone = state.addresses[link]?.randomElement(using: &random) {
                    state.apply(.deleteAddress(gone))
                }
            case 3: state.apply(.appendRoute(randomRoute(through: link, in: state)))
            case 4:
                if let gone = state.routes.filter({ $0.devices.allSatisfy(\.hasRole) })
                    .randomElement(using: &random)
                {
                    state.apply(.deleteRoute(gone))
                }
            case 5: state.apply(.setSetting(link, .promotesSecondaries, random.chance(50) ? "1" : "0"))
            default:
                if random.chance(30) {
                    var change = LinkChange()
                    change.isUp = false
                    state.apply(.setLink(link, change))
                }
            }
        }
        // A route stays in the kernel with a leg through a link that is down, and in a table other than the main
        // one with a source that is gone; but nobody can make one so, and planning says it.
        let (links, held) = (state.links, state.heldAddresses)
        for route in state.routes
        where route.devices.contains(where: { links[$0]?.isUp == false })
            || route.preferredSource.map({ !held.contains($0) }) == true
        {
            state.apply(.deleteRoute(route))
        }
    }
}

/// Where two states differ, in a few words.
func contrast(_ left: HostState, _ right: HostState) -> String {
    var words: [String] = []
    for key in Set(left.links.keys).union(right.links.keys) where left.links[key] != right.links[key] {
        words.append(
            "link \(key): \(String(describing: left.links[key])) | \(String(describing: right.links[key]))")
    }
    for key in Set(left.addresses.keys).union(right.addresses.keys)
    where left.addresses[key] != right.addresses[key] {
        let text = { (state: HostState) in
            (state.addresses[key] ?? []).map {
                "\($0.prefix) \($0.label ?? "") f\($0.flags.rawValue) s\($0.scope.rawValue) m\($0.routeMetric)"
            }.joined(separator: ", ")
        }
        words.append("addresses of \(key): \(text(left)) | \(text(right))")
    }
    if left.routes != right.routes {
        let text = { (state: HostState, other: HostState) in
            state.routes.filter { !other.routes.contains($0) }.map {
                Operation.addRoute($0).text { "\($0)" } + " proto \($0.origin.rawValue) \($0.metrics)"
            }.joined(separator: ", ")
        }
        words.append(
            "routes: \(text(left, right)) | \(text(right, left)) (of \(left.routes.count), \(right.routes.count))"
        )
    }
    if left.nexthops != right.nexthops { words.append("nexthops: \(left.nexthops) | \(right.nexthops)") }
    if left.neighbors != right.neighbors {
        words.append("neighbours: \(left.neighbors) | \(right.neighbors)")
    }
    if left.settings != right.settings { words.append("settings: \(left.settings) | \(right.settings)") }
    return words.joined(separator: "\n  ")
}
