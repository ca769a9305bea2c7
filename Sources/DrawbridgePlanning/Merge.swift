import DrawbridgeModel
import NetworkTypes

// What belongs to the host, whoever changed it since: a three-way merge.
//
// The host's objects are on the uplink in the baseline and on the bridge while the network is up, so all states are
// first brought to the uplink's coordinates. Then, key by key: what others changed since the state was last settled
// wins, and what they left alone is as in the baseline.

extension BridgeNetwork {
    /// What a stop desires: the baseline, plus what others changed on the host's part since, less what has expired.
    ///
    /// - Parameters:
    ///   - baseline: the slice of ``scope`` before the network was raised, as of now (``HostState/aged(by:)``).
    ///   - settled: the slice when the last event was done, as of now; nil if none ever was.
    ///   - observed: the slice now. Vifs that are still ports are released by ``BridgeVif/releasing(in:)``.
    ///   - wasInterrupted: whether a plan was cut short before, as by a crash: then what is missing was not
    ///     necessarily taken away by others, and is put back.
    public func lowered(
        baseline: HostState, settled: HostState?, observed: HostState, wasInterrupted: Bool = false
    ) -> HostState {
        var result = merge(baseline: baseline, settled: settled, observed: observed, wasInterrupted)
        // What is on a bridge that goes, and has no uplink to move to, goes with it, whoever put it there.
        if network.uplink == .none, baseline.links[bridge] == nil {
            result.clear(bridge)
            result.removeNexthops(through: bridge)
        }
        return result
    }

    /// What is desired while the network stays up: what others changed is adopted, what was put on the uplink is moved
    /// to the bridge, what is Drawbridge's own is repaired.
    public func upheld(
        baseline: HostState, settled: HostState?, observed: HostState, wasInterrupted: Bool = false
    ) throws(PlanningError) -> HostState {
        try raised(from: merge(baseline: baseline, settled: settled, observed: observed, wasInterrupted))
    }

    private func merge(
        baseline: HostState, settled: HostState?, observed: HostState, _ wasInterrupted: Bool
    ) -> HostState {
        let baseline = baseline.plannable
        // Where a start was cut short, the addresses of a subnet are nobody else's change.
        let begun = network.subnet == nil ? nil : try? raised(from: baseline)
        let base = inUplinkCoordinates((settled ?? begun ?? baseline).plannable, baseline: baseline)
        let theirs = inUplinkCoordinates(observed.plannable, baseline: baseline)
        let ours = inUplinkCoordinates(baseline, baseline: baseline)
        var result = HostState()
        result.globals = observed.globals
        result.rules = observed.rules
        result.carrierTimeout = baseline.carrierTimeout
        // A bridge that somebody deleted or took down took the host's routes along, which nobody meant to remove.
        let isWhole = observed.links[bridge]?.isUp == true
        let merge = ThreeWayMerge(
            ours: ours, base: base, theirs: theirs, keepsWhatIsMissing: wasInterrupted || !isWhole)
        result.addresses = merge.addresses(of: [uplink, bridge])
        result.routes = merge.routes(for: result.addresses)
        result.nexthops = merge.nexthops()
        result.neighbors = merge.neighbors()
        mergeLinks(into: &result, baseline: baseline, settled: settled, observed: observed)
        mergeSettings(into: &result, baseline: baseline, settled: settled, observed: observed)
        result.dropWhatNeedsALink(that: uplink)
        return result
    }

    /// Moves what is on the bridge to the uplink. Of a bridge that was there before, only what came from the uplink
    /// moves back.
    private func inUplinkCoordinates(_ state: HostState, baseline: HostState) -> HostState {
        guard network.uplink != .none, let port = baseline.links[uplink], port.master != bridge else {
            return state
        }
        guard baseline.links[bridge] != nil else {
            return state.moved(from: bridge, to: uplink, renaming: (network.bridge.rawValue, port.name))
        }
        let stays = Set((baseline.addresses[bridge] ?? []).map(\.prefix))
        let moves = Set((baseline.addresses[uplink] ?? []).map(\.prefix)).subtracting(stays)
        var kept = state
        var moving = state
        kept.addresses[bridge] = (state.addresses[bridge] ?? []).filter { !moves.contains($0.prefix) }
        moving.addresses[bridge] = (state.addresses[bridge] ?? []).filter { moves.contains($0.prefix) }
        let routes = RouteOrigins(baseline: baseline, uplink: uplink, bridge: bridge)
        kept.routes = state.routes.filter { routes.belongsToBridge($0) }
        moving.routes = state.routes.filter { !routes.belongsToBridge($0) || routes.standsForBoth($0) }
        let nexthops = Set(baseline.nexthops.values.filter { $0.device == uplink }.map(\.id))
        kept.nexthops = state.nexthops.filter { $0.value.device == bridge && !nexthops.contains($0.key) }
        moving.nexthops = state.nexthops.filter { kept.nexthops[$0.key] == nil }
        let neighborKeys = Set(baseline.neighbors.filter { $0.device == uplink }.map(\.destination))
        kept.neighbors = state.neighbors.filter {
            $0.device == bridge && !neighborKeys.contains($0.destination)
        }
        moving.neighbors = state.neighbors.filter { !kept.neighbors.contains($0) }
        var result = moving.moved(from: bridge, to: uplink, renaming: (network.bridge.rawValue, port.name))
        result.addresses[bridge] = kept.addresses[bridge].flatMap { $0.isEmpty ? nil : $0 }
        result.routes += kept.routes
        result.nexthops.merge(kept.nexthops) { first, _ in first }
        result.neighbors += kept.neighbors
        return result
    }
}

/// Whose a route is that is found on a bridge that was there before.
///
/// The uplink's route and the bridge's own become one where they differ in the device alone, such as those that each
/// link-local address has to `fe80::/64`: while the network is up, that one stands for both.
private struct RouteOrigins {
    private let bridge: LinkKey
    private let own: [Route<LinkKey>]
    private let fromUplink: [Route<LinkKey>]
    private let keysOfUplink: Set<RouteKey>

    init(baseline: HostState, uplink: LinkKey, bridge: LinkKey) {
        self.bridge = bridge
        own = baseline.routes.filter { $0.devices.contains(bridge) }
        let moved = baseline.routes.filter { $0.devices.contains(uplink) }
        fromUplink = moved.compactMap { $0.mapDevices { $0 == uplink ? bridge : $0 } }
        keysOfUplink = Set(moved.map { RouteKey($0) })
    }

    private func isOwn(_ route: Route<LinkKey>) -> Bool {
        own.contains { RouteKey($0) == RouteKey(route) && $0.isSameLeg(as: route) }
    }

    func belongsToBridge(_ route: Route<LinkKey>) -> Bool {
        guard route.devices.contains(bridge) else { return false }
        return isOwn(route) || !keysOfUplink.contains(RouteKey(route))
    }

    func standsForBoth(_ route: Route<LinkKey>) -> Bool {
        isOwn(route) && fromUplink.contains { RouteKey($0) == RouteKey(route) && $0.isSameLeg(as: route) }
    }
}

// MARK: - Links and settings

extension BridgeNetwork {
    private func mergeLinks(
        into result: inout HostState, baseline: HostState, settled: HostState?, observed: HostState
    ) {
        // Vifs and whatever else the slice holds are for others to decide.
        result.links = observed.links
        result.peers = observed.peers
        result.qdiscs = observed.qdiscs
        result.filters = observed.filters
        for key in observed.links.keys where key != uplink && key != bridge {
            result.settings[key] = observed.settings[key]
            result.addresses[key] = observed.addresses[key]
        }
        if baseline.links[bridge] == nil { result.links[bridge] = nil }
        guard var link = observed.links[uplink], let ours = baseline.links[uplink] else { return }
        let base = settled?.links[uplink]
        if base == nil || base?.mtu == link.mtu { link.mtu = ours.mtu }
        if base == nil || base?.isUp == link.isUp {
            if ours.isUp { link.flags.insert(.up) } else { link.flags.remove(.up) }
        }
        if link.master == bridge || link.master == base?.master {
            link.master = ours.master
            link.port = ours.port
            link.portKind = ours.portKind
        }
        if base == nil || base?.addressGeneration == link.addressGeneration
            || link.addressGeneration == AddressGeneration.none
        {
            link.addressGeneration = ours.addressGeneration
        }
        result.links[uplink] = link
    }

    private func mergeSettings(
        into result: inout HostState, baseline: HostState, settled: HostState?, observed: HostState
    ) {
        let wasPort = baseline.links[uplink]?.master == bridge
        if baseline.links[bridge] != nil { result.settings[bridge] = observed.settings[bridge] }
        guard let ours = baseline.settings[uplink] else {
            if observed.links[uplink] != nil { result.settings[uplink] = observed.settings[uplink] }
            return
        }
        var merged = ours
        for (key, value) in ours {
            // What is set only while the uplink is a port says nothing about the host's wishes, and neither do
            // the values that hold while a plan is under way: without a settled state there is nothing to compare.
            guard let settled, !wasPort else { continue }
            if key != .disableIPv6, let base = settled.settings[uplink]?[key],
                let theirs = observed.settings[uplink]?[key], base != theirs
            {
                merged[key] = theirs
            } else if baseline.links[bridge] == nil, let base = settled.settings[bridge]?[key],
                let theirs = observed.settings[bridge]?[key], base != theirs
            {
                merged[key] = theirs
            } else {
                merged[key] = value
            }
        }
        result.settings[uplink] = merged
    }
}

extension HostState {
    /// A link that is down, or has IPv6 off, cannot have what its own state of before may have held.
    fileprivate mutating func dropWhatNeedsALink(that key: LinkKey) {
        guard let link = links[key] else { return }
        if !link.isUp {
            removeRoutes(through: key)
            removeNexthops(through: key)
        }
        if settings[key]?[.disableIPv6] ?? "0" != "0" {
            setAddresses([], of: key, .ipv6)
            silenceRoutes(through: key, families: [.ipv6])
        }
    }
}
