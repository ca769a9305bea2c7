/// How the vifs of a network are connected to its uplink.
public enum NetworkKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// By a bridge that the uplink is a port of.
    case bridged
    /// By routes: the host forwards between the uplink and each vif, and answers ARP for the guests.
    case routed
    /// As routed, with the guests behind the host's own address.
    case nat

    /// Whether the host forwards for its guests.
    public var isRouted: Bool { self != .bridged }
}

/// How a routed or NAT network forwards.
public struct Routing: Hashable, Sendable, Codable {
    /// Whether its guests are behind the address of the uplink, and reach nothing but through it.
    public var isNAT = false
    /// Whether its guests reach each other through the host.
    public var connectsGuests = false
    /// Whether IPv4 is forwarded between all interfaces of the host, as Xen's scripts had it, rather than by those
    /// of the network alone.
    public var isGlobal = false
    /// Whether guests behind NAT are told their addresses by DHCP, where nothing is said of the vif (`dhcp=` of
    /// `network-nat`); nil where nothing is said at all.
    public var handsOut: Bool?
    /// Whether that means the host's own DHCP server, whose configuration is edited, rather than dnsmasq.
    public var editsDHCPServer: Bool?

    /// Routed, its guests apart.
    public init() {}
}
