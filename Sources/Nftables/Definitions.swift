/// What a table is (`NFTA_TABLE_FLAGS`).
public struct TableFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Its chains see no packets.
    public static let dormant = TableFlags(rawValue: 1)
    /// Only the socket that made it may change it, and `nft flush ruleset` of others spares it. It goes with the
    /// socket unless it persists.
    public static let owner = TableFlags(rawValue: 2)
    /// It stays when its owner's socket is closed, and may be taken over then (Linux 6.9).
    public static let persist = TableFlags(rawValue: 4)
}

/// What the kernel tells of a table itself (`NFTA_TABLE_*`).
public struct TableState: Hashable, Sendable {
    public var flags: TableFlags
    public var comment: String?
    /// The port of the socket that owns it; nil where nobody does.
    public var owner: UInt32?
}

/// What a set is (`NFTA_SET_FLAGS`).
public struct SetFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let anonymous = SetFlags(rawValue: 0x1)
    public static let constant = SetFlags(rawValue: 0x2)
    /// Its elements are ranges.
    public static let interval = SetFlags(rawValue: 0x4)
    public static let map = SetFlags(rawValue: 0x8)
    /// Its elements may have timeouts.
    public static let timeout = SetFlags(rawValue: 0x10)
    /// Rules may change it.
    public static let dynamic = SetFlags(rawValue: 0x20)
    /// It maps to named objects.
    public static let object = SetFlags(rawValue: 0x40)
    public static let concatenation = SetFlags(rawValue: 0x80)
    public static let expression = SetFlags(rawValue: 0x100)
}

/// A set or map to be made.
public struct SetDefinition: Hashable, Sendable {
    /// What the keys of a map lead to.
    public enum Data: Hashable, Sendable {
        case verdict
        case value(DataType)
        case object(ObjectKind)
    }

    public var table: Table
    public var name: String
    /// The parts of the key.
    public var key: [DataType]
    /// What the keys lead to; nil for a set.
    public var data: Data?
    /// Besides those that follow from the rest (`map`, `object`, `concatenation`).
    public var flags: SetFlags = []
    /// What every element has of its own, such as a counter.
    public var expressions: [Expression] = []
    /// Milliseconds that elements stay unless they say otherwise.
    public var timeout: UInt64?
    /// The most elements it may have.
    public var size: UInt32?
    public var comment: String?

    public init(_ name: String, in table: Table, key: [DataType]) {
        self.table = table
        self.name = name
        self.key = key
    }

    var keyType: UInt32 { key.reduce(0) { $0 << 6 | $1.number } }

    /// How many octets a key has.
    public var keyLength: Int {
        key.count == 1 ? key[0].length : key.reduce(0) { $0 + $1.paddedLength }
    }

    /// What nft(8) keeps with a set to show it: how keys and values lie (`NFTNL_UDATA_SET_KEYBYTEORDER`,
    /// `NFTNL_UDATA_SET_DATABYTEORDER`), and a comment (`NFTNL_UDATA_SET_COMMENT`).
    var userData: [UInt8] {
        func entry(_ type: UInt8, _ order: UInt32) -> [UInt8] {
            [type, 4] + (0..<4).map { UInt8(truncatingIfNeeded: order.littleEndian >> (8 * $0)) }
        }
        var octets: [UInt8] = []
        if key.count == 1 { octets += entry(0, key[0].byteOrder) }
        if case .value(let type)? = data { octets += entry(1, type.byteOrder) }
        if let comment {
            let text = Array(comment.utf8.prefix(127)) + [0]
            octets += [7, UInt8(text.count)] + text
        }
        return octets
    }

    /// The flags that are sent.
    var allFlags: SetFlags {
        var flags = flags
        switch data {
        case nil: break
        case .object: flags.insert(.object)
        default: flags.insert(.map)
        }
        if key.count > 1 { flags.insert(.concatenation) }
        if timeout != nil { flags.insert(.timeout) }
        return flags
    }
}

/// The hook of a base chain (`NFTA_HOOK_*`).
public struct Hook: Hashable, Sendable {
    /// `NF_INET_*` for inet, ip, ip6 and bridge, `NF_ARP_*` for arp, `NF_NETDEV_*` for netdev.
    public var number: UInt32
    /// Chains of a hook are passed from the lowest on.
    public var priority: Int32
    /// The devices whose hook it is, for ingress and egress.
    public var devices: [String]

    public init(_ number: UInt32, priority: Int32, devices: [String] = []) {
        self.number = number
        self.priority = priority
        self.devices = devices
    }

    /// Before routing, for inet, ip, ip6 and bridge.
    public static func prerouting(_ priority: Int32) -> Hook { Hook(0, priority: priority) }
    public static func input(_ priority: Int32) -> Hook { Hook(1, priority: priority) }
    public static func forward(_ priority: Int32) -> Hook { Hook(2, priority: priority) }
    public static func output(_ priority: Int32) -> Hook { Hook(3, priority: priority) }
    public static func postrouting(_ priority: Int32) -> Hook { Hook(4, priority: priority) }

    /// What comes in by devices, before anything else sees it: for netdev.
    public static func ingress(_ priority: Int32, devices: [String] = []) -> Hook {
        Hook(0, priority: priority, devices: devices)
    }

    /// What goes out by devices: for netdev (Linux 5.16).
    public static func egress(_ priority: Int32, devices: [String] = []) -> Hook {
        Hook(1, priority: priority, devices: devices)
    }
}

/// A chain to be made.
public struct ChainDefinition: Hashable, Sendable {
    public var table: Table
    public var name: String
    /// nil for a chain that is only jumped to.
    public var hook: Hook?
    /// `filter`, `nat` or `route`, for base chains.
    public var type = "filter"
    /// What becomes of a packet at the end of a base chain: accepted, or dropped.
    public var dropsByDefault = false
    public var comment: String?

    public init(_ name: String, in table: Table, hook: Hook? = nil, dropsByDefault: Bool = false) {
        self.table = table
        self.name = name
        self.hook = hook
        self.dropsByDefault = dropsByDefault
    }
}

/// A named object to be made.
public struct ObjectDefinition: Hashable, Sendable {
    /// What it is, and what it starts with.
    public enum Content: Hashable, Sendable {
        case counter(packets: UInt64, bytes: UInt64)
        case limit(Limit)
    }

    public var table: Table
    public var name: String
    public var content: Content
    public var comment: String?

    public init(_ name: String, in table: Table, _ content: Content) {
        self.table = table
        self.name = name
        self.content = content
    }

    /// What it is.
    public var kind: ObjectKind {
        switch content {
        case .counter: .counter
        case .limit: .limit
        }
    }
}
