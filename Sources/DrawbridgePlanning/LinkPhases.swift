import NetworkTypes

// How links come to be, get their settings, join and leave bridges, come up and go.

extension Planner {
    mutating func planCreation() throws(PlanningError) {
        for key in plannedLinks {
            guard let wanted = desired.links[key] else { continue }
            if predicted.links[key] == nil {
                guard desired.owner(of: key) == .drawbridge else {
                    throw .missingLink(name: wanted.name)
                }
                emit(.createLink(key, newLink(wanted), peer: desired.peers[key]))
            }
            guard let link = predicted.links[key] else { continue }
            if case .vif = key, link.isUp,
                mustBeDown(link, toBecome: wanted, isSilent: desired.silent.contains(key))
            {
                set(key) { $0.isUp = false }
            }
            set(key) { change in
                if link.name != wanted.name { change.name = wanted.name }
                if link.alias != wanted.alias { change.alias = wanted.alias ?? "" }
                if link.group != wanted.group { change.group = wanted.group }
                let mask: LinkFlags = [.noARP, .multicast]
                let differing = link.flags.symmetricDifference(wanted.flags).intersection(mask)
                if !differing.isEmpty {
                    change.flagMask = differing
                    change.flags = wanted.flags.intersection(differing)
                }
            }
            // Each of these some drivers refuse: see Operation.mayFail.
            if let address = wanted.address { set(key) { $0.address = address } }
            if link.mtu != wanted.mtu { set(key) { $0.mtu = wanted.mtu } }
        }
    }

    /// The link as it is made: down, without settings of ports.
    private func newLink(_ wanted: Link<LinkKey>) -> Link<LinkKey> {
        var link = wanted
        link.flags.remove(.up)
        link.port = nil
        link.portKind = nil
        link.addressGeneration = nil
        if let master = link.master, observed.links[master] == nil { link.master = nil }
        // A bridge keeps its MTU, whatever joins it, only if the MTU was changed once after it was made
        // (BROPT_MTU_SET_BY_USER); so it is made with another one.
        if case .bridge = link.kind { link.mtu = wanted.mtu == 1500 ? 1499 : 1500 }
        return link
    }

    /// A foreign vif that is up goes down before its name or address changes, and before it joins: the settings
    /// of its port follow the joining, and no frame may pass before them. One of which nothing passes stays up, so that
    /// its guest sees nothing of it.
    private func mustBeDown(
        _ link: Link<LinkKey>, toBecome wanted: Link<LinkKey>, isSilent: Bool
    ) -> Bool {
        if !wanted.isUp || link.name != wanted.name { return true }
        if let address = wanted.address, address != link.address { return true }
        // Where VLANs are told apart, what comes to the guest meanwhile matters as well.
        let staysUp = isSilent && wanted.port?.vlans == nil
        return !staysUp && wanted.master != nil && wanted.master != link.master
    }

    mutating func planPorts() {
        for key in plannedLinks {
            guard let wanted = desired.links[key], let link = predicted.links[key] else { continue }
            if link.master != wanted.master {
                if case .uplink = key, let master = wanted.master {
                    movers.insert(key)
                    bypassing(key, over: master) { $0.set(key) { $0.master = .some(master) } }
                } else if let master = wanted.master {
                    set(key) { $0.master = .some(master) }
                } else if case .uplink = key {
                    // It leaves in the phase withdraw, when its routes are back.
                } else {
                    set(key) { $0.master = .some(nil) }
                }
            }
            if let port = wanted.port, let change = predicted.links[key]?.port?.change(to: port) {
                set(key) { $0.port = change }
            }
            if let vlans = wanted.port?.vlans { planVLANs(of: key, vlans) }
        }
    }

    /// Out of the VLANs first that the port is not to be in: nothing of these may pass any more.
    private mutating func planVLANs(of key: LinkKey, _ wanted: PortVLANs) {
        let old = predicted.links[key]?.port?.vlans ?? PortVLANs()
        let gone = old.all.subtracting(wanted.all).sorted()
        if !gone.isEmpty { emit(.removeVLANs(key, gone)) }
        let left = predicted.links[key]?.port?.vlans ?? PortVLANs()
        let coming = PortVLANs(
            untagged: wanted.untagged == left.untagged ? nil : wanted.untagged,
            tagged: wanted.tagged.filter { !left.tagged.contains($0) })
        if !coming.all.isEmpty { emit(.addVLANs(key, coming)) }
    }

    /// Makes steps around which the frames of an uplink go past it, where it joins or leaves a bridge of ours
    /// that passes frames at once.
    mutating func bypassing(_ uplink: LinkKey, over bridge: LinkKey, _ steps: (inout Planner) -> Void) {
        guard predicted.owner(of: bridge) == .drawbridge, let link = predicted.links[bridge], link.isUp,
            predicted.links[uplink]?.isUp == true, case .bridge(let settings) = link.kind,
            (settings.spanningTree ?? 0) == 0, settings.vlanFiltering != true
        else { return steps(&self) }
        emitAlways(.openBypass(uplink: uplink, bridge: bridge))
        steps(&self)
        emitAlways(.closeBypass(uplink: uplink))
    }

    mutating func planUp() {
        for key in plannedLinks where desired.links[key]?.isUp == true && predicted.links[key]?.isUp == false
        {
            set(key) { $0.isUp = true }
        }
        for key in movers.sorted() {
            guard let bridge = desired.links[key]?.master else { continue }
            emitAlways(.awaitCarrier(bridge, desired.carrierTimeout))
        }
    }

    mutating func planDeletion() {
        for key in predicted.orderedLinks.reversed()
        where desired.links[key] == nil && predicted.owner(of: key) == .drawbridge {
            emit(.deleteLink(key))
        }
    }
}
