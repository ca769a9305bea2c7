/// One message of the store's protocol: a header of 16 octets and what it carries (xen/include/public/io/xs_wire.h,
/// docs/misc/xenstore.txt).
public struct StoreMessage: Hashable, Sendable {
    /// What a message asks or tells (`enum xsd_sockmsg_type`).
    public enum Kind: UInt32, Hashable, Sendable {
        case control = 0
        case directory = 1
        case read = 2
        case getPermissions = 3
        case watch = 4
        case unwatch = 5
        case transactionStart = 6
        case transactionEnd = 7
        case introduce = 8
        case release = 9
        case getDomainPath = 10
        case write = 11
        case makeDirectory = 12
        case remove = 13
        case setPermissions = 14
        case watchEvent = 15
        case error = 16
        case isDomainIntroduced = 17
        case resume = 18
        case setTarget = 19
        case resetWatches = 21
        case directoryPart = 22
    }

    /// The octets of a header.
    public static let headerSize = 16
    /// The most octets that a message carries (`XENSTORE_PAYLOAD_MAX`).
    public static let maximumPayload = 4096

    /// What it asks or tells, as it stands on the wire.
    public var kind: UInt32
    /// The number that the reply bears as well.
    public var request: UInt32
    /// The transaction it belongs to; 0 for none.
    public var transaction: UInt32
    /// What it carries.
    public var payload: [UInt8]

    /// Makes a message.
    public init(_ kind: Kind, request: UInt32 = 0, transaction: UInt32 = 0, payload: [UInt8] = []) {
        self.kind = kind.rawValue
        self.request = request
        self.transaction = transaction
        self.payload = payload
    }

    /// The message on the wire: four numbers in the machine's own order, then the payload.
    public var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(Self.headerSize + payload.count)
        for number in [kind, request, transaction, UInt32(payload.count)] {
            withUnsafeBytes(of: number) { octets.append(contentsOf: $0) }
        }
        return octets + payload
    }

    fileprivate init(kind: UInt32, request: UInt32, transaction: UInt32, payload: [UInt8]) {
        self.kind = kind
        self.request = request
        self.transaction = transaction
        self.payload = payload
    }
}

/// Cuts what arrives into messages, however it is cut by the way.
public struct StoreMessageParser: Sendable {
    private var octets: [UInt8] = []
    private var start = 0

    /// A parser that has seen nothing.
    public init() {}

    /// Takes in what arrived.
    public mutating func append(_ more: some Collection<UInt8>) {
        if start == octets.count {
            octets.removeAll(keepingCapacity: true)
            start = 0
        }
        octets.append(contentsOf: more)
    }

    /// The next whole message; nil if more has to arrive first.
    ///
    /// - Throws: ``StoreError/malformed(_:)`` if a message claims to carry more than any may.
    public mutating func next() throws(StoreError) -> StoreMessage? {
        guard octets.count - start >= StoreMessage.headerSize else { return nil }
        let size = Int(number(at: 12))
        guard size <= StoreMessage.maximumPayload else {
            throw .malformed("a message of \(size) octets")
        }
        let end = start + StoreMessage.headerSize + size
        guard octets.count >= end else { return nil }
        let message = StoreMessage(
            kind: number(at: 0), request: number(at: 4), transaction: number(at: 8),
            payload: Array(octets[(start + StoreMessage.headerSize)..<end]))
        start = end
        return message
    }

    private func number(at offset: Int) -> UInt32 {
        octets[(start + offset)..<(start + offset + 4)].withUnsafeBytes {
            $0.loadUnaligned(as: UInt32.self)
        }
    }
}
