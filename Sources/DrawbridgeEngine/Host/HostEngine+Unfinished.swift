import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostEngine {
    /// Finds the devices of the attaches that an earlier daemon wrote down and did not live to finish: they are
    /// finished with their networks, by ``attachRemembered(to:)``. An attach whose device was not made yet is
    /// forgotten, since nothing of it is there and nobody was told that it succeeded.
    func findUnfinished(_ identity: JournalIdentity) async throws(DrawbridgeError) {
        let unfinished = attachments.values.filter { $0.index == 0 }
        guard !unfinished.isEmpty else { return }
        let group = linkGroup
        let found = try await host.transact { (access) throws(DrawbridgeError) in
            try unfinished.map { (one) throws(DrawbridgeError) in try access.device(of: one, group: group) }
        }
        for (one, device) in zip(unfinished, found) {
            attachments[one.request.id] = device
            if device == nil { log.add("vif-forgotten", "\(one.request.id)", "its device was never made") }
        }
        let record = AttachmentsRecord(of: attachments, resting, identity: identity)
        try journalled { () throws(RecordError) in try journal.setAttachments(record) }
    }
}

extension HostAccess {
    /// The attachment with its device; nil where there is none that is the vif's.
    fileprivate mutating func device(
        of attachment: Attachment, group: UInt32
    ) throws(DrawbridgeError) -> Attachment? {
        let request = attachment.request
        for name in request.possibleNames {
            guard let found = try link(named: name) else { continue }
            let mark = LinkMark(alias: found.link.alias)
            switch request.source {
            case .existing: break
            case .pair:
                // The mark is set after the device is made, the group with it.
                guard mark?.key == .vif(request.id) || mark == nil && found.link.group == group else {
                    continue
                }
            case .tap:
                // One that is not marked yet goes with the daemon that makes it.
                guard mark?.key == .vif(request.id) else { continue }
            }
            var result = attachment
            result.device = name
            result.index = found.index
            return result
        }
        return nil
    }
}
