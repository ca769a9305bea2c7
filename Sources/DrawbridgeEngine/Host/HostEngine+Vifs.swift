import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostEngine {
    public func attach(
        _ request: VifRequest, namespace: Int32?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        let work = Work(request: request, namespace: namespace, caller: caller)
        if let call = ownVifScript { return try await attach(work, by: call, dryRun: dryRun) }
        if dryRun {
            await turn.begin()
            defer { turn.end() }
            return try await attachNow([work], dryRun: true)
        }
        let result: Result<Outcome, DrawbridgeError> = await withCheckedContinuation { continuation in
            pendingAttaches.append(PendingAttach(work: work, answer: continuation))
            // The first to wait takes the turn for all who wait by then.
            if pendingAttaches.count == 1 { Task { await self.attachPending() } }
        }
        return try result.get()
    }

    /// One attach of a transaction.
    struct Work: Sendable {
        var request: VifRequest
        /// The namespace for the guest's end of a pair; open until the attach is answered.
        var namespace: Int32?
        var caller: Caller
    }

    private func attachPending() async {
        await turn.begin()
        defer { turn.end() }
        let pending = pendingAttaches
        pendingAttaches = []
        let ids = Set(pending.map(\.work.request.id))
        if pending.count > 1, ids.count == pending.count {
            do throws(DrawbridgeError) {
                let outcome = try await attachNow(pending.map(\.work), dryRun: false)
                for one in pending { one.answer.resume(returning: .success(outcome)) }
                return
            } catch {
                // One of them is at fault; each on its own tells which.
            }
        }
        for one in pending {
            do throws(DrawbridgeError) {
                one.answer.resume(returning: .success(try await attachNow([one.work], dryRun: false)))
            } catch {
                log.add("vif-online", "\(one.work.request.id)", error: "\(error)")
                one.answer.resume(returning: .failure(error))
            }
        }
    }

    /// Refuses to connect anew what another user has connected.
    func checkOwner(of id: VifID, _ caller: Caller) throws(DrawbridgeError) {
        guard let known = attachments[id], !caller.isRoot, known.request.owner != caller.user else { return }
        throw DrawbridgeError(
            .permissionDenied, "\(id)", "belongs to another user",
            advice: "ask root, or choose another number")
    }

    /// Writes down what is attached.
    func writeAttachments() async throws(DrawbridgeError) {
        let record = AttachmentsRecord(of: attachments, identity: try await identity(uplink: nil))
        try journalled { () throws(RecordError) in try journal.setAttachments(record) }
    }

    /// Connects vifs in one transaction. Runs within a turn.
    func attachNow(_ work: [Work], dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        let known = attachments
        let networks = raised.mapValues(\.network)
        let takesFirst = configuration.compatibility.firstOfSeveralBridges
        let group = linkGroup
        for one in work { try checkOwner(of: one.request.id, one.caller) }
        let journal = journal
        let configuration = configuration
        let identity = try await identity(uplink: nil)
        let (reached, remembered, notices) = try await host.transact { (access) throws(DrawbridgeError) in
            var bridges: [NetworkName: LinkName] = [:]
            var places: [(name: NetworkName, bridge: LinkName)] = []
            for one in work {
                let place = try access.bridge(for: one.request, networks, takesFirst: takesFirst)
                bridges[place.name] = place.bridge
                places.append(place)
                try access.checkName(of: one.request)
                if !one.caller.isRoot, let key = configuration.excess(of: one.request, on: place.name) {
                    throw DrawbridgeError(
                        .permissionDenied, "\(one.request.id): \(key)",
                        "is more than the configuration gives it",
                        advice: "ask root, or for less")
                }
            }
            try access.checkUnique(
                zip(work, places).map { ($0.request, $1.name) }, among: known)
            let devices = work.map { VifDevice(id: $0.request.id, names: $0.request.possibleNames) }
            let scope = PlanScope(networks: Set(bridges.keys), vifs: Set(work.map(\.request.id)))
            var peers: [LinkKey: Int32] = [:]
            for one in work { peers[.vif(one.request.id)] = one.namespace }
            let tick = HostAccess.timerTick
            let shapings = zip(work, places).map { one, place in
                VifShaping(
                    one.request.id, configuration.rates(of: one.request, on: place.name), group: group,
                    tick: tick)
            }
            let desire = { (state: HostState) throws(DrawbridgeError) -> HostState in
                var desired = state
                for (place, (one, shaping)) in zip(places, zip(work, shapings)) {
                    desired = try planning { () throws(PlanningError) in
                        try BridgeVif(one.request, group: group).online(
                            in: desired, bridge: .bridge(place.name))
                    }
                    desired = try planning { () throws(PlanningError) in try shaping.limited(in: desired) }
                }
                return desired
            }
            let observed = ObservationScope.vifs(devices, bridges: bridges)
            var before: HostState?
            func remember(_ bindings: Bindings) throws(DrawbridgeError) -> [VifID: Attachment] {
                var remembered = known
                for (one, place) in zip(work, places) {
                    let key = LinkKey.vif(one.request.id)
                    let name = LinkName(bindings.names[key] ?? "\(one.request.id)") ?? place.bridge
                    remembered[one.request.id] = Attachment(
                        request: one.request, network: place.name, device: name,
                        index: bindings.index(of: key) ?? 0)
                }
                try journalled { () throws(RecordError) in
                    try journal.setAttachments(AttachmentsRecord(of: remembered, identity: identity))
                }
                return remembered
            }
            do throws(DrawbridgeError) {
                let reached = try access.reach(
                    observed, within: scope, dryRun: dryRun, peers: peers,
                    writeDown: { (state, bindings) throws(DrawbridgeError) in
                        before = state
                        _ = try remember(bindings)
                    }, desire: desire)
                let notices = zip(work, shapings).flatMap { one, shaping in
                    shaping.notices(
                        mtu: reached.after.links[.vif(one.request.id)]?.mtu ?? one.request.mtu ?? 1500)
                }
                guard !dryRun else { return (reached, known, notices) }
                return (reached, try remember(reached.bindings), notices)
            } catch {
                // What was there before is what is wanted now.
                if let before {
                    _ = try? access.reach(observed, within: scope, desire: { _ in before })
                    try? journal.setAttachments(AttachmentsRecord(of: known, identity: identity))
                }
                throw error
            }
        }
        attachments = remembered
        if !dryRun {
            rememberShapers(reached.bindings, of: work.map(\.request.id))
            for one in work {
                log.add(
                    "vif-online", "\(one.request.id)", remembered[one.request.id]?.network?.rawValue ?? "")
            }
        }
        return Outcome(
            changed: !reached.lines.isEmpty, plan: reached.lines, warnings: notices + reached.warnings)
    }

    public func detach(_ id: VifID, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError) -> Outcome
    {
        await turn.begin()
        defer { turn.end() }
        guard let known = attachments[id] else {
            throw DrawbridgeError(
                .notFound, "\(id)", "is not attached", advice: "'drawbridge vif list' shows those that are")
        }
        guard caller.isRoot || known.request.owner == caller.user else {
            throw DrawbridgeError(.permissionDenied, "\(id)", "belongs to another user", advice: "ask root")
        }
        if let call = ownVifScript { return try await detach(known, by: call, dryRun: dryRun) }
        return try await detachNow(known.request, dryRun: dryRun)
    }

    /// Disconnects a vif, whatever is left of it. Runs within a turn.
    func detachNow(_ request: VifRequest, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        let id = request.id
        let known = attachments[id]
        let group = linkGroup
        let request = known?.request ?? request
        let names = request.possibleNames
        let index = known.flatMap { $0.index == 0 ? nil : $0.index }
        let reached = try await host.transact { (access) throws(DrawbridgeError) in
            try access.reach(
                .vifs([VifDevice(id: id, names: names, index: index)], bridges: [:]),
                within: PlanScope(vifs: [id]), dryRun: dryRun, claiming: group,
                desire: { state in BridgeVif(request, group: group).offline(in: state) })
        }
        let outcome = Outcome(
            changed: !reached.lines.isEmpty, plan: reached.lines, warnings: reached.warnings)
        guard !dryRun else { return outcome }
        attachments[id] = nil
        shapers[id] = nil
        try await writeAttachments()
        log.add("vif-offline", "\(id)")
        return outcome
    }

    /// Attaches again what was attached to a network before it was lowered, where the same device is there still.
    func attachRemembered(to network: Network) async {
        for known in attachments.values.sorted(by: { $0.request.id < $1.request.id })
        where known.network == network.name {
            do throws(DrawbridgeError) {
                let isSame = try await host.transact { (access) throws(DrawbridgeError) in
                    try access.link(index: known.index)?.name == known.device.rawValue
                }
                guard isSame else { continue }
                // A pair is not made a second time: its device is there, and only becomes a port again.
                _ = try await attachNow(
                    [Work(request: known.request, caller: .daemon)], dryRun: false)
            } catch {
                log.add("vif-online", "\(known.request.id)", error: "\(error)")
            }
        }
    }
}

extension VifRequest {
    /// The names that the host's end may bear, the likeliest first.
    var possibleNames: [LinkName] {
        var names: [LinkName] = []
        if let vifName { names.append(vifName) }
        if case .existing(let device) = source { names.append(device) }
        if let own = LinkName("\(id)"), !names.contains(own) { names.append(own) }
        return names
    }
}

extension AttachmentsRecord {
    /// The record of these attachments, in the order of their vifs.
    init(of attachments: [VifID: Attachment], identity: JournalIdentity) {
        self.init(
            attachments: attachments.values.sorted { $0.request.id < $1.request.id }, identity: identity)
    }
}
