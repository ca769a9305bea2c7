public import DrawbridgeModel
import NetworkTypes

/// What `vif-openvswitch` desires of the kernel: a vif that Open vSwitch can take for its port. Which port it is, is
/// said in Open vSwitch's database, and whatever the device is a port of, Open vSwitch has made it.
public struct SwitchVif: Hashable, Sendable {
    public var request: VifRequest
    /// The link group of what Drawbridge makes.
    public var group: UInt32

    public init(_ request: VifRequest, group: UInt32) {
        self.request = request
        self.group = group
    }

    /// The role of the host's end.
    public var key: LinkKey { .vif(request.id) }

    /// The state with the vif up, and nothing of the host's on it.
    ///
    /// - Throws: if a device that others make is not there, or is a port of something else.
    public func online(in state: HostState) throws(PlanningError) -> HostState {
        var result = state
        var link: Link<LinkKey>
        switch request.source {
        case .existing(let device):
            guard let found = state.links[key] else { throw .missingLink(name: device.rawValue) }
            if let kind = found.portKind, kind != "openvswitch" {
                throw .refused(
                    DrawbridgeError(
                        .conflict, device.rawValue, "is a port of a \(kind) already",
                        advice: "take it out of there first"))
            }
            link = found
            if let name = request.vifName { link.name = name.rawValue }
            if link.alias == nil { link.alias = LinkMark.used(key).alias }
        case .pair(let guestName):
            link = state.links[key] ?? Link(name: BridgeVif(request, group: group).deviceName)
            link.name = BridgeVif(request, group: group).deviceName
            link.kind = .veth
            link.alias = LinkMark.made(key).alias
            link.group = group
            result.peers[key] = PeerLink(name: guestName, address: request.mac, mtu: request.mtu)
        case .tap(let options):
            link = try state.tap(
                options, of: key, named: BridgeVif(request, group: group).deviceName, group: group)
        }
        link.address = .xenVif
        link.mtu = request.mtu ?? (state.links[key] == nil ? 1500 : link.mtu)
        // The host is not reachable by the vif itself: it neither answers ARP nor listens to groups.
        link.flags.formUnion([.up, .noARP])
        link.flags.remove(.multicast)
        link.addressGeneration = AddressGeneration.none
        result.links[key] = link
        result.settings[key, default: [:]][.disableIPv6] = "1"
        result.clear(key)
        return result
    }

    /// The state with the vif down and kept where others made it, and deleted where Drawbridge did. A vif that is not
    /// there changes nothing.
    public func offline(in state: HostState) -> HostState {
        var result = VifShaping(request.id, VifRates(), group: group, tick: 0).unlimited(in: state)
        guard state.links[key] != nil else { return result }
        if state.owner(of: key) == .drawbridge { return result.without(key) }
        result.links[key]?.flags.remove(.up)
        // Others may make a device of this name for another guest: nothing of this one must cling to it.
        if case .used = LinkMark(alias: state.links[key]?.alias) { result.links[key]?.alias = nil }
        result.clear(key)
        return result
    }
}
