import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// What others change of links, addresses, routes and limits: it is noticed at once, and repaired when the turn comes.

extension HostEngine {
    /// Looks out for changes from now on.
    func watch() async {
        let first = await changes()
        watchers.append(
            Task { [weak self] in
                var next = first
                while !Task.isCancelled, let changes = next {
                    for await change in changes {
                        await self?.notice(change)
                        if Task.isCancelled { return }
                    }
                    next = await self?.changes()
                }
            })
        let due = due.elements
        watchers.append(
            Task { [weak self] in
                for await _ in due { await self?.repairSuspects() }
            })
    }

    private func changes() async -> HostChanges? {
        do throws(DrawbridgeError) {
            return try await host.transact { (access) throws(DrawbridgeError) in
                try access.changes()
            }
        } catch {
            log.add("watch", "daemon", error: "\(error)")
            return nil
        }
    }

    /// Looks at a change, without waiting for anything: what it concerns is repaired when the turn comes, and who was
    /// renamed is followed beside the turns. What Drawbridge does itself passes by: by the time it is looked at, it is
    /// what is wanted.
    private func notice(_ change: HostChange) {
        switch change {
        case .link(let index, let link):
            if let known = attachments[device: index], known.device.rawValue != link.name {
                named.send(NamedLink(index: index, noticed: .now))
            }
        case .overrun: named.send(NamedLink(index: nil, noticed: .now))
        default: break
        }
        var isDue = changesOwnAddresses(change)
        if isDue { isGuardStale = true }
        var concerned: Set<NetworkName> = []
        for (name, known) in raised where known.phase == .up {
            guard let uplink = known.baseline.identity.uplinkIndex else { continue }
            switch change {
            case .address(let address) where address.device == uplink: concerned.insert(name)
            case .route(let route) where route.devices.contains(uplink) && route.origin != .kernel:
                concerned.insert(name)
            case .link(let index, let link):
                // The uplink left its bridge, or somebody changed the bridge itself.
                if index == uplink, link.portKind != "bridge" { concerned.insert(name) }
                if link.name == known.network.bridge.rawValue, !link.flags.contains(.up) {
                    concerned.insert(name)
                }
            case .overrun: concerned.insert(name)
            default: break
            }
        }
        if case .linkRemoved(let index) = change {
            for (name, known) in raised where known.phase == .up && known.bridgeIndex == index {
                concerned.insert(name)
            }
            if let id = shapers.first(where: { $0.value == index })?.key { suspectVifs.insert(id) }
            if let known = attachments[device: index] {
                log.add("vif-vanished", "\(known.request.id)", "its device \(known.device) is gone")
            }
        }
        if case .shaping(let index) = change, let id = limitedVif(byDevice: index) { suspectVifs.insert(id) }
        // Only vifs with limits have any that could have been lost sight of.
        if case .overrun = change {
            suspectVifs.formUnion(shapers.keys)
            suspectVifs.formUnion(
                attachments.values.lazy.filter { self.rates(of: $0) != VifRates() }.map(\.request.id))
        }
        suspects.formUnion(concerned)
        isDue = isDue || !concerned.isEmpty || !suspectVifs.isEmpty
        if isDue { due.send(()) }
    }

    /// Repairs what changes concern that were noticed until now.
    private func repairSuspects() async {
        if isGuardStale { await guardNewAddresses() }
        guard !suspects.isEmpty || !suspectVifs.isEmpty else { return }
        await turn.begin()
        defer { turn.end() }
        let vifs = suspectVifs
        suspectVifs = []
        await repairLimits(of: vifs)
        for name in suspects.sorted() where raised[name]?.phase == .up {
            suspects.remove(name)
            do throws(DrawbridgeError) {
                let outcome = try await uphold(name, dryRun: false)
                for line in outcome.plan { log.add("drift-repaired", name.rawValue, line) }
                if outcome.changed, let network = raised[name]?.network {
                    await attachRemembered(to: network)
                }
            } catch {
                log.add("drift", name.rawValue, error: "\(error)")
            }
        }
    }
}

/// A link of which the name is to be looked at: that of a vif, or any of them where something was lost.
struct NamedLink: Sendable {
    var index: Int32?
    var noticed: ContinuousClock.Instant
}
