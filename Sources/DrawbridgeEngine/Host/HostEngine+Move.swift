import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
public import NetworkTypes

// A vif goes from one network to another, and its guest's link stays. See docs/move.md.

extension HostEngine {
    public func move(
        _ id: VifID, to network: LinkName, addresses: [Prefix]?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        // The tap of an emulated card is the same interface of the guest's.
        let known = [id.own, id.emulated].compactMap { attachments[$0] }
        guard attachments[id] != nil, let from = known.first?.network else {
            throw DrawbridgeError(
                .notFound, "\(id)",
                attachments[id] == nil ? "is not attached" : "is on no network of Drawbridge's",
                advice: "'drawbridge vif list' shows those that are")
        }
        var work: [Work] = []
        for one in known {
            try checkOwner(of: one.request.id, caller)
            let request = try await moved(one, to: network, addresses)
            work.append(Work(request: request, caller: caller, isMove: true))
        }
        // Whatever can be refused is refused before anything changes.
        let planned = try await attachNow(work, dryRun: true)
        var left: [String] = []
        for one in known where isRouted(one.request) { left += try await leave(one, dryRun: true) }
        guard !dryRun else {
            return planned.reduce(into: Outcome(lines: left)) { total, one in
                var one = one
                // The vif is looked at as it is, with what it will have left behind by then.
                one.plan.removeAll { left.contains($0) }
                total.add(one)
            }
        }
        do throws(DrawbridgeError) {
            try await rest(known)
            for one in known where isRouted(one.request) {
                _ = try await leave(one, dryRun: false)
                guard let network = one.network.flatMap({ raised[$0]?.network }) else { continue }
                for warning in await tellNoMore(one.request, on: network) {
                    log.add("warning", "\(one.request.id)", warning)
                }
            }
            let outcomes = try await attachNow(work, dryRun: false)
            for one in known {
                log.add(
                    "vif-moved", "\(one.request.id)", "\(from) \(attachments[id]?.network?.rawValue ?? "")")
            }
            await tellNameServers()
            await followForwards()
            await settleListening(to: known.map(\.request.id))
            return outcomes.reduce(into: Outcome(lines: left)) { $0.add($1) }
        } catch {
            log.add("vif-moved", "\(id)", "\(from) \(network)", error: "\(error)")
            await goBack(known)
            throw error
        }
    }

    /// What is asked for a vif on the network that it goes to.
    private func moved(
        _ known: Attachment, to network: LinkName, _ addresses: [Prefix]?
    ) async throws(DrawbridgeError) -> VifRequest {
        var request = known.request
        let id = request.id
        guard ownVifScript == nil else {
            throw DrawbridgeError(
                .unsupported, "\(id)",
                "vifs are connected by a program of the administrator's, which knows no move",
                advice: "disconnect it and connect it anew")
        }
        request.bridge = network
        request.kind = nil
        request.netdev = nil
        // Whether it is told its address is for the other network to say.
        request.handsOut = nil
        guard known.request.switchPort == nil, switchPort(of: request) == nil else {
            throw DrawbridgeError(
                .unsupported, "\(id)", "a port of Open vSwitch is not moved, and none is made by a move",
                advice: "disconnect it and connect it anew")
        }
        let networks = raised.mapValues(\.network)
        let asked = request
        let target = try await host.transact { (access) throws(DrawbridgeError) -> NetworkName in
            if let named = networks[network] { return named.name }
            return try access.bridge(for: asked, networks, takesFirst: false).name
        }
        guard target != known.network else {
            throw DrawbridgeError(
                .conflict, "\(id)", "is on \(target) already", advice: "name another network")
        }
        if let addresses {
            request.addresses = addresses
        } else if networks[target]?.handsOut == true {
            request.addresses = []
        } else {
            let own = given(to: known)
            request.addresses.removeAll { own.contains($0.address) }
        }
        return request
    }

    /// The addresses that a vif has by the network that it is on, and not because anybody told them.
    private func given(to known: Attachment) -> Set<IPAddress> {
        guard let name = known.network else { return [] }
        var own: Set<IPAddress> = []
        if let mac = known.request.mac { own.formUnion(books[name]?[mac]?.addresses ?? []) }
        if known.request.kind == .nat {
            var plain = known.request
            plain.addresses = []
            if let derived = try? NATAddresses(of: plain) { own.insert(.ipv4(derived.guest)) }
        }
        return own
    }

    /// Keeps the addresses that vifs have on a network that they are about to leave from its other vifs, as those of vifs
    /// that go.
    private func rest(_ leaving: [Attachment]) async throws(DrawbridgeError) {
        let policy = filterPolicy
        let filters = try await host.transact { access in
            leaving.compactMap { access.permitted($0, policy) }
        }
        let rested = filters.flatMap { filter in
            filter.addresses.map { RestingAddress(network: filter.network, prefix: $0) }
        }
        for one in rested { _ = resting.rest(one) }
        try await prepareAttachments()
        let journal = journal
        try journalled { () throws(RecordError) in
            try journal.changeAttachments(AttachmentsChange(resting: rested))
        }
        try await guardResting(on: Set(rested.map(\.network)))
    }

    private func guardResting(on networks: Set<NetworkName>) async throws(DrawbridgeError) {
        let policy = filterPolicy
        guard let own = policy.own, !networks.isEmpty else { return }
        try await host.transact { (access) throws(DrawbridgeError) in
            var guarded: [NetworkName: Set<Prefix>] = [:]
            for name in networks { guarded[name] = policy.guarded(on: name, own) }
            try access.guardAddresses(guarded)
        }
    }

    /// Takes off a vif what a routed network put there; nothing passes of it from then on.
    ///
    /// - Returns: the steps.
    private func leave(_ known: Attachment, dryRun: Bool) async throws(DrawbridgeError) -> [String] {
        let (request, id, group) = (known.request, known.request.id, linkGroup)
        guard let name = known.network, let network = raised[name] else { return [] }
        let own = Set(request.addresses)
        let kept = attachments.rivals(of: [request]).filter { $0.network == name }
            .reduce(into: Set<Prefix>()) { $0.formUnion(own.intersection($1.request.addresses)) }
        let vif = RoutedVif(request, group: group, network: name, router: nil)
        let guest = known.routedGuest(on: network.network, isIsolated: known.isIsolated ?? false)
        let (policy, uplinks, former) = (filterPolicy, network.uplinks, known.former)
        return try await host.transact { (access) throws(DrawbridgeError) in
            if !dryRun, let filter = access.permitted(known, policy) {
                try access.permit([FilterChange(from: filter, to: filter.silenced)])
            }
            let reached = try access.reach(
                .routed([known.vifDevice], uplinks: uplinks, addresses: request.hostAddresses),
                within: PlanScope(networks: Set(uplinks.keys), vifs: [id]), dryRun: dryRun,
                desire: { vif.leaving(in: $0, former: former, keeping: kept) })
            if !dryRun, let guest { try access.expel([guest]) }
            return reached.lines
        }
    }

    /// Connects vifs again as they were, where a move failed half way.
    private func goBack(_ known: [Attachment]) async {
        for one in known {
            if let network = one.network { _ = resting.give(one.request.addresses, on: network) }
        }
        for one in known where isRouted(one.request) {
            if case .failure(let error)? = await attachEach([Work(request: one.request, caller: .daemon)])
                .first
            {
                log.add("vif-online", "\(one.request.id)", error: "\(error)")
            }
        }
        do throws(DrawbridgeError) {
            try await guardResting(on: Set(known.compactMap(\.network)))
            try await writeAttachments()
        } catch {
            log.add("filter", "host", error: "\(error)")
        }
    }
}

extension Outcome {
    fileprivate mutating func add(_ other: Outcome) {
        changed = changed || other.changed
        plan += other.plan
        warnings += other.warnings
    }
}
