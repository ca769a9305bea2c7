public import DrawbridgeModel
public import NetworkTypes

/// What part of the host an observation is about: what one event may change, and what that depends on.
public enum ObservationScope: Hashable, Sendable {
    /// A network: its bridge with all ports, its uplink, every route, rule and nexthop that concerns them. What is set of
    /// vifs and what limits them is read of those that are named, however many there are.
    case network(Network, uplink: UplinkReference, vifs: Set<VifID> = [])
    /// Some vifs, and the bridges that they join. It reads single links, never the whole host.
    case vifs([VifDevice], bridges: [NetworkName: LinkName])
    /// Some vifs of routed networks with what leads to them, and which of these addresses their uplinks answer for, by
    /// the index of each uplink; nil asks for all. It reads what is on these devices, never the whole host.
    case routed([VifDevice], uplinks: [NetworkName: Int32], addresses: Set<IPAddress>?)
}

/// How the uplink of a network is found.
public enum UplinkReference: Hashable, Sendable {
    /// There is none.
    case none
    /// By its name or alternative name.
    case name(LinkName)
    /// By what was journalled: the index it had and the address its hardware was made with, where that is known.
    /// A device that has the index but not the address is another one.
    case identity(index: Int32, permanentAddress: MACAddress?)
}

/// Where the device of a vif is looked for.
public struct VifDevice: Hashable, Sendable {
    public var id: VifID
    /// The names that it may bear, the likeliest first.
    public var names: [LinkName]
    /// The index it had, where that is remembered: it is then looked for by that alone.
    public var index: Int32?

    public init(id: VifID, names: [LinkName], index: Int32? = nil) {
        self.id = id
        self.names = names
        self.index = index
    }
}
