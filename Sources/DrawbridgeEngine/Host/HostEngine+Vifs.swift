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
        let record = AttachmentsRecord(of: attachments, resting, identity: try await identity(uplink: nil))
        try journalled { () throws(RecordError) in try journal.setAttachments(record) }
    }

    /// Connects vifs in one transaction, each its own outcome. Runs within a turn.
    func attachNow(_ work: [Work], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        if work.contains(where: { switchPort(of: $0.request) != nil || isSwitched($0.request) }) {
            return try await attachWithSwitches(work, dryRun: dryRun)
        }
        if work.contains(where: { kind(of: $0.request).isRouted }) {
            return try await attachMixed(work, dryRun: dryRun)
        }
        for one in work where !one.isMove { try checkNotRouted(one.request) }
        // Of these vifs only: what an attach costs must not grow with what else is attached.
        let known = attached(work.map(\.request.id))
        let shared = sharedAddresses(of: work.map(\.request.id))
        let addressed = dryRun ? work : withHardwareAddresses(work)
        let work = try await withAddresses(addressed, dryRun: dryRun)
        let networks = raised.mapValues(\.network)
        let takesFirst = configuration.compatibility.firstOfSeveralBridges
        let group = linkGroup
        for one in work { try checkOwner(of: one.request.id, one.caller) }
        let journal = journal
        let configuration = configuration
        for one in work { try checkVLANs(of: one.request) }
        let rivals = attachments.rivals(of: work.map(\.request))
        if !dryRun {
            let limits = work.contains {
                configuration.rates(of: $0.request, on: $0.request.bridge).fromGuest != nil
            }
            if limits { try await demandWays() }
            try await prepareAttachments()
        }
        let initialPolicy = filterPolicy
        let groups = groupPolicy
        let limiters = limiters(of: work.map(\.request.id))
        let formerEntries = rateEntries
        let (reached, remembered, notices, filtering, own, limits) = try await host.transact {
            (access) throws(DrawbridgeError) in
            var policy = initialPolicy
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
            for (one, place) in zip(work, places) {
                // What was learnt of one guest is not the next one's.
                if known[one.request.id]?.request.mac != one.request.mac
                    || known[one.request.id].isFrom(anotherThan: place.name)
                {
                    policy.learned[one.request.id] = nil
                }
                _ = policy.resting.give(one.request.addresses, on: place.name)
            }
            let filters = zip(work, places).map { policy.filter(of: $0.request, on: $1.name) }
            let filtering = zip(work, filters).map {
                FilterChange(from: access.permitted(known[$0.request.id], policy), to: $1)
            }
            let moves = zip(zip(work, places), filtering).map { pair, change in
                known[pair.0.request.id].move(to: pair.1.name, as: pair.0.request, change)
            }
            var silent: Set<LinkKey> = []
            let desire = { (state: HostState) throws(DrawbridgeError) -> HostState in
                var desired = state
                desired.silent = silent
                for (index, (one, place)) in zip(work, places).enumerated() {
                    var vif = BridgeVif(one.request, group: group)
                    vif.isIsolated = configuration.isolates(one.request, on: place.name)
                    vif.vlans = configuration.vlans(of: one.request)
                    vif.isLearning =
                        shared.contains(one.request.id) || !(filters[index]?.holdsHardwareAddress ?? false)
                    let shaping = shapings[index]
                    try planning { () throws(PlanningError) in
                        try vif.connect(in: &desired, bridge: .bridge(place.name))
                        try shaping.limit(in: &desired)
                    }
                }
                return desired
            }
            let observed = ObservationScope.vifs(devices, bridges: bridges)
            var before: HostState?
            func remember(
                _ bindings: Bindings, after earlier: [VifID: Attachment], isDone: Bool = true
            ) throws(DrawbridgeError) -> [VifID: Attachment] {
                var remembered: [VifID: Attachment] = [:]
                for (index, (one, place)) in zip(work, places).enumerated() {
                    let key = LinkKey.vif(one.request.id)
                    let name = LinkName(bindings.names[key] ?? "\(one.request.id)") ?? place.bridge
                    var new = Attachment(
                        request: one.request, network: place.name, device: name,
                        index: bindings.index(of: key) ?? 0)
                    new.isIsolated = configuration.isolates(one.request, on: place.name) ? true : nil
                    new.isMoving = isDone || moves[index] == nil ? nil : true
                    new.acceptRules = earlier[one.request.id]?.acceptRules
                    if let filter = policy.filter(of: one.request, on: place.name), filter.mode == .learning,
                        !filter.addresses.isEmpty
                    {
                        new.learned = filter.addresses
                    }
                    remembered[one.request.id] = new
                }
                let news = work.compactMap { remembered[$0.request.id] }
                    .filter { earlier[$0.request.id] != $0 }
                try journalled { () throws(RecordError) in
                    try journal.changeAttachments(AttachmentsChange(set: news))
                }
                return remembered
            }
            var written = known
            do throws(DrawbridgeError) {
                // Filter first, link up afterwards.
                if !dryRun,
                    filtering.contains(where: { $0.new != nil || $0.old != nil })
                        || moves.contains(where: { $0 != nil })
                {
                    let own: Set<IPAddress>
                    if let known = policy.own { own = known } else { own = try access.ownAddresses() }
                    policy.own = own
                    var guarded: [NetworkName: Set<Prefix>] = [:]
                    for place in places { guarded[place.name] = policy.guarded(on: place.name, own) }
                    let changes = zip(filtering, moves).map { $1?.closing ?? $0 }
                    do throws(DrawbridgeError) {
                        try access.permit(changes, guarding: guarded)
                        silent = Set(zip(work, moves).compactMap { $1 == nil ? nil : .vif($0.request.id) })
                        try access.empty(silent.compactMap { limiters[$0] })
                    } catch {
                        // Nobody needs nf_tables for vifs that are not filtered: they go down for the move.
                        guard filtering.allSatisfy({ $0.new == nil && $0.old == nil }) else { throw error }
                    }
                }
                let comers = zip(work, places).map { ($0.request, $1.name) }
                if !dryRun, comers.contains(where: { groups.concerns($0.0, on: $0.1) }) {
                    try access.applyGroups(groups.layout(adding: comers))
                }
                let reached = try access.reach(
                    observed, within: scope, dryRun: dryRun, peers: peers,
                    writeDown: { (state, bindings) throws(DrawbridgeError) in
                        before = state
                        written = try remember(bindings, after: known, isDone: false)
                    }, desire: desire)
                var notices = zip(work, shapings).map { one, shaping in
                    shaping.notices(
                        mtu: reached.after.links[.vif(one.request.id)]?.mtu ?? one.request.mtu ?? 1500)
                }
                for (index, (one, place)) in zip(work, places).enumerated()
                where filters[index] == nil && policy.settings(of: one.request.id, on: place.name).isOn {
                    notices[index].append(
                        "\(one.request.id) is not filtered: its hardware address is not told (mac=)")
                }
                let limits = shapings.map(\.rates)
                guard !dryRun else { return (reached, known, notices, filtering, policy.own, limits) }
                let outcomes = reached.outcomes(of: work.map(\.request.id))
                try access.pinForwarding(
                    zip(filtering, outcomes).flatMap { change, outcome -> [ForwardingPin] in
                        // A port that stays as it is has its entry.
                        guard outcome.changed || change.old != change.new else { return [] }
                        let id = change.new?.id ?? change.old?.id
                        if id?.isEmulated ?? true { return [] }
                        return change.pins(isShared: id.map { shared.contains($0) } ?? false) {
                            reached.bindings.index(of: .vif($0))
                        }
                    })
                if !silent.isEmpty { try access.permit(moves.compactMap { $0?.opening }) }
                return (
                    reached, try remember(reached.bindings, after: written), notices, filtering, policy.own,
                    limits
                )
            } catch {
                // What was there before is what is wanted now.
                if !dryRun {
                    try? access.permit(zip(filtering, moves).map { $1?.turning ?? $0.inverse })
                    try? access.applyGroups(groups.layout())
                }
                if let before {
                    _ = try? access.reach(
                        observed, within: scope,
                        desire: { _ in
                            var before = before
                            before.silent = silent
                            return before
                        })
                    try? journal.changeAttachments(
                        AttachmentsChange(
                            set: Array(known.values),
                            removed: work.map(\.request.id).filter { known[$0] == nil }))
                }
                if !dryRun { try? access.permit(moves.compactMap { $0?.reopening }) }
                throw error
            }
        }
        if !dryRun {
            ownAddresses = own
            for (id, one) in remembered {
                attachments[id] = one
                learned[id] = one.learned
            }
            rememberGroups(of: work.map(\.request.id))
            for one in remembered.values {
                guard let network = one.network else { continue }
                _ = resting.give(one.request.addresses, on: network)
            }
            rememberShapers(reached.bindings, of: work.map(\.request.id))
            try await leadToShapers(work.map(\.request.id))
            await carryVLANs(of: Set(remembered.values.compactMap(\.network)))
            for one in work {
                log.add(
                    "vif-online", "\(one.request.id)", remembered[one.request.id]?.network?.rawValue ?? "")
            }
        }
        var outcomes = reached.outcomes(of: work.map(\.request.id))
        for (index, notices) in notices.enumerated() {
            outcomes[index].warnings.insert(contentsOf: notices, at: 0)
            outcomes[index].note(filtering[index])
            let id = work[index].request.id
            outcomes[index].notePackets(of: id, limits[index], insteadOf: formerEntries[id])
        }
        if !dryRun {
            await tellNameServers()
            await followForwards()
            await settleLearning(besides: work.map(\.request.id))
            await settleListening(to: work.map(\.request.id))
            if let warning = await settleAcceptance(of: work.map(\.request.id)) {
                for index in outcomes.indices { outcomes[index].warnings.append(warning) }
            }
        }
        return outcomes
    }

    /// Disconnects vifs in one transaction, whatever is left of them, each its own outcome. Runs within a turn.
    func detachNow(_ requests: [VifRequest], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        if requests.contains(where: isSwitched) {
            return try await detachWithSwitches(requests, dryRun: dryRun)
        }
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
        var policy = filterPolicy
        let filters = try await host.transact { [policy] access in
            ids.compactMap { access.permitted(known[$0], policy) }
        }
        let rested = filters.flatMap { filter in
            filter.addresses.map { RestingAddress(network: filter.network, prefix: $0) }
        }
        for one in rested { _ = policy.resting.rest(one) }
        var guarded: [NetworkName: Set<Prefix>] = [:]
        if let own = policy.own {
            for name in Set(rested.map(\.network)) { guarded[name] = policy.guarded(on: name, own) }
        }
        let guards = guarded
        let hadGroups = ids.contains { grouped.contains($0) }
        let groups = hadGroups ? groupPolicy.layout(removing: ids) : GroupLayout()
        let reached = try await host.transact { (access) throws(DrawbridgeError) in
            let reached = try access.reach(
                .vifs(devices, bridges: [:]), within: PlanScope(vifs: Set(ids)), dryRun: dryRun,
                claiming: group,
                desire: { state in
                    requests.reduce(into: state) { BridgeVif($1, group: group).disconnect(in: &$0) }
                })
            guard !dryRun else { return reached }
            try access.forbid(filters, guarding: guards)
            if hadGroups { try access.applyGroups(groups) }
            return reached
        }
        var outcomes = reached.outcomes(of: ids)
        for (index, id) in ids.enumerated() {
            outcomes[index].note(FilterChange(from: filters.first { $0.id == id }, to: nil))
        }
        guard !dryRun else { return outcomes }
        await withdrawAcceptance(of: ids)
        for id in ids {
            attachments[id] = nil
            learned[id] = nil
            grouped.remove(id)
        }
        await forgetShapers(of: ids)
        await carryVLANs(of: Set(known.values.compactMap(\.network)))
        resting = policy.resting
        let journal = journal
        try journalled { () throws(RecordError) in
            try journal.changeAttachments(AttachmentsChange(removed: ids, resting: rested))
        }
        for id in ids { log.add("vif-offline", "\(id)") }
        await tellNameServers()
        await followForwards()
        await settleLearning(besides: ids)
        await settleListening(to: ids)
        return outcomes
    }

    /// The same, a hardware address chosen for every pair of which none is told.
    func withHardwareAddresses(_ work: [Work]) -> [Work] {
        work.map { one in
            var result = one
            result.request = one.request.withHardwareAddress(attachments[one.request.id]?.request) {
                attachments.isTaken($0)
            }
            return result
        }
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
        await attachAgain(attachments.values.filter { $0.network == network.name }, to: network.name.rawValue)
        {
            $0.name == $1.device.rawValue
        }
    }

    /// Attaches again what is a port still of bridges that are others': what an earlier daemon did for it is this
    /// one's to keep.
    func attachToForeignBridges() async {
        let known = attachments.values.filter { one in
            one.request.switchPort == nil && (one.network.map { raised[$0] == nil } ?? false)
        }
        await attachAgain(known, to: "daemon") { $0.portKind == "bridge" && $0.name == $1.device.rawValue }
    }

    private func attachAgain(
        _ known: [Attachment], to object: String,
        where isDue: @escaping @Sendable (Link<Int32>, Attachment) -> Bool
    ) async {
        guard !known.isEmpty else { return }
        let known = known.sorted { $0.request.id < $1.request.id }
        let same: [Attachment]
        do throws(DrawbridgeError) {
            same = try await host.transact { (access) throws(DrawbridgeError) in
                let links = try access.links(known.map(\.index))
                return known.filter { one in links[one.index].map { isDue($0, one) } ?? false }
            }
        } catch {
            return log.add("network-adopted", object, error: "\(error)")
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
    init(of attachments: AttachmentTable, _ resting: RestingAddresses, identity: JournalIdentity) {
        self.init(
            attachments: attachments.values.sorted { $0.request.id < $1.request.id },
            resting: resting.all, identity: identity)
    }
}
