import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// What others do to the filter: their changes of its table are undone, and its hooks follow their renames.

extension HostEngine {
    /// Looks out for changes from now on, and for those that were made while no daemon ran.
    ///
    /// The watchers run beside the turns of the engine: a repair waits for the transaction that is under way, and not for
    /// a script that an event of somebody's waits for.
    ///
    /// - Parameter earlier: what is listened to already; nil where nothing is.
    func watchFilter(_ earlier: ForeignFilterChanges?) async {
        do throws(DrawbridgeError) {
            let changes = try await host.transact { (access) throws(DrawbridgeError) in
                guard let earlier else { return try access.filterChanges() }
                return earlier
            }
            watchers.append(
                Task.detached { [weak self] in
                    for await change in changes {
                        await self?.filterChanged(change, noticed: .now)
                        if Task.isCancelled { return }
                    }
                })
            let links = named.elements
            watchers.append(
                Task.detached { [weak self] in
                    for await link in links {
                        await self?.follow(link)
                        if Task.isCancelled { return }
                    }
                })
        } catch {
            log.add("watch", "filter", error: "\(error)")
        }
        let policy = filterPolicy
        let devices = attachments.values.compactMap { policy.filter(of: $0)?.device }
        let isDue =
            (try? await host.transact { (access) throws(DrawbridgeError) in
                // What is not permitted again may be a vif's that could not be attached again, and stays.
                !access.isFilterKnownWhole && devices.allSatisfy { access.permitted($0) != nil }
            }) ?? false
        if isDue, !devices.isEmpty { await filterChanged(.overrun, noticed: nil) }
    }

    /// Takes over the filter that an earlier daemon left for vifs of these networks, as far as it is whole; what is not
    /// is made anew as the vifs are attached again.
    ///
    /// - Returns: what others change in the filter, from before it was looked at.
    func takeOverFilter(of networks: [Network]) async -> ForeignFilterChanges? {
        var policy = filterPolicy
        for network in networks {
            policy.networks[network.name] =
                configuration.network(named: network.name)?.filter ?? network.filter
        }
        let (known, fixed) = (attachments.values.compactMap(policy.filter(of:)), policy)
        guard !known.isEmpty else { return nil }
        do throws(DrawbridgeError) {
            let (changes, own) = try await host.transact { (access) throws(DrawbridgeError) in
                let (changes, own) = (try access.filterChanges(), try access.ownAddresses())
                var guarded: [NetworkName: Set<Prefix>] = [:]
                for filter in known { guarded[filter.network] = fixed.guarded(on: filter.network, own) }
                try access.takeOver(known, guarding: guarded)
                return (changes, own)
            }
            ownAddresses = own
            return changes
        } catch {
            log.add("watch", "filter", error: "\(error)")
            return nil
        }
    }

    private func filterChanged(_ change: ForeignFilterChange, noticed: ContinuousClock.Instant?) async {
        var (who, pins, tables) = ("somebody", false, Set(GuestTable.allCases))
        if case .changed(let program, let process, let changesPins, let changed) = change {
            (who, pins, tables) = ("\(program) (process \(process))", changesPins, changed)
        }
        // What others change while no daemon ran is made good as vifs are attached again.
        if noticed == nil { tables = [.filter] }
        if tables.contains(.filter) { await repairFilter(who, renewsPins: pins, noticed: noticed) }
        if tables.contains(.groups) { await repairGroups(who, noticed: noticed) }
        if tables.contains(.rates) { await repairRates(who, noticed: noticed) }
    }

    private func repairGroups(_ who: String, noticed: ContinuousClock.Instant?) async {
        do throws(DrawbridgeError) {
            let takesDown = configuration.failsClosed
            let repair = try await host.transact { (access) throws(DrawbridgeError) in
                try access.repairGroups(takesDown: takesDown)
            }
            guard let repair else { return }
            let what = "\(who) changed it: \(repair.found.joined(separator: ", "))"
            log.add(
                "groups-repaired", "groups", what + repair.timeText(since: noticed, "held to their groups"))
        } catch {
            log.add("groups-repaired", "groups", error: "\(who) changed it: \(error)")
        }
    }

    private func repairRates(_ who: String, noticed: ContinuousClock.Instant?) async {
        do throws(DrawbridgeError) {
            let found = try await host.transact { (access) throws(DrawbridgeError) in
                try access.repairRates()
            }
            guard let found else { return }
            let repair = FilterRepair(found: [found], wasOpen: true)
            log.add(
                "rates-repaired", "rates",
                "\(who) changed it: \(found)" + repair.timeText(since: noticed, "limited"))
        } catch {
            log.add("rates-repaired", "rates", error: "\(who) changed it: \(error)")
        }
    }

    private func repairFilter(
        _ who: String, renewsPins pins: Bool, noticed: ContinuousClock.Instant?
    ) async {
        do throws(DrawbridgeError) {
            let (renewsPins, takesDown) = (pins, configuration.failsClosed)
            let repair = try await host.transact { (access) throws(DrawbridgeError) in
                try access.repairFilter(renewsPins: renewsPins, takesDown: takesDown)
            }
            guard let repair else { return }
            let what = "\(who) changed it: \(repair.found.joined(separator: ", "))"
            log.add("filter-repaired", "filter", what + repair.timeText(since: noticed, "filtered"))
        } catch {
            log.add("filter-repaired", "filter", error: "\(who) changed it: \(error)")
        }
    }

    /// Follows a vif that somebody else renamed, or all that were.
    private func follow(_ link: NamedLink) async {
        var suspects = link.index.map { [attachments[device: $0]].compactMap { $0 } } ?? []
        if link.index == nil {
            let known = attachments.values.filter { $0.index != 0 }
            // One look for all of them: who lost sight of something may have lost sight of a thousand.
            let links = try? await host.transact { (access) throws(DrawbridgeError) in
                try access.links(known.map(\.index))
            }
            suspects = known.filter { one in
                links?[one.index].map { $0.name != one.device.rawValue } ?? false
            }
        }
        for known in suspects where known.index != 0 { await follow(known, noticed: link.noticed) }
    }

    private func follow(_ known: Attachment, noticed: ContinuousClock.Instant) async {
        let (index, id, old) = (known.index, known.request.id, known.device)
        do throws(DrawbridgeError) {
            let name = try await host.transact { (access) throws(DrawbridgeError) in
                try access.followRename(of: index, from: old)
            }
            guard let name else { return }
            await turn.begin()
            defer { turn.end() }
            try await rename(known, to: name)
            if grouped.contains(id) { await settleGroups() }
            try await leadToShapers([id], areHeld: rateEntries[id] != nil)
            try await host.transact { (access) throws(DrawbridgeError) in try access.bringUp(index) }
            let time = noticed.duration(to: .now).milliseconds
            log.add(
                "vif-renamed", "\(id)",
                "somebody renamed \(old) to \(name); it was taken down, and up again after \(time) with its filter"
            )
        } catch {
            log.add("vif-renamed", "\(id)", error: "somebody renamed \(old): \(error)")
        }
    }

    /// Finds the vifs of a filtered network that were renamed while no daemon ran, and takes them down; they are filtered
    /// by their new names and up again once they are attached again.
    func findRenamed(of network: Network) async {
        let known = attachments.values.filter { $0.network == network.name && $0.index != 0 }
        do throws(DrawbridgeError) {
            let renamed = try await host.transact { (access) throws(DrawbridgeError) in
                let links = try access.links(known.map(\.index))
                var renamed: [(Attachment, LinkName)] = []
                for one in known {
                    guard let link = links[one.index], link.name != one.device.rawValue,
                        let name = LinkName(link.name)
                    else { continue }
                    try access.takeDown(one.index)
                    renamed.append((one, name))
                }
                return renamed
            }
            for (one, name) in renamed {
                try await rename(one, to: name)
                let policy = filterPolicy
                let (old, new) = (policy.filter(of: one), policy.filter(of: attachments[one.request.id]))
                // With what the old name has pinned: else nobody could use it again.
                if let old, let new {
                    try await host.transact { (access) throws(DrawbridgeError) in
                        try access.permit(new, insteadOf: old)
                    }
                }
                log.add("vif-renamed", "\(one.request.id)", "somebody renamed \(one.device) to \(name)")
            }
        } catch {
            log.add("vif-renamed", network.name.rawValue, error: "\(error)")
        }
    }

    /// Writes down the name that a vif bears now, as if it had been asked for: what comes later finds it there.
    private func rename(_ known: Attachment, to name: LinkName) async throws(DrawbridgeError) {
        guard var renamed = attachments[known.request.id], renamed.index == known.index,
            renamed.device == known.device
        else { return }
        renamed.device = name
        renamed.request.vifName = name
        attachments[known.request.id] = renamed
        let journal = journal
        let news = renamed
        try journalled { () throws(RecordError) in
            try journal.changeAttachments(AttachmentsChange(set: [news]))
        }
    }
}

extension FilterRepair {
    /// How long it took: `; vifs were not filtered for 1.25 ms`; empty where nobody knows when it began.
    fileprivate func timeText(since noticed: ContinuousClock.Instant?, _ word: String) -> String {
        guard let time = noticed?.duration(to: .now).milliseconds else { return "" }
        return wasOpen ? "; vifs were not \(word) for \(time)" : "; repaired after \(time)"
    }
}

extension Duration {
    /// `1.25 ms`
    fileprivate var milliseconds: String {
        let hundredths = components.seconds * 100_000 + components.attoseconds / 10_000_000_000_000
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) ms"
    }
}
