public import NetworkTypes

/// What the kernel does with an operation, side effects included (net/ipv4/devinet.c, net/ipv4/fib_frontend.c,
/// net/ipv6/addrconf.c, net/ipv6/ip6_fib.c, net/core/rtnetlink.c of Linux 6).
///
/// The model is kept to what plans may do. What the kernel would refuse changes nothing here, so that a plan that
/// counts on it does not reach its goal and fails before anything is sent.
extension HostState {
    /// Advances the state by one operation; tells whether anything changed.
    @discardableResult
    public mutating func apply(_ operation: Operation) -> Bool {
        switch operation {
        case .createLink(let key, let link, _): create(key, link)
        case .deleteLink(let key): delete(key)
        case .setLink(let key, let change): set(key, change)
        case .addAddress(let address): add(address)
        case .replaceAddress(let address): replace(address)
        case .deleteAddress(let address): delete(address)
        case .addRoute(let route): insert(route, .exclusively)
        case .appendRoute(let route): insert(route, .atTheEnd)
        case .replaceRoute(let route): insert(route, .inPlaceOfTheFirst)
        case .deleteRoute(let route): delete(route)
        case .replaceNexthop(let nexthop): replace(nexthop)
        case .deleteNexthop(let id): deleteNexthop(id)
        case .replaceNeighbor(let neighbor): replace(neighbor)
        case .deleteNeighbor(let neighbor): delete(neighbor)
        case .replaceQdisc(let qdisc): replace(qdisc)
        case .deleteQdisc(let qdisc): delete(qdisc)
        case .removeVLANs(let key, let vlans): changeVLANs(of: key) { $0.removing(vlans) }
        case .addVLANs(let key, let added):
            changeVLANs(of: key) { old in
                var new = old
                for vlan in added.tagged { new = new.adding(vlan, isUntagged: false) }
                if let vlan = added.untagged { new = new.adding(vlan, isUntagged: true) }
                return new
            }
        case .addFilter(let filter): add(filter)
        case .deleteFilter(let filter): delete(filter)
        case .setSetting(let key, let setting, let value): set(key, setting, value)
        case .openBypass, .closeBypass, .awaitCarrier, .reportMulticast, .solicitRouters: false
        }
    }
}

// MARK: - Links

extension HostState {
    private mutating func create(_ key: LinkKey, _ link: Link<LinkKey>) -> Bool {
        guard links[key] == nil, !links.values.contains(where: { $0.name == link.name }) else { return false }
        if let master = link.master, links[master] == nil { return false }
        var link = link
        link.flags.remove(.up)
        if case .bridge = link.kind { link.hasCarrier = false }
        if link.addressGeneration == nil { link.addressGeneration = .eui64 }
        if link.master != nil, link.port == nil { link.port = BridgePortSettings() }
        links[key] = link
        return true
    }

    /// Everything on the link goes, its ports are free.
    private mutating func delete(_ key: LinkKey) -> Bool {
        guard links.removeValue(forKey: key) != nil else { return false }
        for (port, link) in links where link.master == key {
            links[port]?.master = nil
            links[port]?.port = nil
            links[port]?.portKind = nil
        }
        let gone = addresses.removeValue(forKey: key) ?? []
        settings[key] = nil
        forgetShaping(of: key)
        neighbors.removeAll { $0.device == key }
        removeRoutes(through: key)
        for address in gone { removeIPv4Routes(preferring: address.prefix.address) }
        removeNexthops(through: key)
        return true
    }

    private mutating func set(_ key: LinkKey, _ change: LinkChange) -> Bool {
        guard let before = links[key] else { return false }
        var link = before
        if let name = change.name {
            guard !links.contains(where: { $0.key != key && $0.value.name == name }) else { return false }
            link.name = name
        }
        if let alias = change.alias { link.alias = alias.isEmpty ? nil : alias }
        if let mtu = change.mtu { link.mtu = mtu }
        if let address = change.address { link.address = address }
        if let group = change.group { link.group = group }
        if let mode = change.addressGeneration { link.addressGeneration = mode }
        if let settings = change.bridge, case .bridge(let old) = link.kind {
            link.kind = .bridge(old.merging(settings))
        }
        if let master = change.master, master != link.master {
            if let master {
                guard let bridge = links[master], case .bridge = bridge.kind else { return false }
                link.port = BridgePortSettings()
                // `nbp_vlan_init`: the kernel's default, which a bridge of others' may have otherwise.
                if case .bridge(let settings) = bridge.kind, settings.vlanFiltering == true {
                    link.port?.vlans = .initial
                }
                link.portKind = "bridge"
            } else {
                link.port = nil
                link.portKind = nil
            }
            link.master = master
        }
        if let port = change.port, let old = link.port { link.port = old.merging(port) }
        link.flags.subtract(change.flagMask)
        link.flags.formUnion(change.flags.intersection(change.flagMask))
        if let isUp = change.isUp {
            if isUp { link.flags.insert(.up) } else { link.flags.remove(.up) }
        }
        guard link != before else { return false }
        links[key] = link
        if before.isUp, !link.isUp { takeDown(key) }
        if !before.isUp, link.isUp { bringUp(key) }
        return true
    }

    private mutating func changeVLANs(of key: LinkKey, _ change: (PortVLANs) -> PortVLANs) -> Bool {
        guard let port = links[key]?.port else { return false }
        let new = change(port.vlans ?? PortVLANs())
        guard new != port.vlans else { return false }
        links[key]?.port?.vlans = new
        return true
    }

    /// `fib_disable_ip`, `addrconf_ifdown`.
    private mutating func takeDown(_ key: LinkKey) {
        silenceRoutes(through: key, families: [.ipv4, .ipv6])
        removeNexthops(through: key)
        neighbors.removeAll { $0.device == key }
        let keeps = isEnabled(.keepsAddressesOnDown, of: key)
        setAddresses(
            addresses(of: key, .ipv6).filter { address in
                guard keeps, address.validLifetime == nil, case .ipv6(let local) = address.prefix.address
                else { return false }
                return !local.isLinkLocal
            }, of: key, .ipv6)
    }

    /// `fib_add_ifaddr` for each IPv4 address; for IPv6 only the permanent ones (`addrconf_permanent_addr`).
    private mutating func bringUp(_ key: LinkKey) {
        for address in addresses[key] ?? []
        where address.prefix.family == .ipv4 || address.validLifetime == nil {
            addConnectedRoutes(of: address)
        }
    }

    private mutating func set(_ key: LinkKey, _ setting: SettingKey, _ value: String) -> Bool {
        guard links[key] != nil, settings[key]?[setting] != value else { return false }
        settings[key, default: [:]][setting] = value
        if setting == .disableIPv6, value != "0" {
            setAddresses([], of: key, .ipv6)
            silenceRoutes(through: key, families: [.ipv6])
            neighbors.removeAll { $0.device == key && $0.destination.family == .ipv6 }
        }
        // Writing the secret turns the mode to stable privacy (`addrconf_sysctl_stable_secret`).
        if setting == .stableSecret { links[key]?.addressGeneration = .stablePrivacy }
        return true
    }
}

extension Link {
    /// Whether it is up administratively.
    public var isUp: Bool { flags.contains(.up) }
}

// MARK: - Neighbours

extension HostState {
    private mutating func replace(_ neighbor: Neighbor<LinkKey>) -> Bool {
        guard links[neighbor.device] != nil else { return false }
        let key = NeighborKey(neighbor)
        guard let place = neighbors.firstIndex(where: { NeighborKey($0) == key }) else {
            neighbors.append(neighbor)
            return true
        }
        guard neighbors[place] != neighbor else { return false }
        neighbors[place] = neighbor
        return true
    }

    private mutating func delete(_ neighbor: Neighbor<LinkKey>) -> Bool {
        let key = NeighborKey(neighbor)
        guard let place = neighbors.firstIndex(where: { NeighborKey($0) == key }) else { return false }
        neighbors.remove(at: place)
        return true
    }
}
