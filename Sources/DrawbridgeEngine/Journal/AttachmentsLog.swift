public import DrawbridgeModel
public import DrawbridgePlanning
import Synchronization

/// What a transaction changes about the attachments.
public struct AttachmentsChange: Hashable, Sendable, Codable {
    /// Attachments that are new, or told anew.
    public var set: [Attachment]
    /// Vifs that are attached no more.
    public var removed: [VifID]
    /// The addresses of those which nobody else may use from now on; what is given to one that is set is let go.
    public var resting: [RestingAddress]

    public init(set: [Attachment] = [], removed: [VifID] = [], resting: [RestingAddress] = []) {
        self.set = set
        self.removed = removed
        self.resting = resting
    }
}

/// The lengths of what the file of the attachments holds, in octets.
struct AttachmentsLengths {
    /// The record of all; nil before this process wrote one.
    var whole: Int?
    /// The changes after it.
    var changes = 0
}

/// The file of the attachments: a record of all of them, and after it one record for each change since.
///
/// A transaction costs what it changes, whatever else is attached. Once the changes have become longer than the record
/// of all, that is written anew, so that the file stays within a factor of what it tells.
extension Journal {
    private static let file = "attachments"
    private static let kind = "attachments"
    private static let changeKind = "attachments-change"
    /// Changes of fewer octets than this never make it be written anew.
    private static let patience = 64 << 10

    /// Reads the attachments; nil where there is no file.
    ///
    /// A last change that is cut is left out: it is written before anything is done about it, so nothing was.
    public func attachments() throws(RecordError) -> AttachmentsRecord? {
        guard let bytes = try directory.read(Self.file) else { return nil }
        let path = directory.file(Self.file)
        let parts = RecordFile.split(bytes)
        var record = try RecordFile.decode(
            AttachmentsRecord.self, kind: Self.kind, from: Array(parts.first ?? bytes[...]), file: path)
        guard parts.count > 1 else { return record }
        var attached: [VifID: Attachment] = [:]
        for one in record.attachments { attached[one.request.id] = one }
        var resting = RestingAddresses(record.resting)
        for part in parts.dropFirst() {
            let change = try RecordFile.decode(
                AttachmentsChange.self, kind: Self.changeKind, from: Array(part), file: path)
            for id in change.removed { attached[id] = nil }
            for one in change.resting { _ = resting.rest(one) }
            for one in change.set {
                attached[one.request.id] = one
                if let network = one.network { _ = resting.give(one.request.addresses, on: network) }
            }
        }
        record.attachments = attached.values.sorted { $0.request.id < $1.request.id }
        record.resting = resting.all
        return record
    }

    /// Writes all attachments down, or that there are none.
    public func setAttachments(_ record: AttachmentsRecord?) throws(RecordError) {
        guard let record else {
            attachmentsLengths.withLock { $0 = AttachmentsLengths() }
            return try directory.remove(Self.file)
        }
        let bytes = try encode(record, kind: Self.kind, file: Self.file)
        try directory.write(Self.file, bytes)
        attachmentsLengths.withLock { $0 = AttachmentsLengths(whole: bytes.count) }
    }

    /// Whether the attachments have to be written whole before the next change: this process has not yet, the changes
    /// have become longer, or the file is gone.
    public var attachmentsAreDue: Bool {
        let whole = attachmentsLengths.withLock { $0.whole }
        let changes = attachmentsLengths.withLock { $0.changes }
        guard let whole, changes < max(whole, Self.patience) else { return true }
        return !directory.contains(Self.file)
    }

    /// Writes down what a transaction changes about the attachments: it costs what is changed, not what is attached.
    public func changeAttachments(_ change: AttachmentsChange) throws(RecordError) {
        guard !change.set.isEmpty || !change.removed.isEmpty else { return }
        let bytes = try encode(change, kind: Self.changeKind, file: Self.file)
        try directory.append(Self.file, bytes)
        attachmentsLengths.withLock { $0.changes += bytes.count }
    }
}
