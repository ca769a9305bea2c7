public import DrawbridgeModel
public import NetworkTypes

/// What `vif-bridge` desires: a vif that is a port of a bridge, or is none any more.
///
/// Each function takes the state wanted so far to the state wanted with this vif, so that a set of vifs is the
/// functions one after the other.
public struct BridgeVif: Hashable, Sendable {
    public var request: VifRequest
    /// The link group of what Drawbridge makes.
    public var group: UInt32
    /// Whether it reaches only ports that are not isolated.
    public var isIsolated = false
    /// The VLANs that it is in; nil for those of every port.
    public var vlans: PortVLANs?
    /// Whether the bridge learns addresses from it.
    public var isLearning = true

    public init(_ request: VifRequest, group: UInt32) {
        self.request = request
        self.group = group
    }

    /// The role of the host's end.
    public var key: LinkKey { .vif(request.id) }

    /// The name its device is to bear.
    public var deviceName: String { request.vifName?.rawValue ?? "\(request.id)" }

    /// The state with the vif a port of `bridge` and up.
    ///
    /// - Parameter state: holds the bridge, and the vif's device where others made it.
    /// - Throws: if the bridge, or a device that others make, is not there.
    public func online(in state: HostState, bridge: LinkKey) throws(PlanningError) -> HostState {
        var result = state
        try connect(in: &result, bridge: bridge)
        return result
    }

    /// Makes the vif a port of `bridge`, and up; in place, since a batch of a thousand would copy a thousand links each.
    ///
    /// - Throws: if the bridge, or a device that others make, is not there. The state is of no use then.
    public func connect(in state: inout HostState, bridge: LinkKey) throws(PlanningError) {
        guard let master = state.links[bridge] else {
            throw .refused(
                DrawbridgeError(
                    .notFound, "\(request.id)",
                    "Could not find bridge device \(request.bridge?.rawValue ?? "")"))
        }
        var link: Link<LinkKey>
        switch request.source {
        case .existing(let device):
            guard let found = state.links[key] else { throw .missingLink(name: device.rawValue) }
            link = found
            // A name others gave stays unless another is asked for.
            if let name = request.vifName { link.name = name.rawValue }
            if link.alias == nil { link.alias = LinkMark.used(key).alias }
            link.address = .xenVif
        case .pair(let guestName):
            link = state.links[key] ?? Link(name: deviceName)
            link.name = deviceName
            link.kind = .veth
            link.alias = LinkMark.made(key).alias
            link.group = group
            link.address = .xenVif
            state.peers[key] = PeerLink(
                name: guestName, address: request.mac, mtu: request.mtu ?? master.mtu)
        case .tap(let options):
            link = try state.tap(options, of: key, named: deviceName, group: group)
        }
        link.mtu = request.mtu ?? master.mtu
        link.master = bridge
        // The host is not reachable by the vif itself: it neither answers ARP nor listens to groups.
        link.flags.formUnion([.up, .noARP])
        link.flags.remove(.multicast)
        link.addressGeneration = AddressGeneration.none
        var port = BridgePortSettings()
        port.bpduGuard = true
        port.isolated = isIsolated
        port.learning = isLearning
        if case .bridge(let settings) = master.kind, settings.vlanFiltering == true {
            port.vlans = vlans ?? (state.owner(of: bridge) == .drawbridge ? .initial : nil)
        } else if let vlans {
            throw .refused(
                DrawbridgeError(
                    .unsupported, "\(request.id): vlan",
                    "'\(vlans.text)' needs a bridge that filters by VLANs, and \(master.name) does not",
                    advice: "say vlan-filtering: yes of its network, and start that anew"))
        }
        link.port = (link.port ?? BridgePortSettings()).merging(port)
        state.links[key] = link
        state.settings[key, default: [:]][.disableIPv6] = "1"
        state.clear(key)
    }

    /// The state with the pair or the tap that connects a guest, and with neither bridge nor `up`: what a program of the
    /// administrator's finds that is to connect it. A device that others made is left as it is.
    public func prepared(in state: HostState) -> HostState {
        guard state.links[key] == nil else { return state }
        var result = state
        var link = Link<LinkKey>(name: deviceName)
        switch request.source {
        case .existing: return state
        case .pair(let guestName):
            link.kind = .veth
            result.peers[key] = PeerLink(name: guestName, address: request.mac, mtu: request.mtu)
        case .tap(let options): link.kind = .tun(options.settings)
        }
        link.alias = LinkMark.made(key).alias
        link.group = group
        link.address = .xenVif
        link.mtu = request.mtu ?? 1500
        result.links[key] = link
        return result
    }

    /// The state with the vif off its bridge: its device is down and kept where others made it, and deleted where
    /// Drawbridge did. A vif that is not there changes nothing.
    public func offline(in state: HostState) -> HostState {
        var result = state
        disconnect(in: &result)
        return result
    }

    /// Takes the vif off its bridge, in place: see ``offline(in:)``.
    public func disconnect(in state: inout HostState) {
        VifShaping(request.id, VifRates(), group: group, tick: 0).unlimit(in: &state)
        guard let link = state.links[key] else { return }
        if state.owner(of: key) == .drawbridge { return state.remove(key) }
        release(in: &state)
        state.links[key]?.flags.remove(.up)
        // Others may make a device of this name for another guest: nothing of this one must cling to it.
        if case .used = LinkMark(alias: link.alias) { state.links[key]?.alias = nil }
        state.clear(key)
    }

    /// The state with the vif off its bridge, without limits, and its device as it is otherwise: what a stop of the network does to
    /// the guests that are still attached.
    public func releasing(in state: HostState) -> HostState {
        var result = state
        release(in: &result)
        return result
    }

    private func release(in state: inout HostState) {
        // A limit would be left behind if its guest went while no daemon runs; it comes again with the network.
        VifShaping(request.id, VifRates(), group: group, tick: 0).unlimit(in: &state)
        state.links[key]?.master = nil
        state.links[key]?.port = nil
        state.links[key]?.portKind = nil
    }
}

extension HostState {
    /// Forgets the addresses of a link and the routes through it.
    mutating func clear(_ key: LinkKey) {
        addresses[key] = nil
        routes.removeAll { $0.devices.contains(key) }
        neighbors.removeAll { $0.device == key }
    }

    /// The state without a link and all that is on it.
    public func without(_ key: LinkKey) -> HostState {
        var result = self
        result.remove(key)
        return result
    }

    /// Takes a link away with all that is on it.
    mutating func remove(_ key: LinkKey) {
        clear(key)
        links[key] = nil
        settings[key] = nil
        forgetShaping(of: key)
        peers[key] = nil
    }
}
