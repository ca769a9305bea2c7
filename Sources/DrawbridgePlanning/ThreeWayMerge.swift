import NetworkTypes

/// Merges what hangs on links, by key: what others changed against the base wins.
struct ThreeWayMerge {
    /// What is wanted where nobody changed anything.
    var ours: HostState
    /// What was last settled.
    var base: HostState
    /// What is there now.
    var theirs: HostState
    /// Whether what is missing now is taken for unchanged rather than deleted.
    var keepsWhatIsMissing: Bool

    /// By key: theirs if they differ from the base, else ours.
    private func merged<Key: Hashable, Value>(
        _ ours: [Key: Value], _ base: [Key: Value], _ theirs: [Key: Value],
        by areEqual: (Value, Value) -> Bool
    ) -> [Key: Value] {
        func isUnchanged(_ key: Key) -> Bool {
            switch (base[key], theirs[key]) {
            case (nil, nil): true
            case (let base?, let theirs?): areEqual(base, theirs)
            case (_?, nil): keepsWhatIsMissing
            case (nil, _?): false
            }
        }
        var result: [Key: Value] = [:]
        for key in Set(ours.keys).union(base.keys).union(theirs.keys) {
            result[key] = isUnchanged(key) ? ours[key] : theirs[key]
        }
        return result
    }

    func addresses(of links: [LinkKey]) -> [LinkKey: [Address<LinkKey>]] {
        func byKey(_ state: HostState) -> [AddressKey: Address<LinkKey>] {
            Dictionary(state.addresses.values.joined().map { (AddressKey($0), $0) }) { first, _ in first }
        }
        // Whether one is secondary follows from the others, and is no change of its own.
        let merged = merged(byKey(ours), byKey(base), byKey(theirs)) {
            var (left, right) = ($0, $1)
            if left.prefix.family == .ipv4 { right.flags.remove(.secondary) }
            if left.prefix.family == .ipv4 { left.flags.remove(.secondary) }
            // Moving an address may have cost it the flag, or given it one, while a plan was cut short.
            left.flags.remove(.noDuplicateDetection)
            right.flags.remove(.noDuplicateDetection)
            return left.isEqual(to: right)
        }
        var result: [LinkKey: [Address<LinkKey>]] = [:]
        for link in links {
            let order = order(of: link)
            var seen: Set<AddressKey> = []
            let list = order.compactMap { address in
                let key = AddressKey(address)
                return seen.insert(key).inserted ? merged[key] : nil
            }
            if !list.isEmpty { result[link] = canonical(list) }
        }
        return result
    }

    /// The order of ours, and theirs in it. Others who only appended did not change the order.
    ///
    /// An IPv4 address that ours has no more, because its lifetime is over, may have been renewed since: it stays
    /// where it is among the others, since it may be the primary one.
    private func order(of link: LinkKey) -> [Address<LinkKey>] {
        var order = ours.addresses[link] ?? []
        var previous: AddressKey?
        for address in theirs.addresses[link] ?? [] {
            let key = AddressKey(address)
            let isKnown = order.contains { AddressKey($0) == key }
            if address.prefix.family == .ipv4 {
                defer { previous = key }
                guard !isKnown else { continue }
                let place = order.firstIndex { AddressKey($0) == previous }
                order.insert(address, at: place.map { $0 + 1 } ?? 0)
            } else if !isKnown {
                order.append(address)
            }
        }
        return order
    }

    /// The order the kernel gives addresses that are added one after the other.
    private func canonical(_ list: [Address<LinkKey>]) -> [Address<LinkKey>] {
        guard let device = list.first?.device else { return [] }
        var scratch = HostState()
        scratch.links[device] = Link(name: "scratch")
        for address in list where address.prefix.family == .ipv4 { scratch.apply(.addAddress(address)) }
        for address in list.reversed() where address.prefix.family == .ipv6 {
            scratch.apply(.addAddress(address))
        }
        return scratch.addresses[device] ?? []
    }

    /// The merged routes. Connected routes follow the merged addresses, unless somebody took them away.
    func routes(for addresses: [LinkKey: [Address<LinkKey>]]) -> [Route<LinkKey>] {
        func connected(_ addresses: [LinkKey: [Address<LinkKey>]]) -> [Route<LinkKey>] {
            addresses.sorted { $0.key < $1.key }.flatMap { $0.value.flatMap(\.connectedRoutes) }
        }
        func contains(_ routes: [Route<LinkKey>], _ route: Route<LinkKey>) -> Bool {
            routes.contains { RouteKey($0) == RouteKey(route) && $0.isEqual(to: route) }
        }
        let wanted = connected(addresses)
        let known = [ours, base, theirs].flatMap { connected($0.addresses) }
        var result = mergedRoutes().filter { contains(wanted, $0) || !contains(known, $0) }
        let theirConnected = connected(theirs.addresses)
        for route in wanted where !contains(result, route) {
            let wasTakenAway = contains(theirConnected, route) && !contains(theirs.routes, route)
            guard !wasTakenAway || keepsWhatIsMissing else { continue }
            let twin = result.firstIndex { RouteKey($0) == RouteKey(route) && $0.isSameLeg(as: route) }
            if let twin { result[twin] = route } else { result.append(route) }
        }
        return result
    }

    private func mergedRoutes() -> [Route<LinkKey>] {
        /// Routes that share a key belong together: their order is what tells them apart.
        func grouped(_ state: HostState) -> [RouteKey: [Route<LinkKey>]] {
            Dictionary(grouping: state.routes.filter(state.concernsRole), by: { RouteKey($0) })
        }
        let merged = merged(grouped(ours), grouped(base), grouped(theirs)) { left, right in
            left.count == right.count && zip(left, right).allSatisfy { $0.isEqual(to: $1) }
        }
        var seen: Set<RouteKey> = []
        let keys = (ours.routes + theirs.routes).map { RouteKey($0) }.filter { seen.insert($0).inserted }
        return keys.flatMap { merged[$0] ?? [] }
    }

    func nexthops() -> [UInt32: Nexthop<LinkKey>] {
        merged(ours.nexthops, base.nexthops, theirs.nexthops, by: ==)
    }

    func neighbors() -> [Neighbor<LinkKey>] {
        func lasting(_ state: HostState) -> [NeighborKey: Neighbor<LinkKey>] {
            Dictionary(state.neighbors.filter(\.isLasting).map { (NeighborKey($0), $0) }) { first, _ in first
            }
        }
        let merged = merged(lasting(ours), lasting(base), lasting(theirs), by: ==)
        // Dynamic ones are worth what they say now.
        let dynamic = theirs.neighbors.filter { !$0.isLasting && merged[NeighborKey($0)] == nil }
        var seen: Set<NeighborKey> = []
        let order = (ours.neighbors + theirs.neighbors).map(NeighborKey.init).filter {
            seen.insert($0).inserted
        }
        return order.compactMap { merged[$0] } + dynamic
    }
}
