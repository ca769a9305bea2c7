/// One step of a rule (`NFTA_EXPR_*`). A rule's steps are done in order until one does not match.
///
/// Values in registers are octets in the order in which the kernel loads them: network order for what comes out
/// of a packet, the machine's for marks and device indexes.
public enum Expression: Hashable, Sendable {
    /// Loads something about the packet into a register.
    case meta(key: MetaKey, destination: Register)
    /// Sets something about the packet, such as its mark, from a register.
    case setMeta(key: MetaKey, source: Register)
    /// Loads octets of the packet; does not match where the packet is too short.
    case payload(PayloadBase, offset: UInt32, length: UInt32, destination: Register)
    /// Loads octets of an IPv6 extension header, a TCP option or an IPv4 option.
    case extensionHeader(ExtensionHeader, destination: Register)
    /// Loads something about the packet's connection; `direction` is 0 for the original one, 1 for replies.
    case connection(key: ConnectionKey, direction: UInt8?, destination: Register)
    /// Looks up a route and loads the device it leads through.
    case routeDevice(isName: Bool, destination: Register)
    /// Looks up what the destination is to this host, and loads it: one of `RTN_*`, in the machine's order.
    case destinationType(destination: Register)
    /// `destination = (source & mask) ^ xor`.
    case bitwise(source: Register, destination: Register, mask: [UInt8], xor: [UInt8])
    /// Compares a register with a value.
    case compare(Register, operation: Comparison, value: [UInt8])
    /// Compares a register with a range, both ends included.
    case range(Register, from: [UInt8], to: [UInt8])
    /// Looks registers up in a set; with `isInverted`, matches where they are not in it.
    case lookup(set: String, source: Register, isInverted: Bool = false)
    /// Looks registers up in a map and loads what they map to; does not match where they are not in it.
    case map(set: String, source: Register, destination: Register)
    /// Looks registers up in a verdict map and obeys what they map to.
    case verdictMap(set: String, source: Register)
    /// Loads a value.
    case immediate([UInt8], destination: Register)
    /// Ends the rule.
    case verdict(Verdict)
    /// Counts.
    case counter(packets: UInt64, bytes: UInt64)
    /// Matches up to a rate, or beyond it.
    case limit(Limit)
    /// Writes to the kernel's log.
    case log(Log)
    /// Uses a named object.
    case object(ObjectKind, name: String)
    /// Uses the named object that registers map to.
    case objectMap(set: String, source: Register)
    /// Adds registers to a set, or changes or deletes an element of it.
    case update(SetUpdate)
    /// Rewrites the source address to that of the device the packet leaves by.
    case masquerade
    /// Rewrites an address, and a port if one is told, to what registers hold.
    case translate(Translation)
    /// Sends the frame out by the device whose index a register holds; in the family netdev only.
    case forward(device: Register)
    /// A match of xtables, as iptables-nft uses them, with what it was made of (`NFTA_MATCH_*`; needs `nft_compat`).
    case match(String, revision: UInt32, info: [UInt8])
    /// Any other by the kernel's name, which may overwrite a register. Cannot be sent.
    case other(String, destination: Register?)

    /// The kernel counts from 0.
    public static let counter = Expression.counter(packets: 0, bytes: 0)
    /// Lets the packet pass this hook.
    public static let accept = Expression.verdict(.accept)
    /// Throws the packet away.
    public static let drop = Expression.verdict(.drop)
}

/// How a register is compared (`NFT_CMP_*`).
public enum Comparison: UInt32, Hashable, Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
}

/// What an offset of a packet is counted from (`NFT_PAYLOAD_*_HEADER`).
public enum PayloadBase: UInt32, Hashable, Sendable {
    /// The Ethernet header. A VLAN tag that the device took off is seen as if it were there.
    case link
    /// The header after it, and after the outermost VLAN tag.
    case network
    /// That of the upper layer; not there in fragments but the first.
    case transport
}

/// A part of an extension header (`NFTA_EXTHDR_*`).
public struct ExtensionHeader: Hashable, Sendable {
    /// The header's number: for IPv6, that of `Next Header`.
    public var type: UInt8
    /// Counted from the beginning of that header.
    public var offset: UInt32
    public var length: UInt32
    /// Loads one octet that says whether the header is there (`NFT_EXTHDR_F_PRESENT`).
    public var isPresence: Bool
    /// What it is a header of (`NFT_EXTHDR_OP_*`): 0 for IPv6, 1 for TCP, 2 for IPv4.
    public var kind: UInt32

    /// The fragment header of IPv6 (RFC 8200 §4.5).
    public static let fragment: UInt8 = 44

    public init(_ type: UInt8, offset: UInt32, length: UInt32, isPresence: Bool = false, kind: UInt32 = 0) {
        self.type = type
        self.offset = offset
        self.length = length
        self.isPresence = isPresence
        self.kind = kind
    }
}

/// What becomes of a packet (`NF_*`, `NFT_*` verdicts).
public enum Verdict: Hashable, Sendable {
    case accept, drop
    /// Goes on with the next rule.
    case `continue`
    /// Goes back to where the chain was jumped to from.
    case `return`
    /// Goes to a chain, to come back at its end.
    case jump(String)
    /// Goes to a chain for good; at its end, the policy of the base chain applies.
    case goto(String)

    var code: Int32 {
        switch self {
        case .drop: 0
        case .accept: 1
        case .continue: -1
        case .jump: -3
        case .goto: -4
        case .return: -5
        }
    }

    var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        default: nil
        }
    }
}

/// A rate (`NFTA_LIMIT_*`).
public struct Limit: Hashable, Sendable {
    /// How many of `unit` per `seconds`.
    public var rate: UInt64
    /// The interval in seconds.
    public var seconds: UInt64
    /// How many more may come at once; for octets, at least one frame.
    public var burst: UInt32
    /// Counts octets, not packets.
    public var isBytes: Bool
    /// Matches what is beyond the rate.
    public var isOver: Bool

    public init(
        _ rate: UInt64, perSeconds seconds: UInt64 = 1, burst: UInt32 = 5, isBytes: Bool = false,
        isOver: Bool = false
    ) {
        self.rate = rate
        self.seconds = seconds
        self.burst = burst
        self.isBytes = isBytes
        self.isOver = isOver
    }
}

/// An entry in the kernel's log, or a packet to nfnetlink_log (`NFTA_LOG_*`).
public struct Log: Hashable, Sendable {
    public var prefix: String?
    /// syslog(3)'s level; nil for a message to a group.
    public var level: UInt32?
    /// The nfnetlink_log group.
    public var group: UInt16?

    public init(prefix: String? = nil, level: UInt32? = 4, group: UInt16? = nil) {
        self.prefix = prefix
        self.level = group == nil ? level : nil
        self.group = group
    }
}

/// A change of a set by the packets themselves (`NFTA_DYNSET_*`).
public struct SetUpdate: Hashable, Sendable {
    public enum Operation: UInt32, Hashable, Sendable {
        /// Adds an element; one that is there stays as it is.
        case add
        /// Adds an element, or renews its timeout and uses its expressions.
        case update
        case delete
    }

    public var set: String
    public var operation: Operation
    public var key: Register
    /// What the key maps to.
    public var data: Register?
    /// Milliseconds until the element goes.
    public var timeout: UInt64?
    /// Used for each packet of the element, such as a limit.
    public var expressions: [Expression]

    public init(
        _ operation: Operation, set: String, key: Register, data: Register? = nil, timeout: UInt64? = nil,
        expressions: [Expression] = []
    ) {
        self.set = set
        self.operation = operation
        self.key = key
        self.data = data
        self.timeout = timeout
        self.expressions = expressions
    }
}

/// What is rewritten of a connection's packets (`NFTA_NAT_*`).
public struct Translation: Hashable, Sendable {
    /// Whether the destination is rewritten, and not the source.
    public var isOfDestination: Bool
    /// Whether the address is an IPv6 one.
    public var isIPv6: Bool
    /// Where the address is.
    public var address: Register
    /// Where the port is; nil leaves it as it is.
    public var port: Register?

    public init(isOfDestination: Bool, isIPv6: Bool, address: Register, port: Register? = nil) {
        self.isOfDestination = isOfDestination
        self.isIPv6 = isIPv6
        self.address = address
        self.port = port
    }
}

/// What a named object is (`NFT_OBJECT_*`).
public struct ObjectKind: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let counter = ObjectKind(rawValue: 1)
    public static let quota = ObjectKind(rawValue: 2)
    public static let limit = ObjectKind(rawValue: 4)
}

/// What `ct` loads (`NFT_CT_*`).
public struct ConnectionKey: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A mask of four octets in the machine's order: 1 invalid, 2 established, 4 related, 8 new, 64 untracked.
    public static let state = ConnectionKey(rawValue: 0)
    public static let direction = ConnectionKey(rawValue: 1)
    public static let status = ConnectionKey(rawValue: 2)
    public static let mark = ConnectionKey(rawValue: 3)

    /// Of ``state``: the connection is known, or belongs to one that is.
    public static let known: UInt32 = 6
    /// Of ``status``: its destination is rewritten (`IPS_DST_NAT`).
    public static let hasNewDestination: UInt32 = 32
}

/// What `meta` loads (`NFT_META_*`).
public struct MetaKey: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The packet's length in octets, in the machine's order.
    public static let length = MetaKey(rawValue: 0)
    /// The Ethernet type after the outermost VLAN tag, in network order.
    public static let `protocol` = MetaKey(rawValue: 1)
    public static let mark = MetaKey(rawValue: 3)
    public static let inputIndex = MetaKey(rawValue: 4)
    public static let outputIndex = MetaKey(rawValue: 5)
    public static let inputName = MetaKey(rawValue: 6)
    public static let outputName = MetaKey(rawValue: 7)
    /// Starts the trace of a packet (`meta nftrace set 1`).
    public static let trace = MetaKey(rawValue: 13)
    public static let family = MetaKey(rawValue: 15)
    /// The number of the upper layer, found behind IPv6 extension headers; one octet.
    public static let upperLayer = MetaKey(rawValue: 16)
    /// The device a packet came in by, where that is the port of a VRF (`NFT_META_SDIF`).
    public static let portIndex = MetaKey(rawValue: 33)
    public static let portName = MetaKey(rawValue: 34)
}

/// Where a register begins, counted in words of four octets: the kernel has four registers of 16 octets
/// (`NFT_REG_1…4`) that are also sixteen of four (`NFT_REG32_00…15`).
public struct Register: Hashable, Sendable {
    public var word: Int

    /// Takes the kernel's number; nil for the verdict register and for numbers that do not exist.
    public init?(number: UInt32) {
        switch number {
        case 1...4: word = Int(number - 1) * 4
        case 8...23: word = Int(number) - 8
        default: return nil
        }
    }

    /// The register that begins `word` words after the first; the kernel refuses one beyond the fifteenth.
    public init(word: Int) { self.word = word }

    /// The first register.
    public static let first = Register(word: 0)

    /// `NFT_REG32_00` and on; a number that the kernel refuses where the word does not exist.
    var number: UInt32 { (0..<16).contains(word) ? UInt32(8 + word) : .max }
}
