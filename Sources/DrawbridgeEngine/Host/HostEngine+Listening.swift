import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// How vifs are listened to whose addresses are learnt.
struct Listening: Sendable {
    /// One device, as it is listened at.
    struct Place: Hashable, Sendable {
        var index: Int32
        var mac: MACAddress
        var heedsUse: Bool
    }

    var listener: AddressListener?
    var reader: Task<Void, Never>?
    var places: [VifID: Place] = [:]
    /// What was refused last of each vif, so that it is told once.
    var refused: [VifID: Prefix] = [:]

    mutating func end() {
        reader?.cancel()
        self = Listening()
    }
}

// The addresses of guests that nobody told, learnt from what DHCP servers give them or from what they use first.

extension HostEngine {
    /// Listens to those of these vifs whose addresses are learnt, and no longer to the others.
    func settleListening(to ids: [VifID]) async {
        let policy = filterPolicy
        for id in ids {
            let known = attachments[id]
            var place: Listening.Place?
            if let known, known.index != 0, let filter = policy.filter(of: known), filter.mode == .learning {
                let heedsUse = policy.settings(of: id, on: filter.network).learnsFromUse ?? false
                place = Listening.Place(index: known.index, mac: filter.mac, heedsUse: heedsUse)
            }
            let old = listening.places[id]
            guard old != place else { continue }
            listening.places[id] = place
            if let old, old.index != place?.index { listening.listener?.leave(old.index) }
            if place == nil { listening.refused[id] = nil }
            guard let place else { continue }
            do throws(DrawbridgeError) {
                let listener = try addressListener()
                try await host.transact { (access) throws(DrawbridgeError) in
                    try access.listen(listener, at: place.index, of: place.mac, heedingUse: place.heedsUse)
                }
            } catch {
                listening.places[id] = nil
                log.add("vif-learning", "\(id)", error: "\(error)")
            }
        }
    }

    private func addressListener() throws(DrawbridgeError) -> AddressListener {
        if let listener = listening.listener { return listener }
        let listener = try AddressListener()
        listening.listener = listener
        listening.reader = Task.detached { [weak self] in
            for await heard in listener {
                await self?.heard(heard.claim, at: heard.index)
                if Task.isCancelled { return }
            }
        }
        return listener
    }

    /// Makes an address a guest's own, once the turn comes.
    private func heard(_ claim: AddressClaim, at index: Int32) async {
        guard let id = attachments[device: index]?.request.id, isNews(claim, of: id) else { return }
        await turn.begin()
        defer { turn.end() }
        guard let known = attachments[device: index], known.request.id == id, isNews(claim, of: id) else {
            return
        }
        let source = claim.source == .server ? "given by DHCP" : "used"
        do throws(DrawbridgeError) {
            guard try await learn(claim, of: known) else { return }
            log.add("vif-learned", "\(id)", "\(claim.prefix.guestText), \(source)")
        } catch {
            // What a guest repeats is told once.
            guard listening.refused[id] != claim.prefix else { return }
            listening.refused[id] = claim.prefix
            log.add("vif-learned", "\(id)", error: "\(claim.prefix.guestText), \(source): \(error)")
        }
    }

    private func isNews(_ claim: AddressClaim, of id: VifID) -> Bool {
        listening.places[id] != nil && !(learned[id]?.contains(claim.prefix) ?? false)
    }

    /// - Returns: whether it was learnt; not where there is no room for what the guest uses.
    private func learn(_ claim: AddressClaim, of known: Attachment) async throws(DrawbridgeError) -> Bool {
        var policy = filterPolicy
        guard let old = policy.filter(of: known), old.mode == .learning else { return false }
        let settings = policy.settings(of: known.request.id, on: old.network)
        let limit = Int(settings.learnLimit ?? FilterSettings.defaultLearnLimit)
        var addresses = old.addresses
        if claim.source == .guest {
            guard settings.learnsFromUse ?? false, addresses.count < limit else { return false }
        }
        addresses.append(claim.prefix)
        // A server knows what it gave: its newest word counts.
        addresses = addresses.suffix(limit)
        var new = known
        new.learned = addresses
        var only = known.request
        only.addresses = [claim.prefix]
        let rivals = attachments.rivals(of: [only])
        let given = policy.resting.give([claim.prefix], on: old.network)
        policy.learned[known.request.id] = addresses
        guard let filter = policy.filter(of: new) else { return false }
        try await prepareAttachments()
        let journal = journal
        let (request, record, asked) = (only, new, policy)
        let own = try await host.transact { (access) throws(DrawbridgeError) in
            try access.checkUnique([(request, old.network)], among: rivals)
            let own: Set<IPAddress>
            if let known = asked.own { own = known } else { own = try access.ownAddresses() }
            for address in own where claim.prefix.contains(address) {
                throw DrawbridgeError(
                    .conflict, "\(claim.prefix.guestText)", "is the host's own, or its gateway's",
                    advice: "see what answers DHCP there")
            }
            // Only where it was at rest does what is guarded change.
            let guarded = given.isEmpty ? [:] : [old.network: asked.guarded(on: old.network, own)]
            try access.permit([FilterChange(from: old, to: filter)], guarding: guarded)
            try journalled { () throws(RecordError) in
                try journal.changeAttachments(AttachmentsChange(set: [record]))
            }
            return own
        }
        ownAddresses = own
        _ = resting.give([claim.prefix], on: old.network)
        attachments[known.request.id] = new
        learned[known.request.id] = addresses
        if grouped.contains(known.request.id) { await settleGroups() }
        return true
    }
}
