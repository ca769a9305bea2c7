import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostEngine {
    /// Refuses to connect anew what another user has connected.
    func checkOwner(of id: VifID, _ caller: Caller) throws(DrawbridgeError) {
        guard let known = attachments[id], !caller.isRoot, known.request.owner != caller.user else { return }
        throw DrawbridgeError(
            .permissionDenied, "\(id)", "belongs to another user",
            advice: "ask root, or choose another number")
    }

    /// Writes down what is attached, all of it.
    func writeAttachments() async throws(DrawbridgeError) {
        let record = AttachmentsRecord(of: attachments, identity: try await identity(uplink: nil))
        try journalled { () throws(RecordError) in try journal.setAttachments(record) }
    }

    /// Connects vifs in one transaction, each its own outcome. Runs within a turn.
    func attachNow(_ work: [Work], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        if work.contains(where: { kind(of: $0.request).isRouted }) {
            return try await attachMixed(work, dryRun: dryRun)
        }
        for one in work { try checkNotRouted(one.request) }
        // Of these vifs only: what an attach costs must not grow with what else is attached.
        let known = attached(work.map(\.request.id))
        let networks = raised.mapValues(\.network)
        let takesFirst = configuration.compatibility.firstOfSeveralBridges
        let group = linkGroup
        for one in work { try checkOwner(of: one.request.id, one.caller) }
        let journal = journal
        let configuration = configuration
        let rivals = attachments.rivals(of: work.map(\.request))
        if !dryRun { try await prepareAttachments() }
        let protected = filteredNetworks
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
                zip(work, places).map { ($0.request, $1.name) }, among: rivals)
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
            func remember(
                _ bindings: Bindings, after earlier: [VifID: Attachment]
            ) throws(DrawbridgeError) -> [VifID: Attachment] {
                var remembered: [VifID: Attachment] = [:]
                for (one, place) in zip(work, places) {
                    let key = LinkKey.vif(one.request.id)
                    let name = LinkName(bindings.names[key] ?? "\(one.request.id)") ?? place.bridge
                    remembered[one.request.id] = Attachment(
                        request: one.request, network: place.name, device: name,
                        index: bindings.index(of: key) ?? 0)
                }
                let news = work.compactMap { remembered[$0.request.id] }
                    .filter { earlier[$0.request.id] != $0 }
                try journalled { () throws(RecordError) in
                    try journal.changeAttachments(AttachmentsChange(set: news))
                }
                return remembered
            }
            var written = known
            let filters = zip(work, places).map { one, place in
                protected[place.name] == nil ? nil : one.request.filter(on: place.name)
            }
            func formerFilter(of known: Attachment?) -> VifFilter? {
                guard let known, let name = known.network, protected[name] != nil else { return nil }
                return known.request.filter(on: name)
            }
            do throws(DrawbridgeError) {
                // Filter first, link up afterwards.
                if !dryRun {
                    for (name, addresses) in protected where bridges[name] != nil {
                        try access.protect(addresses, in: name.rawValue)
                    }
                    for (one, filter) in zip(work, filters) {
                        let old = formerFilter(of: known[one.request.id])
                        if let filter {
                            try access.permit(filter, insteadOf: old)
                        } else if let old {
                            try access.forbid(old)
                        }
                    }
                }
                let reached = try access.reach(
                    observed, within: scope, dryRun: dryRun, peers: peers,
                    writeDown: { (state, bindings) throws(DrawbridgeError) in
                        before = state
                        written = try remember(bindings, after: known)
                    }, desire: desire)
                var notices = zip(work, shapings).map { one, shaping in
                    shaping.notices(
                        mtu: reached.after.links[.vif(one.request.id)]?.mtu ?? one.request.mtu ?? 1500)
                }
                for (index, place) in places.enumerated()
                where protected[place.name] != nil && filters[index] == nil {
                    notices[index].append(
                        "\(work[index].request.id) is not filtered: its hardware address is not told (mac=)")
                }
                guard !dryRun else { return (reached, known, notices) }
                return (reached, try remember(reached.bindings, after: written), notices)
            } catch {
                // What was there before is what is wanted now.
                for (one, filter) in zip(work, filters) where !dryRun {
                    guard let filter else { continue }
                    if let old = formerFilter(of: known[one.request.id]) {
                        try? access.permit(old, insteadOf: filter)
                    } else {
                        try? access.forbid(filter)
                    }
                }
                if let before {
                    _ = try? access.reach(observed, within: scope, desire: { _ in before })
                    try? journal.changeAttachments(
                        AttachmentsChange(
                            set: Array(known.values),
                            removed: work.map(\.request.id).filter { known[$0] == nil }))
                }
                throw error
            }
        }
        if !dryRun {
            for (id, one) in remembered { attachments[id] = one }
            rememberShapers(reached.bindings, of: work.map(\.request.id))
            for one in work {
                log.add(
                    "vif-online", "\(one.request.id)", remembered[one.request.id]?.network?.rawValue ?? "")
            }
        }
        var outcomes = reached.outcomes(of: work.map(\.request.id))
        for (index, notices) in notices.enumerated() {
            outcomes[index].warnings.insert(contentsOf: notices, at: 0)
        }
        return outcomes
    }

    /// Disconnects vifs in one transaction, whatever is left of them, each its own outcome. Runs within a turn.
    func detachNow(_ requests: [VifRequest], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        if requests.contains(where: isRouted) { return try await detachMixed(requests, dryRun: dryRun) }
        let ids = requests.map(\.id)
        let known = attached(ids)
        let group = linkGroup
        let requests = requests.map { known[$0.id]?.request ?? $0 }
        let devices = requests.map { request in
            VifDevice(
                id: request.id, names: request.possibleNames,
                index: known[request.id].flatMap { $0.index == 0 ? nil : $0.index })
        }
        if !dryRun { try await prepareAttachments() }
        let protected = filteredNetworks
        let filters = known.values.compactMap { one in
            one.network.flatMap { protected[$0] == nil ? nil : one.request.filter(on: $0) }
        }
        let reached = try await host.transact { (access) throws(DrawbridgeError) in
            let reached = try access.reach(
                .vifs(devices, bridges: [:]), within: PlanScope(vifs: Set(ids)), dryRun: dryRun,
                claiming: group,
                desire: { state in
                    requests.reduce(state) { BridgeVif($1, group: group).offline(in: $0) }
                })
            guard !dryRun else { return reached }
            try access.forbid(filters)
            return reached
        }
        let outcomes = reached.outcomes(of: ids)
        guard !dryRun else { return outcomes }
        for id in ids {
            attachments[id] = nil
            shapers[id] = nil
        }
        let journal = journal
        try journalled { () throws(RecordError) in
            try journal.changeAttachments(AttachmentsChange(removed: ids))
        }
        for id in ids { log.add("vif-offline", "\(id)") }
        return outcomes
    }

    /// What is known of these vifs.
    private func attached(_ ids: [VifID]) -> [VifID: Attachment] {
        var known: [VifID: Attachment] = [:]
        for id in ids { known[id] = attachments[id] }
        return known
    }

    /// Writes all attachments anew where that is due, so that the changes of a transaction can follow them.
    func prepareAttachments() async throws(DrawbridgeError) {
        guard journal.attachmentsAreDue else { return }
        try await writeAttachments()
    }

    /// Attaches again what was attached to a network before it was lowered, where the same device is there still.
    func attachRemembered(to network: Network) async {
        let known = attachments.values.filter { $0.network == network.name }
            .sorted { $0.request.id < $1.request.id }
        let same: [Attachment]
        do throws(DrawbridgeError) {
            same = try await host.transact { (access) throws(DrawbridgeError) in
                let links = try access.links(known.map(\.index))
                return known.filter { links[$0.index]?.name == $0.device.rawValue }
            }
        } catch {
            return log.add("network-adopted", network.name.rawValue, error: "\(error)")
        }
        guard !same.isEmpty else { return }
        // A pair is not made a second time: its device is there, and only becomes a port again.
        let work = same.map { Work(request: $0.request, caller: .daemon) }
        for (one, result) in zip(work, await attachEach(work)) {
            if case .failure(let error) = result {
                log.add("vif-online", "\(one.request.id)", error: "\(error)")
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
    init(of attachments: AttachmentTable, identity: JournalIdentity) {
        self.init(
            attachments: attachments.values.sorted { $0.request.id < $1.request.id }, identity: identity)
    }
}
