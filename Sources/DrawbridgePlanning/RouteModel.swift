import NetworkTypes

// How the kernel keeps routes (`fib_table_insert`, `fib6_add_rt2node`) and nexthop objects.

extension HostState {
    enum RoutePlace {
        /// `NLM_F_CREATE | NLM_F_EXCL`.
        case exclusively
        /// `NLM_F_CREATE | NLM_F_APPEND`.
        case atTheEnd
        /// `NLM_F_CREATE | NLM_F_REPLACE`.
        case inPlaceOfTheFirst
    }

    mutating func insert(_ route: Route<LinkKey>, _ place: RoutePlace) -> Bool {
        let route = route.normalized
        guard isAcceptable(route) else { return false }
        let key = RouteKey(route)
        let equals = routes.indices.filter { RouteKey(routes[$0]) == key }
        switch place {
        case .exclusively:
            guard equals.isEmpty else { return false }
        case .atTheEnd:
            if let twin = equals.first(where: { routes[$0].isSameLeg(as: route) }) {
                // An IPv6 route that would expire takes the expiry of the one that is told again.
                guard route.family == .ipv6, routes[twin].expires != nil,
                    routes[twin].expires != route.expires
                else { return false }
                routes[twin].expires = route.expires
                return true
            }
            // IPv6 makes routes with gateways of one key the legs of one route.
            if route.family == .ipv6, route.hasGateway,
                let place = equals.first(where: { routes[$0].hasGateway })
            {
                let missing = route.nexthops.filter { !routes[place].nexthops.contains($0) }
                routes[place].nexthops += missing
                return !missing.isEmpty
            }
        case .inPlaceOfTheFirst:
            // IPv6 replaces the first that is a candidate for multipath as the new one is; else the first.
            let alike =
                route.family == .ipv4 ? equals : equals.filter { routes[$0].hasGateway == route.hasGateway }
            guard let first = alike.first ?? equals.first else { break }
            guard routes[first] != route else { return false }
            if route.family == .ipv4,
                equals.contains(where: { routes[$0].isSameLeg(as: route) && $0 != first })
            {
                return false
            }
            routes[first] = route
            return true
        }
        routes.insert(route, at: equals.last.map { $0 + 1 } ?? routes.count)
        return true
    }

    /// Whether the kernel would take it: its link up, its preferred source here, its nexthop object known.
    private func isAcceptable(_ route: Route<LinkKey>) -> Bool {
        if route.nexthopID != 0 { return nexthops[route.nexthopID] != nil }
        for device in route.devices where device.hasRole {
            guard let link = links[device], link.isUp else { return false }
            if route.family == .ipv6, settings[device]?[.disableIPv6] ?? "0" != "0" { return false }
        }
        guard let source = route.preferredSource else { return true }
        switch route.family {
        case .ipv4:
            // The address may be on a link that is not in this state.
            let isElsewhere = !route.devices.contains { $0.hasRole }
            return isElsewhere || addresses.values.joined().contains { $0.prefix.address == source }
                || links.keys.contains { !$0.hasRole }
        case .ipv6:
            // A link-local one must be on the link itself.
            let isLinkLocal = if case .ipv6(let address) = source { address.isLinkLocal } else { false }
            return route.devices.allSatisfy { device in
                !device.hasRole
                    || (isLinkLocal ? addresses[device] ?? [] : addresses.values.flatMap(\.self))
                        .contains { $0.prefix.address == source }
            }
        }
    }

    mutating func delete(_ route: Route<LinkKey>) -> Bool {
        let route = route.normalized
        let key = RouteKey(route)
        guard
            let place = routes.firstIndex(where: { RouteKey($0) == key && $0.isDeleted(by: route) })
        else { return false }
        routes.remove(at: place)
        return true
    }

    /// What a link that is gone leaves of routes: none that had a leg there.
    mutating func removeRoutes(through device: LinkKey) {
        routes.removeAll { $0.nexthopID == 0 && $0.devices.contains(device) }
    }

    /// What a link that is down leaves of routes: those with another leg that is alive.
    mutating func silenceRoutes(through device: LinkKey, families: [AddressFamily]) {
        routes.removeAll { route in
            families.contains(route.family) && route.nexthopID == 0 && route.devices.contains(device)
                && route.devices.allSatisfy { $0 == device || links[$0]?.isUp == false }
        }
    }

    mutating func replace(_ nexthop: Nexthop<LinkKey>) -> Bool {
        if let device = nexthop.device, device.hasRole, links[device]?.isUp != true { return false }
        guard nexthop.group.allSatisfy({ nexthops[$0.id] != nil }) else { return false }
        guard nexthops[nexthop.id] != nexthop else { return false }
        nexthops[nexthop.id] = nexthop
        return true
    }

    /// Routes and groups that use it go with it.
    mutating func deleteNexthop(_ id: UInt32) -> Bool {
        guard nexthops.removeValue(forKey: id) != nil else { return false }
        routes.removeAll { $0.nexthopID == id }
        for (group, nexthop) in nexthops where nexthop.group.contains(where: { $0.id == id }) {
            nexthops[group]?.group.removeAll { $0.id == id }
            if nexthops[group]?.group.isEmpty == true { _ = deleteNexthop(group) }
        }
        return true
    }

    mutating func removeNexthops(through device: LinkKey) {
        for id in nexthops.keys.sorted() where nexthops[id]?.device == device { _ = deleteNexthop(id) }
    }
}

extension Route<LinkKey> {
    /// Whether it is a candidate for multipath in IPv6 (`rt6_qualify_for_ecmp`).
    var hasGateway: Bool { nexthops.contains { $0.gateway != nil } || nexthopID != 0 }

    /// Whether the kernel takes the two for one route of the same key: IPv4 compares everything, IPv6 the legs.
    func isSameLeg(as other: Self) -> Bool {
        guard family == .ipv6 else { return isEqual(to: other) }
        return type == other.type && nexthopID == other.nexthopID && nexthops == other.nexthops
    }

    /// Whether a request to delete `other` would hit this one: IPv6 looks at the gateway only if one is told.
    func isDeleted(by other: Self) -> Bool {
        guard family == .ipv6, !other.hasGateway, other.type == .unicast else { return isSameLeg(as: other) }
        return nexthopID == 0 && devices.first == other.devices.first && origin == other.origin
    }

    /// Equal but for the time that passes.
    func isEqual(to other: Self) -> Bool {
        guard Lifetime.areClose(expires, other.expires) else { return false }
        var left = normalized
        var right = other.normalized
        left.expires = nil
        right.expires = nil
        return left == right
    }

    /// The route without what follows from the rest.
    var normalized: Self {
        var result = self
        if nexthopID != 0 { result.nexthops = [] }
        if family == .ipv6 {
            result.preference = preference ?? 0
            if metric == 0 { result.metric = 1024 }
        } else {
            result.preference = nil
        }
        return result
    }
}

/// Lifetimes count down while a plan is made and applied.
enum Lifetime {
    /// How far apart two readings may be, in seconds, and still mean the same end.
    static let tolerance: Seconds = 2

    static func areClose(_ left: Seconds?, _ right: Seconds?) -> Bool {
        switch (left, right) {
        case (nil, nil): true
        case (let left?, let right?): (left > right ? left - right : right - left) <= tolerance
        default: false
        }
    }
}
