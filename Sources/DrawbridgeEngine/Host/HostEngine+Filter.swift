import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// The filter against spoofing. See docs/filter.md.

/// All that decides how vifs are filtered, as of one event.
struct FilterPolicy: Sendable {
    var configuration: Configuration
    /// How the networks that are up have their vifs filtered.
    var networks: [NetworkName: FilterSettings]
    /// The addresses of the host and its gateways; nil before anybody asked.
    var own: Set<IPAddress>?
    var resting: RestingAddresses
    /// What was learnt of the addresses of vifs.
    var learned: [VifID: [Prefix]]

    /// How a vif is held to what is its own.
    func settings(of id: VifID, on network: NetworkName) -> FilterSettings {
        configuration.filter(of: id, on: networks[network])
    }

    /// What a vif may send; nil where it is not filtered. The hook goes by the name that the device will bear.
    func filter(of request: VifRequest, on network: NetworkName) -> VifFilter? {
        guard let device = request.filteredDevice else { return nil }
        var filter = VifFilter(
            request, device: device, network: network, settings(of: request.id, on: network),
            learned: learned[request.id] ?? [])
        if let vlans = configuration.vlans(of: request) { filter?.vlans = vlans.tagged }
        return filter
    }

    /// What was permitted of an attachment.
    func filter(of attachment: Attachment?) -> VifFilter? {
        guard let attachment, let network = attachment.network else { return nil }
        return filter(of: attachment.request, on: network)
    }

    /// What no vif of a network may use unless it is given it.
    func guarded(on network: NetworkName, _ own: Set<IPAddress>) -> Set<Prefix> {
        resting.of(network).union(own.map { Prefix(host: $0) })
    }
}

extension HostEngine {
    var filterPolicy: FilterPolicy {
        FilterPolicy(
            configuration: configuration,
            networks: raised.mapValues {
                configuration.network(named: $0.network.name)?.filter ?? $0.network.filter
            },
            own: ownAddresses, resting: resting, learned: learned)
    }

    /// Holds vifs to what a changed configuration says of them.
    func applyFilters() async {
        await turn.begin()
        defer { turn.end() }
        let policy = filterPolicy
        let known = attachments.values.sorted { $0.request.id < $1.request.id }
        let changed = try? await host.transact { (access) throws(DrawbridgeError) in
            known.filter { one in
                guard let device = one.request.filteredDevice, one.network != nil else { return false }
                return access.permitted(device) != policy.filter(of: one)
            }
        }
        for (one, result) in zip(
            changed ?? [],
            await attachEach((changed ?? []).map { Work(request: $0.request, caller: .daemon) }))
        {
            switch result {
            case .success: log.add("filter", "\(one.request.id)", "as the configuration has it now")
            case .failure(let error): log.add("filter", "\(one.request.id)", error: "\(error)")
            }
        }
        await settleListening(to: Array(attachments.keys))
    }

    /// Takes guests out of the filter as their network goes, and the filter's table away where nothing is left of it.
    func removeFilters(of guests: [Attachment], on network: Network) async throws(DrawbridgeError) {
        resting.forget(network.name)
        var policy = filterPolicy
        policy.networks[network.name] = network.filter
        let filters = guests.compactMap(policy.filter(of:))
        let isLast = isFilterUnused
        for guest in guests { grouped.remove(guest.request.id) }
        let groups = groupPolicy.layout()
        try await host.transact { (access) throws(DrawbridgeError) in
            try access.applyGroups(groups)
            try access.forbid(filters, guarding: [network.name: []])
            if isLast { try access.removeUnusedFilter() }
        }
    }

    /// Lets go the addresses of vifs that went, and the filter's table where no vif is left in it: the daemon ends.
    func forgetResting() async throws(DrawbridgeError) {
        let networks = resting.networks
        resting = RestingAddresses()
        let policy = filterPolicy
        try await host.transact { (access) throws(DrawbridgeError) in
            var guarded: [NetworkName: Set<Prefix>] = [:]
            for name in networks { guarded[name] = policy.guarded(on: name, policy.own ?? []) }
            try access.guardAddresses(guarded)
            try access.removeUnusedFilter()
        }
        if !networks.isEmpty { try await writeAttachments() }
    }

    /// Whether nothing but vifs that are filtered now keeps the filter's table.
    var isFilterUnused: Bool {
        resting.isEmpty && !raised.values.contains { $0.network.filter.isOn }
    }

    /// Whether a change makes other addresses the host's own than those the filter knows; never where it knows none.
    func changesOwnAddresses(_ change: HostChange) -> Bool {
        guard let ownAddresses else { return false }
        switch change {
        case .address(let address), .addressRemoved(let address):
            return !isGuardStale && address.scope != .host
        case .route(let route):
            return !isGuardStale
                && !ownAddresses.isSuperset(of: route.nexthops.compactMap(\.gateway))
        case .overrun: return !isGuardStale
        default: return false
        }
    }

    /// The vifs of which a hardware address is reached by one of two ports, the other being that of the tap of the
    /// emulated card: which one, the bridge has to learn.
    func sharedAddresses(of ids: [VifID]) -> Set<VifID> {
        var shared: Set<VifID> = []
        for id in ids where id.isEmulated || attachments[id.emulated] != nil { shared.insert(id) }
        for id in ids where id.isEmulated && ids.contains(id.own) { shared.insert(id.own) }
        return shared
    }

    /// Has the bridge learn, or not any more, where the frames for a vif go as the tap of its emulated card came or went.
    func settleLearning(besides ids: [VifID]) async {
        let others = ids.filter { $0.isEmulated && !ids.contains($0.own) }.compactMap { attachments[$0.own] }
        guard !others.isEmpty else { return }
        for (one, result) in zip(
            others, await attachEach(others.map { Work(request: $0.request, caller: .daemon) }))
        {
            if case .failure(let error) = result {
                log.add("vif-online", "\(one.request.id)", error: "\(error)")
            }
        }
    }

    /// Has the filter know the addresses that the host has now, when the turn comes.
    func guardNewAddresses() async {
        isGuardStale = true
        await turn.begin()
        defer { turn.end() }
        isGuardStale = false
        do throws(DrawbridgeError) { try await renewGuarded() } catch {
            log.add("filter", "host", error: "\(error)")
        }
    }

    /// Has the filter know the addresses that the host has now, in every network that it filters.
    func renewGuarded() async throws(DrawbridgeError) {
        let policy = filterPolicy
        let (known, resting) = (ownAddresses, resting.networks)
        ownAddresses = try await host.transact { (access) throws(DrawbridgeError) in
            let own = try access.ownAddresses()
            guard own != known else { return own }
            var guarded: [NetworkName: Set<Prefix>] = [:]
            for name in access.filteredNetworks.union(resting) {
                guarded[name] = policy.guarded(on: name, own)
            }
            try access.guardAddresses(guarded)
            return own
        }
    }
}

extension HostAccess {
    /// What is permitted of an attachment: as this process did it, else as it is to be.
    func permitted(_ attachment: Attachment?, _ policy: FilterPolicy) -> VifFilter? {
        guard let attachment else { return nil }
        return attachment.request.filteredDevice.flatMap { permitted($0) } ?? policy.filter(of: attachment)
    }
}

extension Outcome {
    /// Tells how the filter of the vif changes: first of all when it comes, last of all when it goes.
    mutating func note(_ change: FilterChange) {
        guard change.old != change.new else { return }
        if let new = change.new {
            plan.insert("filter \(new)", at: 0)
        } else if let old = change.old {
            plan.append("filter \(old.device) no longer")
        }
        changed = true
    }
}

extension VifRequest {
    /// The device that a filter's hook goes by: what it will be called.
    var filteredDevice: LinkName? {
        switch source {
        case .existing(let device): vifName ?? device
        case .pair, .tap: vifName ?? LinkName("\(id)")
        }
    }

    /// The request with a hardware address: one that a pair was made with stays, and a new pair gets one at random in
    /// the range that Xen chooses from (00:16:3e:00:00:00 to 00:16:3e:7f:ff:ff).
    func withHardwareAddress(_ known: VifRequest?, isTaken: (MACAddress) -> Bool) -> VifRequest {
        guard mac == nil, case .pair = source else { return self }
        var result = self
        if let known = known?.mac {
            result.mac = known
            return result
        }
        repeat {
            result.mac = MACAddress(value: 0x0016_3e00_0000 | UInt64.random(in: 0...0x7f_ffff))
        } while result.mac.map(isTaken) ?? false
        return result
    }
}
