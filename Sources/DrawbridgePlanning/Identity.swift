public import DrawbridgeModel
public import NetworkTypes

/// Which link is meant: its role, not its name, so that a rename is a change of an attribute.
public enum LinkKey: Hashable, Sendable, Codable {
    /// The interface that a network takes onto its bridge.
    case uplink(NetworkName)
    /// The bridge of a network.
    case bridge(NetworkName)
    /// The host's end of a vif.
    case vif(VifID)
    /// The device through which a vif's guest sends while its rate is limited.
    case ifb(VifID)
    /// A link that has no role, by its interface index.
    case other(Int32)

    /// Whether the link has a role, so that a plan may change it.
    public var hasRole: Bool {
        if case .other = self { false } else { true }
    }
}

extension LinkKey: Comparable {
    /// The order in which links are made: a bridge comes before what joins it.
    public static func < (left: LinkKey, right: LinkKey) -> Bool {
        switch (left, right) {
        case (.bridge(let left), .bridge(let right)), (.uplink(let left), .uplink(let right)): left < right
        case (.vif(let left), .vif(let right)), (.ifb(let left), .ifb(let right)): left < right
        case (.other(let left), .other(let right)): left < right
        default: left.rank < right.rank
        }
    }

    private var rank: Int {
        switch self {
        case .bridge: 0
        case .uplink: 1
        case .ifb: 2
        case .vif: 3
        case .other: 4
        }
    }
}

extension LinkKey: CustomStringConvertible {
    public var description: String {
        switch self {
        case .uplink(let network): "the uplink of \(network)"
        case .bridge(let network): "\(network)"
        case .vif(let id): "\(id)"
        case .ifb(let id): "ifb\(id.domain).\(id.device)\(id.isEmulated ? "e" : "")"
        case .other(let index): "interface \(index)"
        }
    }
}

/// Which address is meant: the kernel tells two addresses of a link apart by this.
public struct AddressKey: Hashable, Sendable, Codable {
    public var link: LinkKey
    public var prefix: Prefix
    public var peer: IPAddress?

    public init(_ address: Address<LinkKey>) {
        link = address.device
        prefix = address.prefix
        peer = address.peer
    }
}

/// Which neighbour is meant.
public struct NeighborKey: Hashable, Sendable, Codable {
    public var link: LinkKey
    public var destination: IPAddress
    public var isProxy: Bool

    public init(_ neighbor: Neighbor<LinkKey>) {
        link = neighbor.device
        destination = neighbor.destination
        isProxy = neighbor.isProxy
    }
}

/// Which route is meant: what the kernel compares to tell two routes apart. Several routes may share it; their
/// order is then what tells them apart.
public struct RouteKey: Hashable, Sendable, Codable {
    public var family: AddressFamily
    public var table: UInt32
    public var destination: Prefix?
    public var source: Prefix?
    public var typeOfService: UInt8
    public var metric: UInt32
    /// IPv6 tells apart routes of one metric by the device of a route without gateway, and IPv4 by the place
    /// in the list; the ordinal counts those that agree in all else, from 0.
    public var ordinal: Int

    public init(_ route: Route<LinkKey>, ordinal: Int = 0) {
        family = route.family
        table = route.table
        destination = route.destination
        source = route.source
        typeOfService = route.typeOfService
        metric = route.metric
        self.ordinal = ordinal
    }
}

/// Which per-interface sysctl is meant: `net.ipv4.conf.<link>.rp_filter` is `(.ipv4Conf, "rp_filter")` of that link.
public struct SettingKey: Hashable, Sendable, Codable, Comparable {
    /// The directory under `/proc/sys/net`; an offload of the device is no sysctl, and is set by `ethtool`'s ioctls.
    public enum Tree: String, Hashable, Sendable, Codable, CaseIterable {
        case ipv4Conf = "ipv4/conf"
        case ipv6Conf = "ipv6/conf"
        case ipv4Neigh = "ipv4/neigh"
        case ipv6Neigh = "ipv6/neigh"
        case offload
    }
    public var tree: Tree
    public var name: String

    public init(_ tree: Tree, _ name: String) {
        self.tree = tree
        self.name = name
    }

    public static func < (left: SettingKey, right: SettingKey) -> Bool {
        (left.tree.rawValue, left.name) < (right.tree.rawValue, right.name)
    }
}

extension SettingKey: CustomStringConvertible {
    /// `ipv4.rp_filter`, `ipv6.neigh.gc_stale_time`.
    public var description: String {
        switch tree {
        case .ipv4Conf: "ipv4.\(name)"
        case .ipv6Conf: "ipv6.\(name)"
        case .ipv4Neigh: "ipv4.neigh.\(name)"
        case .offload: name
        case .ipv6Neigh: "ipv6.neigh.\(name)"
        }
    }
}
