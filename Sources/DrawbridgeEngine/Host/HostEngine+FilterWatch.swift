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
    func watchFilter() async {
        do throws(DrawbridgeError) {
            let (changes, names) = try await host.transact { (access) throws(DrawbridgeError) in
                (try access.filterChanges(), try access.linkNames())
            }
            let repairs = Task.detached { [weak self] in
                for await change in changes {
                    await self?.filterChanged(change, noticed: .now)
                    if Task.isCancelled { return }
                }
            }
            let follower = Task.detached { [weak self] in
                for await named in names {
                    await self?.linkNamed(named?.index, named?.name, noticed: .now)
                    if Task.isCancelled { return }
                }
            }
            filterWatchers = [repairs, follower]
        } catch {
            log.add("watch", "filter", error: "\(error)")
        }
        let policy = filterPolicy
        let devices = attachments.values.compactMap { policy.filter(of: $0)?.device }
        let areAllKnown =
            (try? await host.transact { (access) throws(DrawbridgeError) in
                devices.allSatisfy { access.permitted($0) != nil }
            }) ?? false
        // What is not permitted again may be a vif's that could not be attached again, and stays.
        if areAllKnown, !devices.isEmpty { await filterChanged(.overrun, noticed: nil) }
    }

    private func filterChanged(_ change: ForeignFilterChange, noticed: ContinuousClock.Instant?) async {
        var (who, pins) = ("somebody", false)
        if case .changed(let program, let process, let changesPins) = change {
            (who, pins) = ("\(program) (process \(process))", changesPins)
        }
        do throws(DrawbridgeError) {
            let (renewsPins, takesDown) = (pins, configuration.failsClosed)
            let repair = try await host.transact { (access) throws(DrawbridgeError) in
                try access.repairFilter(renewsPins: renewsPins, takesDown: takesDown)
            }
            guard let repair else { return }
            let what = "\(who) changed it: \(repair.found.joined(separator: ", "))"
            guard let noticed else { return log.add("filter-repaired", "filter", what) }
            let time = noticed.duration(to: .now).milliseconds
            log.add(
                "filter-repaired", "filter",
                what + (repair.wasOpen ? "; vifs were not filtered for \(time)" : "; repaired after \(time)"))
        } catch {
            log.add("filter-repaired", "filter", error: "\(who) changed it: \(error)")
        }
    }

    /// Follows a vif that somebody else renamed.
    private func linkNamed(_ index: Int32?, _ name: String?, noticed: ContinuousClock.Instant) async {
        let suspects =
            index.map { [attachments[device: $0]].compactMap { $0 } } ?? Array(attachments.values)
        for known in suspects where known.index != 0 && (name == nil || known.device.rawValue != name) {
            let (index, id, old) = (known.index, known.request.id, known.device)
            do throws(DrawbridgeError) {
                let name = try await host.transact { (access) throws(DrawbridgeError) in
                    try access.followRename(of: index, from: old)
                }
                guard let name else { continue }
                await turn.begin()
                defer { turn.end() }
                try await rename(known, to: name)
                if grouped.contains(id) { await settleGroups() }
                try await leadToShapers([id])
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

extension Duration {
    /// `1.25 ms`
    fileprivate var milliseconds: String {
        let hundredths = components.seconds * 100_000 + components.attoseconds / 10_000_000_000_000
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) ms"
    }
}
