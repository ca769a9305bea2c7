public import DrawbridgeHost
public import DrawbridgeModel
public import DrawbridgePlanning
public import NetworkTypes

/// A network as it was asked for, and the host's own configuration before it was touched.
public struct BaselineRecord: Hashable, Sendable, Codable {
    public var network: Network
    public var state: HostState
    /// When it was read, in seconds of CLOCK_BOOTTIME: lifetimes in `state` count from there.
    public var takenAt: UInt64
    public var identity: JournalIdentity

    public init(network: Network, state: HostState, takenAt: UInt64, identity: JournalIdentity) {
        self.network = network
        self.state = state
        self.takenAt = takenAt
        self.identity = identity
    }
}

/// What Drawbridge last made of the host: the base of the three-way merge at stop.
public struct SettledRecord: Hashable, Sendable, Codable {
    public var state: HostState
    /// When it was reached, in seconds of CLOCK_BOOTTIME: lifetimes in `state` count from there.
    public var takenAt: UInt64
    public var identity: JournalIdentity

    public init(state: HostState, takenAt: UInt64, identity: JournalIdentity) {
        self.state = state
        self.takenAt = takenAt
        self.identity = identity
    }
}

/// Every vif that is attached or to be attached again.
public struct AttachmentsRecord: Hashable, Sendable, Codable {
    public var attachments: [Attachment]
    /// The addresses of vifs that went, the oldest first.
    public var resting: [RestingAddress]
    public var identity: JournalIdentity

    public init(
        attachments: [Attachment], resting: [RestingAddress] = [], identity: JournalIdentity
    ) {
        self.attachments = attachments
        self.resting = resting
        self.identity = identity
    }
}

/// One vif with the device it had: only the same device is attached again without being asked for.
public struct Attachment: Hashable, Sendable, Codable {
    public var request: VifRequest
    /// The network that it is connected to; nil where a program of the administrator's has put it elsewhere.
    public var network: NetworkName?
    /// The device's name and interface index when it was attached.
    public var device: LinkName
    public var index: Int32
    /// What was set of a device of others' before a routed network took it, as `ipv4/conf/proxy_arp`.
    public var formerSettings: [String: String]?
    /// Whether Drawbridge isolated it as it was attached; nil, as in records of before, for no.
    public var isIsolated: Bool?
    /// Whether what it sends is forwarded before the kernel's ingress has it, where neither a filter nor a limit can be:
    /// by a bridge of Open vSwitch outside of the kernel; nil, as in records of before, for no.
    public var isOutsideKernel: Bool?
    /// Whether it was on its way from another network when this was written; nil for no.
    public var isMoving: Bool?
    /// The addresses that were learnt of it; nil, as in records of before, for none.
    public var learned: [Prefix]?
    /// The rules that accept it in the administrator's iptables chain; nil, as in records of before, for none.
    public var acceptRules: [AcceptRule]?

    public init(request: VifRequest, network: NetworkName?, device: LinkName, index: Int32) {
        self.request = request
        self.network = network
        self.device = device
        self.index = index
    }

    /// What was asked for it, with the addresses that are its own by now.
    public var held: VifRequest {
        guard let learned, request.addresses.isEmpty else { return request }
        var held = request
        held.addresses = learned
        return held
    }
}

/// What the daemon was about with a network: recovery finishes what was being raised or lowered.
public struct IntentRecord: Hashable, Sendable, Codable {
    public enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
        case raising, up, lowering
    }
    public var phase: Phase
    /// Seconds of CLOCK_BOOTTIME.
    public var since: UInt64
    public var identity: JournalIdentity

    public init(_ phase: Phase, since: UInt64, identity: JournalIdentity) {
        self.phase = phase
        self.since = since
        self.identity = identity
    }
}

/// The host's own forwarding, as long as a routed or NAT network changes it.
public struct StoredForwarding: Hashable, Sendable, Codable {
    public var record: ForwardingRecord
    public var identity: JournalIdentity

    public init(record: ForwardingRecord, identity: JournalIdentity) {
        self.record = record
        self.identity = identity
    }
}
