public import DrawbridgeModel
public import NetworkTypes

/// What `vif-route` and `vif-nat` desire: a vif with an address of the host's, and routes to its guest.
///
/// Each function takes the state wanted so far to the state wanted with this vif.
public struct RoutedVif: Hashable, Sendable {
    public var request: VifRequest
    /// The link group of what Drawbridge makes.
    public var group: UInt32
    /// The network it is on; its uplink answers for the guest's IPv6 addresses.
    public var network: NetworkName
    /// The host's address on the vif, from which it speaks to the guest.
    public var router: IPv4Address?
    /// Whether it is the tap of an emulated card, which comes before the vif of the same guest as long as it is there.
    public var isTap = false
    /// Whether the kernel speaks IPv6.
    public var hasIPv6 = true

    public init(_ request: VifRequest, group: UInt32, network: NetworkName, router: IPv4Address?) {
        self.request = request
        self.group = group
        self.network = network
        self.router = router
    }

    /// The role of the host's end.
    public var key: LinkKey { .vif(request.id) }

    /// The gateway of guests that speak IPv6: the same one everywhere, so that a guest can go elsewhere.
    public static let gateway6 = IPv6Address(value: 0xfe80 << 112 | 1)

    /// Whose routes these are: a number of its own among those for routing daemons (`RTPROT_*`).
    public static let origin = RouteOrigin(rawValue: 0xdb)

    /// The settings of a routed vif that are read, and given back on a device that others made.
    public static let settings: [SettingKey] = [
        .disableIPv6, .forwarding, .proxyARP, .forwarding6, .acceptsRouterAdvertisements,
    ]

    /// Whether the guest is given addresses of IPv6 that it can have.
    public var speaksIPv6: Bool { hasIPv6 && request.addresses.contains { $0.family == .ipv6 } }

    /// The metric of the routes: Xen's, by which a vif gives way to its tap.
    public var metric: UInt32 { isTap ? 1 : 2 }

    /// The state with the vif up, addressed, and every address of its guest routed to it.
    ///
    /// - Parameters:
    ///   - state: holds the vif's device where others made it, and the uplink where the guest speaks IPv6.
    ///   - elders: vifs of older domains that had an address of this one's; they lose it.
    ///   - released: addresses that this vif had, and that nobody has any more.
    /// - Throws: if a device that others make is not there.
    public func online(
        in state: HostState, insteadOf elders: [VifID] = [], releasing released: Set<IPAddress> = []
    ) throws(PlanningError) -> HostState {
        var result = state
        result.neighbors.removeAll { isOwnProxy($0) && released.contains($0.destination) }
        var link: Link<LinkKey>
        switch request.source {
        case .existing(let device):
            guard let found = state.links[key] else { throw .missingLink(name: device.rawValue) }
            link = found
            if let name = request.vifName { link.name = name.rawValue }
            if link.alias == nil { link.alias = LinkMark.used(key).alias }
        case .pair(let guestName):
            link = state.links[key] ?? Link(name: request.vifName?.rawValue ?? "\(request.id)")
            link.name = request.vifName?.rawValue ?? "\(request.id)"
            link.kind = .veth
            link.alias = LinkMark.made(key).alias
            link.group = group
            link.address = .xenVif
            result.peers[key] = PeerLink(name: guestName, address: request.mac, mtu: request.mtu)
        case .tap(let options):
            link = try state.tap(
                options, of: key, named: request.vifName?.rawValue ?? "\(request.id)", group: group)
        }
        link.mtu = request.mtu ?? (state.links[key] == nil ? 1500 : link.mtu)
        link.master = nil
        link.port = nil
        link.portKind = nil
        // The host is what the guest sends to: it answers ARP and listens to groups.
        link.flags.formUnion([.up, .multicast])
        link.flags.remove(.noARP)
        link.addressGeneration = AddressGeneration.none
        result.links[key] = link
        result.clear(key)
        setSettings(of: &result)
        addAddresses(to: &result)
        giveWay(elders, in: &result)
        addRoutes(to: &result)
        return result
    }

    private func setSettings(of state: inout HostState) {
        state.settings[key, default: [:]][.forwarding] = "1"
        state.settings[key]?[.proxyARP] = "1"
        guard hasIPv6 else { return }
        state.settings[key]?[.disableIPv6] = speaksIPv6 ? "0" : "1"
        guard speaksIPv6 else { return }
        state.settings[key]?[.forwarding6] = "1"
        // A guest must not tell its host where to send.
        state.settings[key]?[.acceptsRouterAdvertisements] = "0"
    }

    private func addAddresses(to state: inout HostState) {
        if let router {
            var address = Address<LinkKey>(Prefix(host: .ipv4(router)), on: key)
            address.label = state.links[key]?.name
            state.addresses[key, default: []].append(address)
        }
        guard speaksIPv6, let prefix = Prefix(.ipv6(Self.gateway6), length: 64) else { return }
        var address = Address<LinkKey>(prefix, on: key)
        address.scope = .link
        // Nobody else is on the link who could have it.
        address.flags = .noDuplicateDetection
        state.addresses[key, default: []].append(address)
        state.addConnectedRoutes(of: address)
    }

    private func addRoutes(to state: inout HostState) {
        for prefix in request.addresses where prefix.family == .ipv4 || speaksIPv6 {
            var route = Route<LinkKey>(prefix.family, to: prefix)
            route.metric = metric
            route.origin = Self.origin
            route.nexthops = [RouteNexthop(device: key)]
            if prefix.family == .ipv4 {
                route.scope = .link
                route.preferredSource = router.map(IPAddress.ipv4)
            }
            state.routes.append(route)
            guard prefix.length == prefix.family.bits else { continue }
            // What is given cannot be taken by another guest's answer.
            if let mac = request.mac {
                state.neighbors.append(
                    Neighbor(prefix.address, on: key, address: mac, state: .permanent))
            }
            guard prefix.family == .ipv6, state.links[.uplink(network)] != nil else { continue }
            var proxy = Neighbor<LinkKey>(prefix.address, on: .uplink(network), address: nil, state: [])
            proxy.flags = 0x08
            proxy.origin = Self.origin
            if !state.neighbors.contains(where: { NeighborKey($0) == NeighborKey(proxy) }) {
                state.neighbors.append(proxy)
            }
        }
    }

    /// Takes the addresses of this vif from others that had them.
    private func giveWay(_ elders: [VifID], in state: inout HostState) {
        let own = Set(request.addresses)
        for elder in elders where elder != request.id {
            let device = LinkKey.vif(elder)
            state.routes.removeAll { route in
                guard route.devices == [device], let destination = route.destination else { return false }
                return own.contains(destination)
            }
            state.neighbors.removeAll { $0.device == device && own.contains(Prefix(host: $0.destination)) }
        }
    }

    /// The state with the vif disconnected: a pair is deleted, a device of others' is down and as it was.
    ///
    /// - Parameters:
    ///   - former: the settings that the device had.
    ///   - kept: addresses that another vif has by now, for which the uplink goes on answering.
    public func offline(
        in state: HostState, former: [SettingKey: String] = [:], keeping kept: Set<Prefix> = []
    ) -> HostState {
        var result = withoutProxies(state, kept)
        result = BridgeVif(request, group: group).offline(in: result)
        restore(former, in: &result)
        return result
    }

    /// The state with nothing of the host's left on the vif, and its link and its limits as they are: it goes to
    /// another network.
    ///
    /// - Parameter kept: addresses that another vif has by now, for which the uplink goes on answering.
    public func leaving(
        in state: HostState, former: [SettingKey: String] = [:], keeping kept: Set<Prefix> = []
    ) -> HostState {
        var result = withoutProxies(state, kept)
        result.clear(key)
        restore(former, in: &result)
        return result
    }

    /// The state with nothing of the host's left on the vif, and its device as it is otherwise: what a stop of the
    /// network does to the guests that are still attached.
    public func releasing(in state: HostState, former: [SettingKey: String] = [:]) -> HostState {
        var result = BridgeVif(request, group: group).releasing(in: withoutProxies(state, []))
        result.clear(key)
        restore(former, in: &result)
        return result
    }

    private func restore(_ former: [SettingKey: String], in state: inout HostState) {
        guard let now = state.settings[key] else { return }
        for (setting, value) in former where now[setting] != nil { state.settings[key]?[setting] = value }
    }

    private func withoutProxies(_ state: HostState, _ kept: Set<Prefix>) -> HostState {
        var result = state
        let own = Set(request.addresses).subtracting(kept)
        result.neighbors.removeAll { isOwnProxy($0) && own.contains(Prefix(host: $0.destination)) }
        return result
    }

    private func isOwnProxy(_ neighbor: Neighbor<LinkKey>) -> Bool {
        neighbor.isProxy && neighbor.origin == Self.origin && neighbor.device == .uplink(network)
    }
}

extension HostState {
    /// The state in which the uplink of a network answers for no guest's address any more, but for some that are
    /// another network's on the same uplink.
    public func withoutProxies(of network: NetworkName, but kept: Set<IPAddress>) -> HostState {
        var result = self
        result.neighbors.removeAll {
            $0.isProxy && $0.origin == RoutedVif.origin && $0.device == .uplink(network)
                && !kept.contains($0.destination)
        }
        return result
    }
}
