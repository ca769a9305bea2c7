/// The settings of a bridge (`IFLA_BR_*`). nil leaves the kernel's own value, or was not told.
public struct BridgeSettings: Hashable, Sendable, Codable {
    /// 0 is off, 1 the kernel's spanning tree, 2 a user-space one.
    public var spanningTree: UInt32?
    /// In hundredths of a second (USER_HZ).
    public var forwardDelay: UInt32?
    /// In hundredths of a second (USER_HZ).
    public var helloTime: UInt32?
    /// In hundredths of a second (USER_HZ).
    public var maximumAge: UInt32?
    /// How long a learned address is kept, in hundredths of a second (USER_HZ).
    public var ageingTime: UInt32?
    public var priority: UInt16?
    public var vlanFiltering: Bool?
    public var multicastSnooping: Bool?
    public var multicastQuerier: Bool?
    /// Whether bridged IPv4 is handed to iptables (`IFLA_BR_NF_CALL_IPTABLES`).
    public var callIPTables: Bool?
    public var callIP6Tables: Bool?
    public var callARPTables: Bool?
    public init() {}
}

/// The settings of a bridge's port (`IFLA_BRPORT_*`). nil leaves the kernel's own value, or was not told.
public struct BridgePortSettings: Hashable, Sendable, Codable {
    /// The `BR_STATE_*` of the spanning tree: 0 disabled to 3 forwarding. Read only.
    public var state: UInt8?
    public var cost: UInt32?
    public var priority: UInt16?
    public var hairpin: Bool?
    /// Drops spanning tree messages that come in.
    public var bpduGuard: Bool?
    public var rootBlock: Bool?
    public var learning: Bool?
    public var unicastFlood: Bool?
    public var multicastFlood: Bool?
    public var broadcastFlood: Bool?
    /// An isolated port reaches only ports that are not.
    public var isolated: Bool?
    /// A locked port passes only what the forwarding database names.
    public var locked: Bool?
    public var neighbourSuppression: Bool?
    public var proxyARP: Bool?
    /// The VLANs of the port, where its bridge filters by them and somebody asked.
    public var vlans: PortVLANs?
    public init() {}
}
