import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostEngine {
    /// Connects vifs of which some are routed: those one by one, the others together.
    func attachMixed(_ work: [Work], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        var outcomes: [VifID: Outcome] = [:]
        let bridged = work.filter { !kind(of: $0.request).isRouted }
        for one in work where kind(of: one.request).isRouted {
            outcomes[one.request.id] = try await attachRouted(one, dryRun: dryRun)
        }
        if !bridged.isEmpty {
            for (one, outcome) in zip(bridged, try await attachNow(bridged, dryRun: dryRun)) {
                outcomes[one.request.id] = outcome
            }
        }
        return work.map { outcomes[$0.request.id] ?? Outcome(changed: false) }
    }

    /// What a vif had and is not given any more, less what another one has by now.
    func releasedAddresses(of known: Attachment?, for request: VifRequest) -> Set<IPAddress> {
        guard let known else { return [] }
        let others = attachments.rivals(of: [known.request]).filter { $0.network == known.network }
        return others.reduce(into: known.request.hostAddresses.subtracting(request.hostAddresses)) {
            $0.subtract($1.request.hostAddresses)
        }
    }

    /// Whether a vif that goes is on a routed network, or was asked to be.
    func isRouted(_ request: VifRequest) -> Bool {
        (attachments[request.id]?.request ?? request).kind?.isRouted == true
    }

    /// Refuses to make a vif that is routed the port of a bridge: a bridge knows nothing of what would have to go.
    func checkNotRouted(_ request: VifRequest) throws(DrawbridgeError) {
        guard isRouted(request), let name = attachments[request.id]?.network else { return }
        throw DrawbridgeError(
            .conflict, "\(request.id)", "is connected to \(name), which is no bridge",
            advice: "disconnect it first with 'drawbridge vif remove \(request.id)'")
    }

    /// Disconnects vifs of which some are routed.
    func detachMixed(_ requests: [VifRequest], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        var outcomes: [VifID: Outcome] = [:]
        let bridged = requests.filter { !isRouted($0) }
        for request in requests where isRouted(request) {
            outcomes[request.id] = try await detachRouted(request, dryRun: dryRun)
        }
        if !bridged.isEmpty {
            for (one, outcome) in zip(bridged, try await detachNow(bridged, dryRun: dryRun)) {
                outcomes[one.id] = outcome
            }
        }
        return requests.map { outcomes[$0.id] ?? Outcome(changed: false) }
    }

    /// Disconnects a vif of a routed or NAT network, whatever is left of it. Runs within a turn.
    func detachRouted(_ request: VifRequest, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        let known = attachments[request.id]
        let (request, id, group) = (known?.request ?? request, request.id, linkGroup)
        let network = known?.network.flatMap { raised[$0] }
        let name = network?.network.name ?? known?.network
        let device =
            known?.vifDevice ?? VifDevice(id: id, names: request.possibleNames)
        if !dryRun { try await prepareAttachments() }
        var policy = filterPolicy
        let filter = try await host.transact { [policy] access in access.permitted(known, policy) }
        let guest = network.flatMap { request.routedGuest(on: $0.network) }
        let own = Set(request.addresses)
        let kept = attachments.rivals(of: [request]).filter { $0.network == name }
            .reduce(into: Set<Prefix>()) { $0.formUnion(own.intersection($1.request.addresses)) }
        let rested = filter.map { filter in
            filter.addresses.filter { !kept.contains($0) }
                .map { RestingAddress(network: filter.network, prefix: $0) }
        }
        for one in rested ?? [] { _ = policy.resting.rest(one) }
        var guarded: [NetworkName: Set<Prefix>] = [:]
        if let own = policy.own, let name = filter?.network { guarded[name] = policy.guarded(on: name, own) }
        let guards = guarded
        let hadGroups = grouped.contains(id)
        let groups = hadGroups ? groupPolicy.layout(removing: [id]) : GroupLayout()
        let former = known?.former ?? [:]
        let uplinks = network?.uplinks ?? [:]
        let vif = name.map { RoutedVif(request, group: group, network: $0, router: nil) }
        let reached = try await host.transact { (access) throws(DrawbridgeError) in
            let reached = try access.reach(
                .routed([device], uplinks: uplinks, addresses: request.hostAddresses),
                within: PlanScope(networks: Set(uplinks.keys), vifs: [id]), dryRun: dryRun, claiming: group,
                desire: { state in
                    guard let vif else { return BridgeVif(request, group: group).offline(in: state) }
                    return vif.offline(in: state, former: former, keeping: kept)
                })
            guard !dryRun else { return reached }
            if let filter { try access.forbid([filter], guarding: guards) }
            if hadGroups { try access.applyGroups(groups) }
            if let guest { try access.expel([guest]) }
            return reached
        }
        var outcome = Outcome(lines: reached.lines, warnings: reached.warnings)
        guard !dryRun else { return outcome }
        attachments[id] = nil
        if let network { outcome.warnings += await tellNoMore(request, on: network.network) }
        await forgetShapers(of: [id])
        grouped.remove(id)
        resting = policy.resting
        let journal = journal
        try journalled { () throws(RecordError) in
            try journal.changeAttachments(AttachmentsChange(removed: [id], resting: rested ?? []))
        }
        log.add("vif-offline", "\(id)")
        return outcome
    }
}

extension Attachment {
    /// Where its device is looked for.
    var vifDevice: VifDevice {
        VifDevice(id: request.id, names: request.possibleNames, index: index == 0 ? nil : index)
    }

    /// What was set of its device before.
    var former: [SettingKey: String] {
        var settings: [SettingKey: String] = [:]
        for key in RoutedVif.settings {
            settings[key] = formerSettings?["\(key.tree.rawValue)/\(key.name)"]
        }
        return settings
    }

    /// The vif as the table of routed networks knows it.
    func routedGuest(on network: Network, isIsolated: Bool = false) -> RoutedGuest? {
        self.network == network.name ? request.routedGuest(on: network, isIsolated: isIsolated) : nil
    }
}

extension [SettingKey: String] {
    /// As an attachment keeps it.
    var asText: [String: String] {
        reduce(into: [:]) { $0["\($1.key.tree.rawValue)/\($1.key.name)"] = $1.value }
    }
}

extension VifRequest {
    /// The single addresses among what the vif is given.
    var hostAddresses: Set<IPAddress> {
        Set(addresses.lazy.filter { $0.length == $0.family.bits }.map(\.address))
    }

    /// The vif as the table of routed networks knows it, by the name that its device will bear.
    ///
    /// - Parameter isIsolated: whether it reaches no other guest even where the network connects them.
    func routedGuest(on network: Network, isIsolated: Bool = false) -> RoutedGuest? {
        guard let routing = network.routing else { return nil }
        let own: LinkName? =
            switch source {
            case .existing(let device): device
            case .pair, .tap: LinkName("\(id)")
            }
        guard let device = vifName ?? own else { return nil }
        return RoutedGuest(
            device: device, reachesGuests: routing.connectsGuests && !isIsolated,
            exit: routing.isNAT ? network.uplinkName : nil)
    }

    /// Whether this vif is a later domain's on the same network, so that what it is given is its own from now on: a
    /// guest that is started anew comes before its old vif has gone.
    func succeeds(_ other: Attachment, on network: NetworkName) -> Bool {
        other.network == network && other.request.id.domain < id.domain
            && other.request.owner == owner
    }

    /// Refuses what would cut the host off.
    func checkAddresses(host: IPv4Address?, router: IPv4Address?) throws(DrawbridgeError) {
        for prefix in addresses {
            for own in [host, router].compactMap({ $0 }) where prefix.contains(.ipv4(own)) {
                throw DrawbridgeError(
                    .conflict, "\(id): ip",
                    "'\(prefix.guestText)' \(prefix.length == 32 ? "is" : "holds") the host's own address \(own)",
                    advice: "give the guest addresses of its own")
            }
            if prefix.family == .ipv6, prefix.contains(.ipv6(RoutedVif.gateway6)) {
                throw DrawbridgeError(
                    .conflict, "\(id): ip", "'\(prefix.guestText)' holds the gateway of guests, fe80::1",
                    advice: "give the guest addresses that are not link-local")
            }
        }
    }
}
