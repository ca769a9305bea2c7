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
    /// A link that has no role, by its interface index.
    case other(Int32)
}

/// Which route is meant: what the kernel compares to tell two routes apart.
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

/// Which per-interface sysctl is meant: `net.ipv4.conf.<link>.rp_filter` is `(.ipv4, "rp_filter")` of that link.
public struct SettingKey: Hashable, Sendable, Codable, Comparable {
    /// The directory under `/proc/sys/net`.
    public enum Tree: String, Hashable, Sendable, Codable, CaseIterable {
        case ipv4Conf = "ipv4/conf"
        case ipv6Conf = "ipv6/conf"
        case ipv4Neigh = "ipv4/neigh"
        case ipv6Neigh = "ipv6/neigh"
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
