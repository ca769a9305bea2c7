import DrawbridgeHost
import DrawbridgeModel
import NetworkTypes

// The rules in the administrator's iptables chain that accept bridged vifs, where `compat: iptables-accept` asks for
// them. They hold nobody to anything: the filter against spoofing does.

extension HostEngine {
    /// Has the rules of vifs stand as the configuration says it. A vif whose rules cannot be had is connected all the same,
    /// as it always was.
    ///
    /// - Returns: why they cannot be had.
    func settleAcceptance(of ids: [VifID]) async -> String? {
        let isWanted = configuration.compatibility.acceptsInIptables ?? false
        var failure: String?
        for id in ids {
            guard let known = attachments[id], isWanted || known.acceptRules != nil else { continue }
            let isBridged = known.request.switchPort == nil && !kind(of: known.request).isRouted
            let isHeld = isWanted && isBridged && isUp(known)
            let wanted = isHeld ? AcceptRule.rules(for: known.device, addresses: known.request.addresses) : []
            do throws(DrawbridgeError) {
                try await accept(wanted, of: known)
            } catch {
                failure = "\(error)"
                log.add("iptables", "\(id)", error: "\(error)")
            }
        }
        return failure
    }

    /// Takes away what was added for vifs that go.
    func withdrawAcceptance(of ids: [VifID]) async {
        for id in ids {
            guard let known = attachments[id], known.acceptRules != nil else { continue }
            do throws(DrawbridgeError) {
                try await accept([], of: known)
            } catch {
                // Without the chain there are none.
                if error.kind != .notFound { log.add("iptables", "\(id)", error: "\(error)") }
            }
        }
    }

    /// The rules of all vifs, as a changed configuration says it.
    func applyAcceptance() async {
        await turn.begin()
        defer { turn.end() }
        _ = await settleAcceptance(of: attachments.keys.sorted())
    }

    private func accept(_ wanted: [AcceptRule], of known: Attachment) async throws(DrawbridgeError) {
        try await prepareAttachments()
        let (journal, own) = (journal, known.acceptRules ?? [])
        let kept = try await host.transact { (access) throws(DrawbridgeError) in
            let lacking = wanted.isEmpty ? [] : try access.lackingAcceptRules(wanted)
            // What somebody else has put there is his, and stays.
            let kept = wanted.filter { own.contains($0) || lacking.contains($0) }
            var record = known
            record.acceptRules = kept.isEmpty ? nil : kept
            if record != known {
                // First what may be there, so that nothing is left behind.
                var first = record
                first.acceptRules = own + kept.filter { !own.contains($0) }
                let begun = first
                try journalled { () throws(RecordError) in
                    try journal.changeAttachments(AttachmentsChange(set: [begun]))
                }
            }
            try access.changeAcceptRules(adding: lacking, removing: own.filter { !wanted.contains($0) })
            if record != known {
                let settled = record
                try journalled { () throws(RecordError) in
                    try journal.changeAttachments(AttachmentsChange(set: [settled]))
                }
            }
            return kept
        }
        attachments[known.request.id]?.acceptRules = kept.isEmpty ? nil : kept
    }
}
