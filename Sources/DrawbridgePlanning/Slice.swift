public import DrawbridgeModel
public import NetworkTypes

/// What an event is about: the networks and vifs whose objects a plan may touch.
public struct PlanScope: Hashable, Sendable {
    public var networks: Set<NetworkName>
    public var vifs: Set<VifID>

    public init(networks: Set<NetworkName> = [], vifs: Set<VifID> = []) {
        self.networks = networks
        self.vifs = vifs
    }

    /// Whether the link belongs to it.
    public func contains(_ key: LinkKey) -> Bool {
        switch key {
        case .uplink(let name), .bridge(let name): networks.contains(name)
        case .vif(let id), .ifb(let id): vifs.contains(id)
        case .other: false
        }
    }
}

extension HostState {
    /// The part of a full state that a plan for `scope` works on, so that nothing foreign enters it: the links,
    /// their addresses, neighbours and settings, the routes and nexthop objects that lead through them, and the
    /// routes of others only where they share a route's key, since order and replacement depend on them.
    public func slice(of scope: PlanScope) -> HostState {
        var result = HostState()
        result.globals = globals
        result.rules = rules
        result.carrierTimeout = carrierTimeout
        result.links = links.filter { scope.contains($0.key) }
        result.addresses = addresses.filter { scope.contains($0.key) }
        result.settings = settings.filter { scope.contains($0.key) }
        result.qdiscs = qdiscs.filter { scope.contains($0.key) }
        result.filters = filters.filter { scope.contains($0.key) }
        result.peers = peers.filter { scope.contains($0.key) }
        result.neighbors = neighbors.filter { scope.contains($0.device) }
        let singles = nexthops.filter { $0.value.device.map(scope.contains) == true }
        result.nexthops = nexthops.filter { id, nexthop in
            singles[id] != nil || nexthop.group.contains { singles[$0.id] != nil }
        }
        // A group is only whole with its other members.
        for member in result.nexthops.values.flatMap(\.group) {
            result.nexthops[member.id] = nexthops[member.id]
        }
        let reached = Set(
            result.nexthops.values.filter { nexthop in
                singles[nexthop.id] != nil || nexthop.group.contains { singles[$0.id] != nil }
            }.map(\.id))
        func concerns(_ route: Route<LinkKey>) -> Bool {
            route.nexthopID != 0
                ? reached.contains(route.nexthopID) : route.devices.contains(where: scope.contains)
        }
        let keys = Set(routes.filter(concerns).map { RouteKey($0) })
        result.routes = routes.filter { keys.contains(RouteKey($0)) }
        return result.plannable
    }

    /// The same state after so many seconds: lifetimes are shorter, and what has expired is gone.
    public func aged(by elapsed: Seconds) -> HostState {
        func rest(_ lifetime: Seconds?) -> Seconds? { lifetime.map { $0 > elapsed ? $0 - elapsed : 0 } }
        var result = self
        for (key, list) in addresses {
            let alive = list.compactMap { address in
                var address = address
                address.validLifetime = rest(address.validLifetime)
                address.preferredLifetime = rest(address.preferredLifetime)
                return address.validLifetime == 0 ? nil : address
            }
            result.addresses[key] = alive.isEmpty ? nil : alive
        }
        result.routes = routes.compactMap { route in
            var route = route
            route.expires = rest(route.expires)
            return route.expires == 0 ? nil : route
        }
        return result
    }
}
