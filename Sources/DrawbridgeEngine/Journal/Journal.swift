public import DrawbridgeModel
import Glibc
public import NetworkTypes
import Synchronization

/// What survives the daemon: written before anything changes, read by the next one.
///
/// Each record is a file of its own in the state directory, replaced whole. See docs/journal.md.
public final class Journal: Sendable {
    let directory: StateDirectory
    let attachmentsLengths = Mutex(AttachmentsLengths())

    /// Opens the journal.
    ///
    /// - Throws: as ``StateDirectory`` does.
    public init(path: String, for use: StateDirectory.Use = .exclusive) throws(DrawbridgeError) {
        directory = try StateDirectory(path: path, for: use)
    }

    /// The path of the state directory.
    public var path: String { directory.path }

    /// Sets whether other users may pass through the state directory to a socket in it.
    public func admitPassage(_ admitted: Bool) throws(DrawbridgeError) {
        try directory.admitPassage(admitted)
    }

    /// Seconds since the machine was started, sleep included (CLOCK_BOOTTIME): the clock of every record.
    public static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(max(0, time.tv_sec))
    }

    // MARK: Records of a network

    public func baseline(of network: NetworkName) throws(RecordError) -> BaselineRecord? {
        try read(.baseline, of: network)
    }

    public func setBaseline(_ record: BaselineRecord?, of network: NetworkName) throws(RecordError) {
        try write(record, .baseline, of: network)
    }

    public func settled(of network: NetworkName) throws(RecordError) -> SettledRecord? {
        try read(.settled, of: network)
    }

    public func setSettled(_ record: SettledRecord?, of network: NetworkName) throws(RecordError) {
        try write(record, .settled, of: network)
    }

    public func intent(of network: NetworkName) throws(RecordError) -> IntentRecord? {
        try read(.intent, of: network)
    }

    public func setIntent(_ record: IntentRecord?, of network: NetworkName) throws(RecordError) {
        try write(record, .intent, of: network)
    }

    /// The DHCP client of the host that rests, and the one that runs in its place.
    public func handover(of network: NetworkName) throws(RecordError) -> DHCPHandoverRecord? {
        try read(.handover, of: network)
    }

    public func setHandover(_ record: DHCPHandoverRecord?, of network: NetworkName) throws(RecordError) {
        try write(record, .handover, of: network)
    }

    /// The networks that have a record of any kind, in order.
    public func networks() throws(RecordError) -> [NetworkName] {
        var found: Set<NetworkName> = []
        for name in try directory.names() {
            for kind in Kind.allCases {
                guard name.hasPrefix(Self.prefix), name.hasSuffix(kind.suffix),
                    name.utf8.count > Self.prefix.utf8.count + kind.suffix.utf8.count,
                    let network = LinkName(name.dropFirst(Self.prefix.count).dropLast(kind.suffix.count))
                else { continue }
                found.insert(network)
            }
        }
        return found.sorted()
    }

    /// Forgets a network whose host has its own configuration back. Its baseline goes first: without it nothing of
    /// the host's is changed any more. A client of the host's that may still rest is remembered longest.
    public func forget(_ network: NetworkName) throws(RecordError) {
        for kind in [Kind.baseline, .settled, .intent, .handover] {
            try directory.remove(kind.file(of: network))
        }
    }

    // MARK: Records of the host

    /// The link group that holds the links Drawbridge made; nil where none was chosen yet.
    public func linkGroup() throws(RecordError) -> UInt32? {
        try read(UInt32.self, kind: "link-group", file: "link-group")
    }

    public func setLinkGroup(_ group: UInt32?) throws(RecordError) {
        try write(group, kind: "link-group", file: "link-group")
    }

    /// What the host's forwarding was and is; nil where no network changes it.
    public func forwarding() throws(RecordError) -> StoredForwarding? {
        try read(StoredForwarding.self, kind: "forwarding", file: "forwarding")
    }

    public func setForwarding(_ record: StoredForwarding?) throws(RecordError) {
        try write(record, kind: "forwarding", file: "forwarding")
    }

    /// Throws where a record does not belong to the host as it is now.
    public func check(
        _ identity: JournalIdentity, of network: NetworkName, against current: JournalIdentity
    ) throws(RecordError) {
        if let mismatch = identity.mismatch(with: current) {
            throw RecordError(directory.file(Kind.baseline.file(of: network)), .identity(mismatch))
        }
    }

    // MARK: Files

    private static let prefix = "network-"

    private enum Kind: String, CaseIterable {
        case baseline, settled, intent, handover

        var suffix: String { ".\(rawValue)" }
        func file(of network: NetworkName) -> String { "\(Journal.prefix)\(network)\(suffix)" }
    }

    private func read<Record: Decodable>(
        _ kind: Kind, of network: NetworkName
    ) throws(RecordError) -> Record? {
        try read(Record.self, kind: kind.rawValue, file: kind.file(of: network))
    }

    private func write(
        _ record: (some Encodable)?, _ kind: Kind, of network: NetworkName
    ) throws(RecordError) {
        try write(record, kind: kind.rawValue, file: kind.file(of: network))
    }

    private func read<Record: Decodable>(
        _ type: Record.Type, kind: String, file: String
    ) throws(RecordError) -> Record? {
        guard let bytes = try directory.read(file) else { return nil }
        return try RecordFile.decode(type, kind: kind, from: bytes, file: directory.file(file))
    }

    private func write(_ record: (some Encodable)?, kind: String, file: String) throws(RecordError) {
        guard let record else { return try directory.remove(file) }
        try directory.write(file, try encode(record, kind: kind, file: file))
    }

    func encode(
        _ record: some Encodable, kind: String, file: String
    ) throws(RecordError) -> [UInt8] {
        do {
            return try RecordFile.encode(record, kind: kind)
        } catch {
            throw RecordError(directory.file(file), .content("\(error)"))
        }
    }
}
