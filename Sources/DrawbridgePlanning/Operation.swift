public import NetworkTypes

/// One request to the kernel, as a value: it can be printed, counted, stored and tested without a kernel.
public enum Operation: Hashable, Sendable {
    /// RTM_NEWLINK that makes a link, all its attributes in one message. Never with `up`.
    case createLink(LinkKey, Link<LinkKey>, peer: PeerLink?)
    /// RTM_DELLINK.
    case deleteLink(LinkKey)
    /// RTM_NEWLINK on a link that exists.
    case setLink(LinkKey, LinkChange)
    /// RTM_DELVLAN: takes a port out of VLANs.
    case removeVLANs(LinkKey, [UInt16])
    /// RTM_NEWVLAN: puts a port into VLANs.
    case addVLANs(LinkKey, PortVLANs)
    /// RTM_NEWADDR, made new (`NLM_F_EXCL`) or changed in place (`NLM_F_REPLACE`).
    case addAddress(Address<LinkKey>)
    case replaceAddress(Address<LinkKey>)
    /// RTM_DELADDR.
    case deleteAddress(Address<LinkKey>)
    /// RTM_NEWROUTE with `NLM_F_CREATE | NLM_F_EXCL`, `NLM_F_APPEND`, or `NLM_F_REPLACE`.
    case addRoute(Route<LinkKey>)
    case appendRoute(Route<LinkKey>)
    case replaceRoute(Route<LinkKey>)
    /// RTM_DELROUTE.
    case deleteRoute(Route<LinkKey>)
    /// RTM_NEWNEXTHOP with `NLM_F_CREATE | NLM_F_REPLACE`.
    case replaceNexthop(Nexthop<LinkKey>)
    case deleteNexthop(UInt32)
    /// RTM_NEWNEIGH with `NLM_F_CREATE | NLM_F_REPLACE`.
    case replaceNeighbor(Neighbor<LinkKey>)
    case deleteNeighbor(Neighbor<LinkKey>)
    /// RTM_NEWQDISC with `NLM_F_CREATE | NLM_F_REPLACE`: one of the same number and kind is changed in place.
    case replaceQdisc(QueueingDiscipline<LinkKey>)
    /// RTM_DELQDISC.
    case deleteQdisc(QueueingDiscipline<LinkKey>)
    /// RTM_NEWTFILTER.
    case addFilter(TrafficFilter<LinkKey>)
    /// RTM_DELTFILTER.
    case deleteFilter(TrafficFilter<LinkKey>)
    /// A write under `/proc/sys/net`.
    case setSetting(LinkKey, SettingKey, String)
    /// Leads the frames of an uplink past itself, over a pair of its own, to and from the bridge: while the uplink
    /// joins or leaves the bridge it passes none (`br_add_if` and `del_nbp` in net/bridge/br_if.c).
    case openBypass(uplink: LinkKey, bridge: LinkKey)
    /// Takes the bypass away again.
    case closeBypass(uplink: LinkKey)
    /// Waits until the link's operational state is up or unknown, at most this many seconds; goes on then.
    case awaitCarrier(LinkKey, Seconds)
    /// Reports the link's multicast memberships again (IGMPv3 and MLDv2), which a withdrawal elsewhere on the
    /// same wire may have cancelled.
    case reportMulticast(LinkKey)
    /// Sends a router solicitation (RFC 4861 §6.3.7).
    case solicitRouters(LinkKey)

    /// Whether a refusal by the kernel is not a failure: some drivers cannot change the hardware address or the
    /// MTU of a vif, and the vif works without. A plan holds such a change as an operation of its own.
    public var mayFail: Bool {
        guard case .setLink(.vif, let change) = self else { return false }
        var rest = change
        rest.address = nil
        rest.mtu = nil
        return rest == LinkChange()
    }
}

/// The other end of a pair, born in a guest's namespace by the same message.
public struct PeerLink: Hashable, Sendable, Codable {
    public var name: LinkName
    public var address: MACAddress?
    public var mtu: UInt32?

    public init(name: LinkName, address: MACAddress? = nil, mtu: UInt32? = nil) {
        self.name = name
        self.address = address
        self.mtu = mtu
    }
}

/// What is to change on a link; nil leaves a thing as it is.
public struct LinkChange: Hashable, Sendable {
    public var name: String?
    public var alias: String?
    public var mtu: UInt32?
    public var address: MACAddress?
    /// `.some(nil)` takes the link out of its master.
    public var master: LinkKey??
    public var group: UInt32?
    public var isUp: Bool?
    /// `IFF_NOARP`, `IFF_MULTICAST` and the like: the bits that change, and their values.
    public var flagMask: LinkFlags = []
    public var flags: LinkFlags = []
    public var addressGeneration: AddressGeneration?
    public var bridge: BridgeSettings?
    public var port: BridgePortSettings?

    public init() {}
}

/// When in a plan an operation comes: plans are made phase by phase, in this order.
public enum Phase: Int, Hashable, Sendable, Comparable, CaseIterable {
    case permit, create, settings, address, port, shape, up, route, withdraw, repair, delete, forbid

    public static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
}

/// An operation with the phase it belongs to.
public struct Step: Hashable, Sendable {
    public var phase: Phase
    public var operation: Operation

    public init(_ phase: Phase, _ operation: Operation) {
        self.phase = phase
        self.operation = operation
    }
}

/// The ordered difference of two states.
public struct Plan: Hashable, Sendable {
    public var steps: [Step]

    public init(steps: [Step] = []) { self.steps = steps }

    /// Whether there is nothing to do.
    public var isEmpty: Bool { steps.isEmpty }
}
