public import NetworkTypes

// How the kernel keeps addresses and the connected routes that come with them.

extension HostState {
    /// `__inet_insert_ifa`, `inet6_addr_add`.
    mutating func add(_ address: Address<LinkKey>) -> Bool {
        guard let link = links[address.device] else { return false }
        return address.prefix.family == .ipv4 ? addIPv4(address, to: link) : addIPv6(address, to: link)
    }

    private mutating func addIPv4(_ address: Address<LinkKey>, to link: Link<LinkKey>) -> Bool {
        var list = addresses(of: address.device, .ipv4)
        var address = address.normalized
        address.flags.remove(.secondary)
        if address.label == nil { address.label = link.name }
        // Primaries stand by falling scope before all secondaries, each after its equals.
        var place = 0
        for (index, other) in list.enumerated() {
            if !other.flags.contains(.secondary), address.scope.rawValue <= other.scope.rawValue {
                place = index + 1
            }
            guard other.isInSubnet(of: address) else { continue }
            if other.prefix.address == address.prefix.address || other.scope != address.scope { return false }
            address.flags.insert(.secondary)
        }
        list.insert(address, at: address.flags.contains(.secondary) ? list.count : place)
        setAddresses(list, of: address.device, .ipv4)
        addConnectedRoutes(of: address)
        return true
    }

    private mutating func addIPv6(_ address: Address<LinkKey>, to link: Link<LinkKey>) -> Bool {
        guard settings[address.device]?[.disableIPv6] ?? "0" == "0" else { return false }
        var list = addresses(of: address.device, .ipv6)
        guard !list.contains(where: { $0.prefix.address == address.prefix.address }) else { return false }
        let address = address.normalized
        // The newest stands before its equals in scope (`ipv6_link_dev_addr`).
        let place = list.firstIndex { $0.sourceScope <= address.sourceScope } ?? list.count
        list.insert(address, at: place)
        setAddresses(list, of: address.device, .ipv6)
        addConnectedRoutes(of: address)
        return true
    }

    /// What `NLM_F_REPLACE` changes in place; whatever else differs, the kernel leaves as it was.
    mutating func replace(_ address: Address<LinkKey>) -> Bool {
        var list = addresses(of: address.device, address.prefix.family)
        guard let place = list.firstIndex(where: { $0.hasSameKey(as: address) }) else { return add(address) }
        let old = list[place]
        let new = old.replaced(by: address.normalized)
        list[place] = new
        setAddresses(list, of: address.device, address.prefix.family)
        let before = routes
        if links[address.device]?.isUp == true {
            switch new.prefix.family {
            case .ipv4 where old.routeMetric != new.routeMetric: changeMetric(from: old, to: new)
            case .ipv4: break
            case .ipv6: changePrefixRoute(from: old, to: new)
            }
        }
        return new != old || routes != before
    }

    /// `inet6_addr_modify`. Only a permanent address is known to have had a prefix route, and the first on-link route
    /// to the prefix is taken for it.
    private mutating func changePrefixRoute(from old: Address<LinkKey>, to new: Address<LinkKey>) {
        let hadOne = old.validLifetime == nil && !old.flags.contains(.noPrefixRoute)
        if new.flags.contains(.noPrefixRoute) {
            let others = addresses(of: new.device, .ipv6).filter { $0.prefix.address != new.prefix.address }
            if hadOne { removePrefixRoutes(of: old, others: others) }
            return
        }
        guard hadOne, let wanted = new.connectedRoutes.first else { return addConnectedRoutes(of: new) }
        let first = routes.indices.filter {
            routes[$0].destination == wanted.destination && routes[$0].table == wanted.table
                && routes[$0].devices == [new.device] && !routes[$0].hasGateway
        }.min { routes[$0].metric < routes[$1].metric }
        guard let first else { return addConnectedRoutes(of: new) }
        if routes[first].metric == wanted.metric {
            routes[first].expires = wanted.expires
        } else {
            routes.remove(at: first)
            addConnectedRoutes(of: new)
        }
    }

    /// `fib_modify_prefix_metric`: the new route is added, then the old one deleted, where metric 0 means any.
    private mutating func changeMetric(from old: Address<LinkKey>, to new: Address<LinkKey>) {
        addConnectedRoutes(of: new)
        for route in old.connectedRoutes where !delete(route) && old.routeMetric == 0 {
            for same in new.connectedRoutes { _ = delete(same) }
        }
    }

    /// `__inet_del_ifa`, `ipv6_del_addr`.
    mutating func delete(_ address: Address<LinkKey>) -> Bool {
        var list = addresses(of: address.device, address.prefix.family)
        guard let place = list.firstIndex(where: { $0.hasSameKey(as: address) }) else { return false }
        let gone = list[place]
        guard gone.prefix.family == .ipv4 else {
            list.remove(at: place)
            setAddresses(list, of: gone.device, .ipv6)
            removeIPv6Routes(of: gone, others: list)
            return true
        }
        var removed = [gone]
        var promoted: Address<LinkKey>?
        if !gone.flags.contains(.secondary) {
            let followers = list.indices.filter {
                $0 > place && list[$0].flags.contains(.secondary) && list[$0].isInSubnet(of: gone)
            }
            if isEnabled(.promotesSecondaries, of: gone.device), let first = followers.first {
                var heir = list.remove(at: first)
                heir.flags.remove(.secondary)
                // It takes its place after the last primary whose scope is not less.
                var target = place + 1
                for index in list.indices where index > place && index < first {
                    if !list[index].flags.contains(.secondary),
                        gone.scope.rawValue <= list[index].scope.rawValue
                    {
                        target = index + 1
                    }
                }
                list.insert(heir, at: target)
                promoted = heir
            } else {
                for index in followers.reversed() { removed.append(list.remove(at: index)) }
            }
        }
        list.remove(at: place)
        setAddresses(list, of: gone.device, .ipv4)
        for route in gone.connectedRoutes { _ = delete(route) }
        if let promoted { addConnectedRoutes(of: promoted) }
        for address in removed { removeIPv4Routes(preferring: address.prefix.address) }
        if list.isEmpty {
            silenceRoutes(through: gone.device, families: [.ipv4])
            neighbors.removeAll { $0.device == gone.device && $0.destination.family == .ipv4 }
        }
        return true
    }

    /// Routes of the main table that prefer an address as their source go when no link has it any more
    /// (`fib_sync_down_addr`).
    mutating func removeIPv4Routes(preferring address: IPAddress) {
        guard !addresses.values.joined().contains(where: { $0.prefix.address == address }) else { return }
        routes.removeAll {
            $0.family == .ipv4 && $0.preferredSource == address && $0.nexthopID == 0 && $0.table == 254
        }
    }

    /// A preferred source is forgotten once no link has it (`rt6_remove_prefsrc`).
    private mutating func removeIPv6Routes(of gone: Address<LinkKey>, others: [Address<LinkKey>]) {
        if gone.validLifetime == nil, !gone.flags.contains(.noPrefixRoute) {
            removePrefixRoutes(of: gone, others: others)
        }
        let isElsewhere = addresses.values.joined().contains { $0.prefix.address == gone.prefix.address }
        guard !isElsewhere || gone.sourceScope == 2 else { return }
        for index in routes.indices
        where routes[index].family == .ipv6 && routes[index].preferredSource == gone.prefix.address
            && routes[index].devices.contains(gone.device)
        {
            routes[index].preferredSource = nil
        }
    }

    /// The prefix route goes with the last address that needs it; one that only addresses with a lifetime need gets
    /// an expiry (`check_cleanup_prefix_route`).
    private mutating func removePrefixRoutes(of gone: Address<LinkKey>, others: [Address<LinkKey>]) {
        let sharing = others.filter {
            $0.prefix.network == gone.prefix.network && $0.prefix.length == gone.prefix.length
        }
        for route in gone.connectedRoutes {
            if route.destination != gone.prefix.network || sharing.isEmpty {
                _ = delete(route)
            } else if sharing.allSatisfy({ $0.validLifetime != nil && !$0.flags.contains(.noPrefixRoute) }),
                let place = routes.firstIndex(where: {
                    RouteKey($0) == RouteKey(route) && $0.isSameLeg(as: route)
                })
            {
                routes[place].expires = sharing.compactMap(\.validLifetime).max()
            }
        }
    }

    /// The kernel makes them when the link is up.
    mutating func addConnectedRoutes(of address: Address<LinkKey>) {
        guard links[address.device]?.isUp == true else { return }
        for route in address.connectedRoutes { _ = insert(route, .atTheEnd) }
    }
}

extension Address<LinkKey> {
    /// The routes that the kernel makes with the address (`fib_add_ifaddr`, `addrconf_prefix_route`).
    public var connectedRoutes: [Route<LinkKey>] {
        guard !flags.contains(.noPrefixRoute) else { return [] }
        func route(to destination: Prefix, metric: UInt32) -> Route<LinkKey> {
            var route = Route<LinkKey>(prefix.family, to: destination)
            route.origin = .kernel
            route.metric = metric
            route.nexthops = [RouteNexthop(device: device)]
            return route
        }
        switch prefix.family {
        case .ipv4:
            guard !flags.contains(.secondary) else { return [] }
            let destination = (peer.flatMap { Prefix($0, length: prefix.length) } ?? prefix).network
            guard destination.address.octets.first != 0,
                destination.address != prefix.address || prefix.length < 32
            else { return [] }
            var connected = route(to: destination, metric: routeMetric)
            connected.scope = .link
            connected.preferredSource = prefix.address
            return [connected]
        case .ipv6:
            let metric = routeMetric == 0 ? 256 : routeMetric
            var connected = route(to: prefix.network, metric: metric)
            connected.preference = 0
            connected.expires = validLifetime
            guard let peer else { return [connected] }
            var toPeer = route(to: Prefix(host: peer), metric: metric)
            toPeer.preference = 0
            return [connected, toPeer]
        }
    }

    /// Whether the two are in one IPv4 subnet as the kernel sees it: the same length and network.
    func isInSubnet(of other: Self) -> Bool {
        guard prefix.family == .ipv4, other.prefix.family == .ipv4, prefix.length == other.prefix.length
        else {
            return false
        }
        let mine = Prefix(peer ?? prefix.address, length: prefix.length)
        let theirs = Prefix(other.peer ?? other.prefix.address, length: other.prefix.length)
        return mine?.network == theirs?.network
    }

    /// Whether the kernel takes the two for one address.
    func hasSameKey(as other: Self) -> Bool {
        guard device == other.device, prefix.address == other.prefix.address else { return false }
        // An IPv6 address is on a link once, whatever its length.
        return prefix.family == .ipv6 || (prefix.length == other.prefix.length && peer == other.peer)
    }

    /// `ipv6_addr_src_scope`: global before site before link.
    var sourceScope: Int {
        guard case .ipv6(let address) = prefix.address else { return 0 }
        if address.isLinkLocal { return 2 }
        if address.value >> 118 == 0x3fb { return 5 }
        return address.value == 1 ? 1 : 14
    }

    /// What the kernel makes of the address when it is told to replace it.
    func replaced(by new: Self) -> Self {
        var result = self
        result.validLifetime = new.validLifetime
        result.preferredLifetime = new.preferredLifetime
        result.routeMetric = new.routeMetric
        result.origin = new.origin
        if prefix.family == .ipv6 {
            let changeable: AddressFlags = [
                .noDuplicateDetection, .home, .managesTemporary, .noPrefixRoute,
            ]
            result.flags.subtract(changeable)
            result.flags.formUnion(new.flags.intersection(changeable))
            result.peer = new.peer
        }
        return result
    }

    /// The address without what follows from the rest or from time.
    var normalized: Self {
        var result = self
        result.flags.subtract([.permanent, .deprecated, .tentative, .optimistic, .duplicateDetected])
        if prefix.family == .ipv6 {
            result.scope = .universe
            result.label = nil
            result.broadcast = nil
            if result.routeMetric == 256 { result.routeMetric = 0 }
        }
        if result.peer == prefix.address { result.peer = nil }
        return result
    }
}
