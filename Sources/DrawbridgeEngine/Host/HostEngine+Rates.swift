import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostEngine {
    public func setLimits(
        of id: VifID, _ limits: LimitsChange, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        guard var wanted = attachments[id] else {
            throw DrawbridgeError(
                .notFound, "\(id)", "is not attached", advice: "'drawbridge vif list' shows those that are")
        }
        guard caller.isRoot else {
            throw DrawbridgeError(.permissionDenied, "\(id)", "its limits are root's", advice: "ask root")
        }
        if let rate = limits.rate { wanted.request.rate = rate }
        if let rate = limits.rateIn { wanted.request.rateIn = rate }
        if let rate = limits.ratePackets { wanted.request.ratePackets = rate }
        if let rate = limits.rateInPackets { wanted.request.rateInPackets = rate }
        let outcome = try await limit(wanted, dryRun: dryRun)
        if !dryRun { log.add("vif-limited", "\(id)", "\(rates(of: wanted))") }
        return outcome
    }

    /// The limits that hold for a vif.
    func rates(of known: Attachment) -> VifRates {
        configuration.rates(of: known.request, on: known.network)
    }

    /// Brings the limits of a vif to what is wanted of it, and nothing else. Runs within a turn.
    func limit(_ wanted: Attachment, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        let id = wanted.request.id
        let (rates, group, journal) = (rates(of: wanted), linkGroup, journal)
        if !dryRun {
            if rates.fromGuest != nil { try await demandWays() }
            try await prepareAttachments()
        }
        let known = attachments[id]
        let after = AttachmentsChange(set: [wanted])
        let before = AttachmentsChange(set: known.map { [$0] } ?? [], removed: known == nil ? [id] : [])
        let device = VifDevice(
            id: id, names: wanted.request.possibleNames, index: wanted.index == 0 ? nil : wanted.index)
        let isRouted = wanted.network.flatMap { raised[$0] }?.network.kind.isRouted ?? false
        let (reached, notices, isHeld) = try await host.transact { (access) throws(DrawbridgeError) in
            var isHeld = false
            let shaping = VifShaping(id, rates, group: group, tick: HostAccess.timerTick)
            var found: HostState?
            do throws(DrawbridgeError) {
                let reached = try access.reach(
                    .vifs([device], bridges: [:]), within: PlanScope(vifs: [id]), dryRun: dryRun,
                    writeDown: { (state, _) throws(DrawbridgeError) in
                        found = state
                        try journalled { () throws(RecordError) in try journal.changeAttachments(after) }
                    },
                    desire: { (state) throws(DrawbridgeError) in
                        guard let link = state.links[.vif(id)] else {
                            throw DrawbridgeError(.notFound, "\(id)", "its device \(wanted.device) is gone")
                        }
                        // One that waits for its network gets its limits with it.
                        isHeld =
                            link.master != nil || wanted.request.switchPort != nil || (isRouted && link.isUp)
                        guard isHeld else { return shaping.unlimited(in: state) }
                        return try planning { () throws(PlanningError) in try shaping.limited(in: state) }
                    })
                let mtu = reached.before.links[.vif(id)]?.mtu ?? 1500
                return (reached, shaping.notices(mtu: mtu), isHeld)
            } catch {
                if let found {
                    _ = try? access.reach(
                        .vifs([device], bridges: [:]), within: PlanScope(vifs: [id]), desire: { _ in found })
                    try? journal.changeAttachments(before)
                }
                throw error
            }
        }
        var outcome = Outcome(
            changed: !reached.lines.isEmpty, plan: reached.lines, warnings: notices + reached.warnings)
        outcome.notePackets(of: id, isHeld ? rates : VifRates(), insteadOf: rateEntries[id])
        guard !dryRun else { return outcome }
        attachments[id] = wanted
        rememberShapers(reached.bindings, of: [id])
        try await leadToShapers([id], areHeld: isHeld)
        return outcome
    }

    /// Remembers which device limits which vif, to know it when the kernel tells that it is gone.
    func rememberShapers(_ bindings: Bindings, of ids: [VifID]) {
        for id in ids { shapers[id] = bindings.index(of: .ifb(id)) }
    }

    /// Has nf_tables hold the limits that vifs have now: what they receive is led to what limits its octets, and packets
    /// are counted. Those that are limited no more are let go.
    ///
    /// - Parameter areHeld: whether they are connected; what waits for its network is not limited.
    func leadToShapers(_ ids: [VifID], areHeld: Bool = true) async throws(DrawbridgeError) {
        var entries = rateEntries
        for id in ids {
            entries[id] = nil
            guard areHeld, let known = attachments[id], known.index != 0 else { continue }
            var entry = RateEntry(device: known.device, index: known.index)
            entry.shaper = shapers[id]
            let rates = rates(of: known)
            entry.packetsFromGuest = rates.packetsFromGuest
            entry.packetsToGuest = rates.packetsToGuest
            if entry.isLimited { entries[id] = entry }
        }
        guard entries != rateEntries else { return }
        let (wanted, areSettled) = (Array(entries.values), areRatesSettled)
        try await host.transact { (access) throws(DrawbridgeError) in
            try access.applyRates(wanted, keepingInherited: !areSettled)
        }
        rateEntries = entries
    }

    /// Refuses a limit from a guest that this kernel cannot hold it to.
    func demandWays() async throws(DrawbridgeError) {
        guard rateEntries.isEmpty else { return }
        try await host.transact { (access) throws(DrawbridgeError) in try access.demandWays() }
    }

    /// Removes what an earlier daemon left of vifs that are not limited any more.
    func settleRates() async {
        areRatesSettled = true
        let wanted = Array(rateEntries.values)
        do throws(DrawbridgeError) {
            try await host.transact { (access) throws(DrawbridgeError) in
                try access.applyRates(wanted)
            }
        } catch { log.add("rates", "daemon", error: "\(error)") }
    }

    /// Forgets what limited vifs that are disconnected, or whose network goes.
    func forgetShapers(of ids: [VifID]) async {
        for id in ids { shapers[id] = nil }
        do throws(DrawbridgeError) { try await leadToShapers(ids, areHeld: false) } catch {
            log.add("rates", "daemon", error: "\(error)")
        }
    }

    /// Puts the limits right of vifs that somebody else may have changed. Runs within a turn.
    func repairLimits(of ids: Set<VifID>) async {
        for id in ids.sorted() {
            guard let known = attachments[id] else { continue }
            do throws(DrawbridgeError) {
                let isThere = try await host.transact { (access) throws(DrawbridgeError) in
                    try access.link(index: known.index) != nil
                }
                guard isThere else { continue }
                let outcome = try await limit(known, dryRun: false)
                for line in outcome.plan { log.add("drift-repaired", "\(id)", line) }
            } catch {
                log.add("drift", "\(id)", error: "\(error)")
            }
        }
    }

    /// The vif whose limits a device is part of.
    func limitedVif(byDevice index: Int32) -> VifID? {
        shapers.first { $0.value == index }?.key
            ?? attachments[device: index].flatMap { rates(of: $0) == VifRates() ? nil : $0.request.id }
    }

    /// Puts limits in force that a new configuration says.
    func applyLimits(changedFrom old: Configuration) async {
        await turn.begin()
        defer { turn.end() }
        let changed = attachments.values.filter { known in
            old.rates(of: known.request, on: known.network) != rates(of: known)
        }
        await repairLimits(of: Set(changed.map(\.request.id)))
    }
}

extension Outcome {
    /// Tells how the limits of a vif's packets change.
    mutating func notePackets(of id: VifID, _ rates: VifRates, insteadOf old: RateEntry?) {
        guard rates.packetsFromGuest != old?.packetsFromGuest || rates.packetsToGuest != old?.packetsToGuest
        else { return }
        plan.append("limit \(id): \(rates.packetText)")
        changed = true
    }
}
