import LinuxHeaders
import Netlink
public import NetworkTypes

/// How a request treats what is there already (`NLM_F_*` of rtnetlink(7)).
public enum Existing: Sendable {
    /// It must not be there (`NLM_F_CREATE | NLM_F_EXCL`).
    case refuse
    /// It is replaced, or made where it is not there (`NLM_F_CREATE | NLM_F_REPLACE`).
    case replace
    /// It stays, and this one comes after it (`NLM_F_CREATE | NLM_F_APPEND`).
    case append

    var flags: Int32 {
        switch self {
        case .refuse: NLM_F_CREATE | NLM_F_EXCL
        case .replace: NLM_F_CREATE | NLM_F_REPLACE
        case .append: NLM_F_CREATE | NLM_F_APPEND
        }
    }
}

/// Requests to rtnetlink, collected to be sent in one go and carried out in order.
///
/// Devices are interface indexes throughout.
public struct RouteBatch: ~Copyable {
    var buffer: MessageBuffer
    /// The links that it makes, by the place of their request.
    var created: [(place: Int, name: String)] = []

    /// Makes an empty batch.
    public init() { buffer = MessageBuffer(capacity: 8192) }

    /// How many requests it holds.
    public var count: Int { buffer.messageCount }

    /// Empties it, keeping its memory.
    public mutating func removeAll() {
        buffer.removeAll()
        created.removeAll(keepingCapacity: true)
    }
}

/// The other end of a veth pair, made by the same request.
public struct VethPeer: Hashable, Sendable {
    public var name: String
    public var address: MACAddress?
    public var mtu: UInt32?
    /// The descriptor of the network namespace that it is born in; nil for this one.
    public var namespace: Int32?

    public init(name: String, address: MACAddress? = nil, mtu: UInt32? = nil, namespace: Int32? = nil) {
        self.name = name
        self.address = address
        self.mtu = mtu
        self.namespace = namespace
    }
}

/// What is to change on a link; nil leaves a thing as it is.
public struct LinkSettings: Hashable, Sendable {
    public var name: String?
    public var alias: String?
    public var mtu: UInt32?
    public var address: MACAddress?
    /// The index of the new master; 0 takes the link out of its master.
    public var master: Int32?
    public var group: UInt32?
    public var transmitQueueLength: UInt32?
    /// The descriptor of the network namespace to move to.
    public var namespace: Int32?
    /// The `IFF_*` that change, and their values.
    public var flagMask: LinkFlags = []
    public var flags: LinkFlags = []
    public var addressGeneration: AddressGeneration?
    public var bridge: BridgeSettings?
    public var port: BridgePortSettings?

    public init() {}

    /// Sets or clears `IFF_UP`.
    public mutating func set(up: Bool) {
        flagMask.insert(.up)
        if up { flags.insert(.up) } else { flags.remove(.up) }
    }
}
