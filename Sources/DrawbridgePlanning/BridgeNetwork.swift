public import DrawbridgeModel
import NetworkTypes

/// What `network-bridge` desires: a bridge that has taken the place of an uplink, addresses, routes and all.
public struct BridgeNetwork: Hashable, Sendable {
    public var network: Network
    /// The link group of what Drawbridge makes.
    public var group: UInt32

    public init(_ network: Network, group: UInt32) {
        self.network = network
        self.group = group
    }

    /// The role of its bridge.
    public var bridge: LinkKey { .bridge(network.name) }
    /// The role of its uplink.
    public var uplink: LinkKey { .uplink(network.name) }
    /// What a plan for the network alone works on.
    public var scope: PlanScope { PlanScope(networks: [network.name]) }

    /// The state with the network up, derived from the host's own.
    ///
    /// - Parameter baseline: the slice of ``scope`` as it is without Drawbridge. It holds no bridge of this
    ///   network unless somebody else made it; then the bridge is adopted: its settings and its other ports stay.
    /// - Throws: if the network has an uplink and `baseline` does not hold it.
    public func raised(from baseline: HostState) throws(PlanningError) -> HostState {
        var state = baseline.plannable
        state.carrierTimeout = network.carrierTimeout
        let isAdopted = state.links[bridge] != nil
        guard network.uplink != .none else {
            if !isAdopted { addBridge(to: &state, like: nil) }
            bringBridgeUp(in: &state)
            if let subnet = network.subnet { add(subnet, to: &state) }
            return state
        }
        guard let port = state.links[uplink] else { throw .missingLink(name: uplinkName) }
        if port.master == bridge {
            bringBridgeUp(in: &state)
            return state
        }
        if !isAdopted { addBridge(to: &state, like: port) }
        bringBridgeUp(in: &state)
        state.links[uplink]?.master = bridge
        state.links[uplink]?.flags.insert(.up)
        state.links[uplink]?.addressGeneration = AddressGeneration.none
        state = state.moved(from: uplink, to: bridge, renaming: (port.name, network.bridge.rawValue))
        // Connected routes come with the addresses when the link is up, which the uplink may not have been.
        if !port.isUp {
            for address in state.addresses[bridge] ?? [] { state.addConnectedRoutes(of: address) }
        }
        if !isAdopted, let own = baseline.settings[uplink] {
            state.settings[bridge] = own.filter { SettingKey.copied.contains($0.key) }
            // Without an address of its own the host must not be reachable through the bridge by a link-local one.
            if state.addresses(of: bridge, .ipv6).isEmpty, !usesAdvertisements(own) {
                state.settings[bridge]?[.disableIPv6] = "1"
                state.links[bridge]?.addressGeneration = AddressGeneration.none
            }
        }
        state.settings[uplink, default: [:]][.disableIPv6] = "1"
        if state.settings[uplink]?[.largeReceiveOffload] != nil {
            state.settings[uplink]?[.largeReceiveOffload] = "0"
        }
        return state
    }

    /// Whether addresses may yet come from router advertisements.
    private func usesAdvertisements(_ settings: [SettingKey: String]) -> Bool {
        settings[.disableIPv6] == "0" && settings[.acceptsRouterAdvertisements] ?? "0" != "0"
            && settings[SettingKey(.ipv6Conf, "autoconf")] ?? "1" != "0"
    }

    private func bringBridgeUp(in state: inout HostState) { state.links[bridge]?.flags.insert(.up) }

    /// A bridge of Drawbridge's own: it never delays, never listens unasked, and hands nothing to iptables.
    private func addBridge(to state: inout HostState, like port: Link<LinkKey>?) {
        var link = Link<LinkKey>(name: network.bridge.rawValue)
        var settings = BridgeSettings()
        settings.spanningTree = 0
        settings.forwardDelay = 0
        settings.multicastSnooping = network.multicastSnooping
        if network.vlanFiltering == true { settings.vlanFiltering = true }
        settings.callIPTables = false
        settings.callIP6Tables = false
        settings.callARPTables = false
        link.kind = .bridge(settings)
        link.alias = LinkMark.made(bridge).alias
        link.group = group
        link.flags = [.broadcast, .multicast]
        link.address = port?.address
        link.mtu = port?.mtu ?? 1500
        link.addressGeneration = port?.addressGeneration ?? AddressGeneration.none
        state.links[bridge] = link
        if port == nil { state.settings[bridge] = [.disableIPv6: "1"] }
    }

    /// Gives the host its addresses on a bridge that is a network of its own, and lets it forward for the guests.
    private func add(_ subnet: Subnet, to state: inout HostState) {
        if state.links[bridge]?.address == nil { state.links[bridge]?.address = ownAddress }
        var settings = state.settings[bridge] ?? [:]
        if subnet.exit != .none { settings[.forwarding] = "1" }
        // Where a prefix is to be delegated the bridge speaks IPv6 before there is one, and when it is gone.
        let speaksIPv6 = subnet.address(.ipv6) != nil || subnet.isDelegated == true
        if speaksIPv6 {
            settings[.disableIPv6] = "0"
            // A guest must not tell its host where to send.
            settings[.acceptsRouterAdvertisements] = "0"
        }
        state.settings[bridge] = settings
        var prefixes = subnet.addresses.filter { $0.family == .ipv4 }
        // The kernel keeps the addresses of wider scopes first.
        if let own = subnet.address(.ipv6) { prefixes.append(own) }
        if speaksIPv6, let local = Prefix(.ipv6(RoutedVif.gateway6), length: 64) { prefixes.append(local) }
        for prefix in prefixes {
            var address = Address<LinkKey>(prefix, on: bridge)
            let key = AddressKey(address)
            guard !state.addresses(of: bridge, prefix.family).contains(where: { AddressKey($0) == key })
            else {
                continue
            }
            switch prefix.address {
            case .ipv4: address.label = network.bridge.rawValue
            // The filter keeps what is the host's from everybody else.
            case .ipv6: address.flags = .noDuplicateDetection
            }
            if case .ipv6(RoutedVif.gateway6) = prefix.address { address.scope = .link }
            state.setAddresses(
                state.addresses(of: bridge, prefix.family) + [address], of: bridge, prefix.family)
            state.addConnectedRoutes(of: address)
        }
    }

    /// The hardware address of a bridge without an uplink: the same whenever it is raised, and whatever its ports are,
    /// so that guests know their router by it. Made of the name (FNV-1a), locally administered.
    private var ownAddress: MACAddress {
        let hash = network.bridge.rawValue.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        return MACAddress(value: hash & 0xfcff_ffff_ffff | 0x0200_0000_0000)
    }

    private var uplinkName: String {
        switch network.uplink {
        case .named(let name): name.rawValue
        case .none, .defaultRoute: "the uplink of \(network.name)"
        }
    }
}

extension HostState {
    /// The state with all that one link has moved to another: what it had there already comes first.
    ///
    /// - Parameter names: labels that begin with the first name begin with the second afterwards, as `xend` did.
    func moved(
        from source: LinkKey, to target: LinkKey, renaming names: (from: String, to: String)
    ) -> HostState {
        let rename = { (key: LinkKey) -> LinkKey? in key == source ? target : key }
        var result = self
        let own = addresses[target] ?? []
        var present = Set(own.map(AddressKey.init))
        var moving: [Address<LinkKey>] = []
        for address in addresses[source] ?? [] {
            guard var new = address.mapDevices(rename), present.insert(AddressKey(new)).inserted else {
                continue
            }
            new.label = new.label.map { Label.translated($0, from: names.from, to: names.to) }
            moving.append(new)
        }
        result.addresses[source] = nil
        result.addresses[target] = nil
        result.setAddresses(Self.inKernelOrder(own, moving), of: target, .ipv4)
        // The kernel keeps IPv6 addresses by scope, and puts a new one before the others of its scope.
        let ipv6 = (moving + own).filter { $0.prefix.family == .ipv6 }
        let scopes = Set(ipv6.map(\.sourceScope)).sorted(by: >)
        result.setAddresses(
            scopes.flatMap { scope in ipv6.filter { $0.sourceScope == scope } }, of: target, .ipv6)
        result.routes = []
        for route in routes {
            guard let new = route.mapDevices(rename) else { continue }
            let isThere = result.routes.contains {
                RouteKey($0) == RouteKey(new) && $0.isSameLeg(as: new)
            }
            if !isThere { result.routes.append(new) }
        }
        result.nexthops = nexthops.compactMapValues { $0.mapDevices(rename) }
        var seen: Set<NeighborKey> = []
        result.neighbors = neighbors.compactMap { $0.mapDevices(rename) }
            .filter { seen.insert(NeighborKey($0)).inserted }
        return result
    }
}

extension HostState {
    /// The IPv4 addresses of a link when more come to those it has: which are secondary may be another matter there.
    private static func inKernelOrder(
        _ own: [Address<LinkKey>], _ moving: [Address<LinkKey>]
    ) -> [Address<LinkKey>] {
        let list = (own + moving).filter { $0.prefix.family == .ipv4 }
        guard own.contains(where: { $0.prefix.family == .ipv4 }), let device = list.first?.device else {
            return list
        }
        var scratch = HostState()
        scratch.links[device] = Link(name: "scratch")
        for address in list { scratch.apply(.addAddress(address)) }
        let result = scratch.addresses[device] ?? []
        return result.count == list.count ? result : list
    }
}

/// IPv4 labels (`IFA_LABEL`): by convention the device's name, alone or with `:` and more.
enum Label {
    /// The label as it reads on another device. One that does not follow the convention stays, and so does one that
    /// would be too long (IFNAMSIZ).
    static func translated(_ label: String, from old: String, to new: String) -> String {
        guard label == old || label.hasPrefix(old + ":") else { return label }
        let result = new + label.dropFirst(old.count)
        return result.utf8.count <= LinkName.maximumLength ? result : label
    }
}
