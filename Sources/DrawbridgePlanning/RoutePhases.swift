import NetworkTypes

// How routes, nexthop objects and neighbours are moved: by replacement, each before the address it needs goes.

extension Planner {
    /// Neighbours first: a port cannot resolve an address, since the answers go to its bridge, so what its routes
    /// lead to must be known before they do.
    mutating func planRoutes() {
        placeNeighbors()
        placeNexthops()
        placeRoutes()
    }

    /// Removes the routes that have no successor. Connected routes that go with an address are not counted twice:
    /// whatever an address took along is gone from the prediction already.
    mutating func withdrawRoutes() {
        for key in routeKeys(of: predicted.routes) {
            guard wanted(key).isEmpty else { continue }
            for route in present(key) where isPlanned(route) { emit(.deleteRoute(route)) }
        }
    }

    /// Removes what only a link that stays has and nothing refers to any more.
    mutating func withdrawNexthops() {
        let unwanted = predicted.nexthops.values.filter {
            desired.nexthops[$0.id] == nil && predicted.owner(of: $0) == .host
        }
        for nexthop in unwanted.sorted(by: {
            ($0.group.isEmpty ? 1 : 0, $0.id) < ($1.group.isEmpty ? 1 : 0, $1.id)
        }) {
            emit(.deleteNexthop(nexthop.id))
        }
    }

    /// Single ones before the groups that name them.
    mutating func placeNexthops() {
        let wanted = desired.nexthops.values.filter { desired.owner(of: $0) == .host }
        for nexthop in wanted.sorted(by: {
            ($0.group.isEmpty ? 0 : 1, $0.id) < ($1.group.isEmpty ? 0 : 1, $1.id)
        }) {
            emit(.replaceNexthop(nexthop))
        }
    }

    /// A gateway must be reachable when a route names it, so routes without one come first.
    mutating func placeRoutes() {
        let keys = wantedRouteKeys
        let gatewayed = Set(keys.filter { key in wanted(key).contains(where: \.hasGateway) })
        for key in keys.filter({ !gatewayed.contains($0) }) + keys.filter(gatewayed.contains) {
            switch key.family {
            case .ipv4: placeIPv4(key)
            case .ipv6: placeIPv6(key)
            }
        }
    }

    func routeKeys(of routes: [Route<LinkKey>]) -> [RouteKey] {
        var seen: Set<RouteKey> = []
        return routes.map { RouteKey($0) }.filter { seen.insert($0).inserted }
    }

    private func present(_ key: RouteKey) -> [Route<LinkKey>] {
        predicted.routes.filter { RouteKey($0) == key }
    }

    /// Routes through other links keep their place and are nobody's to change.
    private func wanted(_ key: RouteKey) -> [Route<LinkKey>] { wantedRoutes[key] ?? [] }

    private func isPlanned(_ route: Route<LinkKey>) -> Bool {
        guard predicted.concernsRole(route) else { return false }
        // What leads through a link that is deleted in the end goes with it.
        return route.nexthopID != 0
            || route.nexthops.contains { $0.device.map { $0.hasRole && desired.links[$0] != nil } ?? false }
            || !wanted(RouteKey(route)).isEmpty
    }

    private mutating func placeIPv4(_ key: RouteKey) {
        let wanted = wanted(key)
        guard let head = wanted.first else { return }
        func ours() -> [Route<LinkKey>] { present(key).filter { isPlanned($0) } }
        func isInOrder() -> Bool {
            let ours = ours()
            return ours.count == wanted.count && zip(ours, wanted).allSatisfy { $0.isEqual(to: $1) }
        }
        guard !isInOrder() else { return }
        // The head decides where packets go: it is replaced, never missing.
        if let first = present(key).first, isPlanned(first), !first.isEqual(to: head) {
            let all = present(key)
            if let place = all.firstIndex(where: { $0.isEqual(to: head) }) {
                // With a route of others between the two, only a replacement keeps the place.
                let before = all[..<place]
                let mayClose = before.allSatisfy { isPlanned($0) }
                for route in before where mayClose && !wanted.contains(where: { $0.isEqual(to: route) }) {
                    emit(.deleteRoute(route))
                }
                if let first = present(key).first, isPlanned(first), !first.isEqual(to: head) {
                    emit(.deleteRoute(head))
                    emit(.replaceRoute(head))
                }
            } else {
                emit(.replaceRoute(head))
            }
        }
        guard !isInOrder() else { return }
        let common = zip(ours(), wanted).prefix { $0.isEqual(to: $1) }.count
        for route in wanted[common...] {
            if ours().contains(where: { $0.isEqual(to: route) }) { emit(.deleteRoute(route)) }
            emit(present(key).isEmpty ? .addRoute(route) : .appendRoute(route))
        }
        for route in ours() where !wanted.contains(where: { $0.isEqual(to: route) }) {
            emit(.deleteRoute(route))
        }
    }

    private mutating func placeIPv6(_ key: RouteKey) {
        for hasGateway in [false, true] {
            let wanted = wanted(key).filter { $0.hasGateway == hasGateway }
            var old = present(key).filter { route in
                route.hasGateway == hasGateway && isPlanned(route)
                    && !wanted.contains { $0.isEqual(to: route) }
            }
            for route in wanted where !present(key).contains(where: { $0.isEqual(to: route) }) {
                // A replacement meets the first of its sort. Which that is, is known unless the kernel keeps
                // routes of the same metric that are in no state: those of advertised prefixes have 256.
                let first = present(key).first { $0.hasGateway == hasGateway }
                let isSafe = hasGateway || (route.metric != 256 && route.origin != .kernel)
                if isSafe, let first, let place = old.firstIndex(of: first) {
                    old.remove(at: place)
                    emit(.replaceRoute(route))
                    continue
                }
                if let place = old.firstIndex(where: { $0.isSameLeg(as: route) }) {
                    emit(.deleteRoute(old.remove(at: place)))
                }
                emit(present(key).isEmpty ? .addRoute(route) : .appendRoute(route))
            }
            // While another route of the key leads on, the old ones may go; else they go at the withdrawal.
            guard !self.wanted(key).isEmpty else { continue }
            for route in old { emit(.deleteRoute(route)) }
        }
    }

    /// Permanent and proxied neighbours are exact; dynamic ones are hints that go along when addresses move.
    mutating func placeNeighbors() {
        for neighbor in desired.neighbors where plannedLinks.contains(neighbor.device) {
            let old = predicted.neighbors.first { NeighborKey($0) == NeighborKey(neighbor) }
            if neighbor.isLasting || old?.isLasting == true {
                emit(.replaceNeighbor(neighbor))
            } else if old == nil, isMove {
                emit(.replaceNeighbor(neighbor))
            }
        }
    }

    mutating func withdrawNeighbors() {
        let wanted = Set(desired.neighbors.map(NeighborKey.init))
        for neighbor in predicted.neighbors
        where neighbor.isLasting && neighbor.device.hasRole && desired.links[neighbor.device] != nil
            && !wanted.contains(NeighborKey(neighbor))
        {
            emit(.deleteNeighbor(neighbor))
        }
    }
}

extension Neighbor<LinkKey> {
    /// Whether it stays until somebody deletes it.
    var isLasting: Bool { isProxy || state.contains(.permanent) }

    /// The entry in a state that can be told to the kernel: what is being asked about is old knowledge.
    var normalized: Self {
        var result = self
        if !isLasting { result.state = state.contains(.reachable) ? .reachable : .stale }
        return result
    }
}
