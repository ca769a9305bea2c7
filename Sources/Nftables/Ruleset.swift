/// All that nf_tables holds in a network namespace, as far as it is decoded here.
public struct Ruleset: Hashable, Sendable {
    public var tables: [Table] = []
    public var chains: [Chain] = []
    public var rules: [Rule] = []
    public var sets: [NamedSet] = []
    public var flowtables: [Flowtable] = []

    public init() {}
}

/// A table (`NFTA_TABLE_*`).
public struct Table: Hashable, Sendable {
    public var family: Family
    public var name: String

    public init(_ family: Family, _ name: String) {
        self.family = family
        self.name = name
    }
}

extension Table: CustomStringConvertible {
    /// `table inet filter`, as nft(8) writes it.
    public var description: String { "table \(family) \(name)" }
}

/// A chain (`NFTA_CHAIN_*`).
public struct Chain: Hashable, Sendable {
    public var table: Table
    public var name: String
    /// The hook a base chain hangs on (`NF_INET_*`, `NF_NETDEV_*`, …); nil for a chain that is only jumped to.
    public var hook: UInt32?
    /// Chains of a hook are passed from the lowest on.
    public var priority: Int32?
    /// The devices whose hook it is, for chains at ingress and egress.
    public var devices: [String] = []
    /// `filter`, `nat` or `route`, for base chains.
    public var type: String?
    /// Whether a base chain drops what comes to its end.
    public var dropsByDefault = false
    public var comment: String?

    public init(table: Table, name: String) {
        self.table = table
        self.name = name
    }
}

/// A rule (`NFTA_RULE_*`).
public struct Rule: Hashable, Sendable {
    public var table: Table
    public var chain: String
    /// By which nft(8) deletes it.
    public var handle: UInt64
    public var expressions: [Expression] = []
    public var comment: String?

    public init(table: Table, chain: String, handle: UInt64) {
        self.table = table
        self.chain = chain
        self.handle = handle
    }
}

/// A set or map (`NFTA_SET_*`) with its elements.
public struct NamedSet: Hashable, Sendable {
    public var table: Table
    public var name: String
    /// `NFT_SET_*` flags (linux/netfilter/nf_tables.h).
    public var flags: UInt32 = 0
    /// What its keys are, in nft(8)'s own numbers: six bits for each part of a concatenation.
    public var keyType: UInt32 = 0
    public var comment: String?
    public var elements: [SetElement] = []

    public init(table: Table, name: String) {
        self.table = table
        self.name = name
    }

    /// Whether it was made for one rule, and has no name of its own.
    public var isAnonymous: Bool { flags & 0x1 != 0 }
    /// Whether its elements are intervals.
    public var isInterval: Bool { flags & 0x4 != 0 }
    public var isMap: Bool { flags & 0x8 != 0 }
}

/// An element of a set (`NFTA_SET_ELEM_*`).
public struct SetElement: Hashable, Sendable {
    public var key: [UInt8]
    /// The end of a range in a concatenation, inclusive; nil for a single key.
    public var keyEnd: [UInt8]?
    /// Whether it ends the interval that the element before it began.
    public var isIntervalEnd = false
    /// What a map's key leads to.
    public var data: Data?
    public var comment: String?
    /// Milliseconds that it stays, and how many are left.
    public var timeout: UInt64?
    public var expiration: UInt64?
    /// How many packets and octets matched it, where it counts.
    public var counter: Counter?
    /// A limit of its own: where one is over, the element is found only once it is passed.
    public var limit: Limit?

    /// What a map's key leads to.
    public enum Data: Hashable, Sendable {
        case value([UInt8])
        case verdict(Verdict)
        /// The name of an object.
        case object(String)
    }

    public init(key: [UInt8]) { self.key = key }

    public init(_ key: SetKey, end: SetKey? = nil, data: Data? = nil) {
        self.key = key.octets
        keyEnd = end?.octets
        self.data = data
    }
}

/// A flowtable (`NFTA_FLOWTABLE_*`).
public struct Flowtable: Hashable, Sendable {
    public var table: Table
    public var name: String
    public var devices: [String] = []

    public init(table: Table, name: String) {
        self.table = table
        self.name = name
    }
}

/// How many packets, and octets of them.
public struct Counter: Hashable, Sendable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64, bytes: UInt64) {
        self.packets = packets
        self.bytes = bytes
    }
}

/// A named object (`NFTA_OBJ_*`).
public struct NamedObject: Hashable, Sendable {
    public var table: Table
    public var name: String
    public var kind: ObjectKind
    public var comment: String?
    /// What a counter has counted.
    public var counter: Counter?
    /// What a limit allows.
    public var limit: Limit?

    public init(table: Table, name: String, kind: ObjectKind) {
        self.table = table
        self.name = name
        self.kind = kind
    }
}
