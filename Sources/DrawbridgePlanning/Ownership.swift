import DrawbridgeModel
public import NetworkTypes

/// Who answers for an object of the kernel.
public enum Ownership: Hashable, Sendable {
    /// Made and marked by Drawbridge: repaired when it drifts.
    case drawbridge
    /// The host's own: moved with the uplink; what others change is adopted, never repaired.
    case host
    /// Implied by something else, or made from router advertisements: never planned.
    case kernel
    /// Somebody else's: never in a plan.
    case foreign
}

/// How Drawbridge marks a link in its alias (`IFLA_IFALIAS`), so that it is known again after a crash or a rename.
public enum LinkMark: Hashable, Sendable {
    /// Drawbridge made the link and may delete it.
    case made(LinkKey)
    /// Drawbridge only uses the link; somebody else made it and will delete it.
    case used(LinkKey)

    /// Reads an alias; nil if it is not a mark.
    public init?(alias: String?) {
        guard let alias else { return nil }
        let words = alias.split(separator: " ", omittingEmptySubsequences: false)
        guard words.first == "drawbridge" else { return nil }
        switch words.count {
        case 2:
            guard let id = VifID(words[1]) else { return nil }
            self = .made(.vif(id))
        case 3 where words[1] == "bridge":
            guard let name = NetworkName(words[2]) else { return nil }
            self = .made(.bridge(name))
        case 3 where words[1] == "rate":
            guard let id = VifID(words[2]) else { return nil }
            self = .made(.ifb(id))
        case 3 where words[1] == "uses":
            guard let id = VifID(words[2]) else { return nil }
            self = .used(.vif(id))
        default: return nil
        }
    }

    /// The link's role.
    public var key: LinkKey {
        switch self {
        case .made(let key), .used(let key): key
        }
    }

    /// `drawbridge vif3.1`, `drawbridge rate vif3.1`, `drawbridge bridge xenbr0`, `drawbridge uses vif1.0`; nil for a role that is
    /// never marked.
    public var alias: String? {
        switch self {
        case .made(.vif(let id)): "drawbridge \(id)"
        case .made(.bridge(let name)): "drawbridge bridge \(name)"
        case .made(.ifb(let id)): "drawbridge rate \(id)"
        case .used(.vif(let id)): "drawbridge uses \(id)"
        case .made, .used: nil
        }
    }
}

extension HostState {
    /// Who answers for a link.
    public func owner(of key: LinkKey) -> Ownership {
        guard let link = links[key] else { return .foreign }
        if case .made(let marked) = LinkMark(alias: link.alias), marked == key { return .drawbridge }
        return key.hasRole ? .host : .foreign
    }

    /// Who answers for an address. Those that router advertisements made are the kernel's.
    public func owner(of address: Address<LinkKey>) -> Ownership {
        guard address.device.hasRole else { return .foreign }
        if address.origin == AddressOrigin.routerAdvertisement { return .kernel }
        guard address.prefix.family == .ipv6 else { return .host }
        // Kernels before 5.18 do not tell the origin; temporary addresses only ever come from a prefix that
        // was advertised, and so does a managing address that is not permanent.
        if address.flags.contains(.temporary) { return .kernel }
        let isManaging = address.flags.contains(.managesTemporary) || address.flags.contains(.stablePrivacy)
        if isManaging, address.validLifetime != nil, !address.flags.contains(.noPrefixRoute) {
            return .kernel
        }
        return .host
    }

    /// Who answers for a route. Connected routes are the host's: their order matters.
    public func owner(of route: Route<LinkKey>) -> Ownership {
        if Self.isImplied(route) { return .kernel }
        if route.origin == .routerAdvertisement || route.origin == .redirect { return .kernel }
        guard concernsRole(route) else { return .foreign }
        // The on-link route of an advertised prefix bears an expiry; so does that of a host's own address
        // with a lifetime, which is the host's.
        if route.family == .ipv6, route.origin == .kernel, route.expires != nil, route.type == .unicast,
            let device = route.devices.first, let destination = route.destination
        {
            let isOwn = addresses(of: device, .ipv6).contains {
                $0.prefix.network == destination && !$0.flags.contains(.noPrefixRoute)
                    && owner(of: $0) == .host
            }
            if !isOwn { return .kernel }
        }
        return .host
    }

    /// Who answers for a neighbour: whatever knows an address is worth carrying over.
    public func owner(of neighbor: Neighbor<LinkKey>) -> Ownership {
        guard neighbor.device.hasRole else { return .foreign }
        if Self.isMulticast(neighbor.destination) || neighbor.state.contains(.noARP) { return .kernel }
        if neighbor.isProxy || neighbor.state.contains(.permanent) { return .host }
        let known: NeighborState = [.reachable, .stale, .delay, .probe]
        return neighbor.address != nil && !neighbor.state.isDisjoint(with: known) ? .host : .kernel
    }

    /// Who answers for a nexthop object.
    public func owner(of nexthop: Nexthop<LinkKey>) -> Ownership {
        if let device = nexthop.device { return device.hasRole ? .host : .foreign }
        let reaches = nexthop.group.contains { member in nexthops[member.id]?.device?.hasRole == true }
        return reaches ? .host : .foreign
    }

    /// Who answers for a setting: the bridge's and what was set on ports are Drawbridge's, an uplink's the
    /// host's.
    public func owner(of setting: SettingKey, on link: LinkKey) -> Ownership {
        switch link {
        case .uplink: .host
        case .bridge, .vif, .ifb: owner(of: link)
        case .other: .foreign
        }
    }

    /// Local, broadcast, anycast and multicast routes, and all that the local table holds: each comes and goes
    /// with an address or a link.
    static func isImplied(_ route: Route<LinkKey>) -> Bool {
        switch route.type {
        case .local, .broadcast, .anycast, .multicast: return route.origin == .kernel
        default: break
        }
        guard route.origin == .kernel, let destination = route.destination else { return false }
        return isMulticast(destination.address)
    }

    static func isMulticast(_ address: IPAddress) -> Bool {
        switch address {
        case .ipv4(let address): address.value >> 28 == 0xe || address.value == .max
        case .ipv6(let address): address.isMulticast
        }
    }

    /// Whether a route leads through a link with a role, directly or by a nexthop object.
    func concernsRole(_ route: Route<LinkKey>) -> Bool {
        if route.nexthopID != 0 {
            guard let nexthop = nexthops[route.nexthopID] else { return false }
            return owner(of: nexthop) == .host
        }
        return route.nexthops.contains { $0.device?.hasRole == true }
    }
}

/// `IFAPROT_*` (linux/if_addr.h).
public enum AddressOrigin {
    public static let unspecified: UInt8 = 0
    public static let loopback: UInt8 = 1
    public static let routerAdvertisement: UInt8 = 2
    public static let linkLocal: UInt8 = 3
}
