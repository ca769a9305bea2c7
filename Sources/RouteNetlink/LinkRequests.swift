import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Makes a link (RTM_NEWLINK) with all that the kernel takes at birth in one message, and an alias and the way it
    /// makes link-local addresses in a second. The answer is an echo that tells its index.
    public mutating func create(_ link: Link<Int32>, peer: VethPeer? = nil) {
        // A link that is to go without ARP is born so, and without multicast unless it says otherwise; of any other the
        // driver knows best.
        var mask = link.flags.intersection([.up, .noARP])
        if link.flags.contains(.noARP) { mask.insert(.multicast) }
        let header = Self.header(index: 0, flags: link.flags.intersection(mask), mask: mask)
        created.append((count, link.name))
        buffer.message(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO) { message in
            message.header(header)
            message.put(IFLA_IFNAME, string: link.name)
            if let address = link.address { message.put(IFLA_ADDRESS, address) }
            if link.mtu != 0 { message.put(IFLA_MTU, link.mtu) }
            message.put(IFLA_TXQLEN, link.transmitQueueLength)
            if link.group != 0 { message.put(IFLA_GROUP, link.group) }
            if let master = link.master { message.put(IFLA_MASTER, master) }
            if let parent = link.parent { message.put(IFLA_LINK, parent) }
            if let kind = link.kind.name {
                message.nest(IFLA_LINKINFO) { info in
                    info.put(IFLA_INFO_KIND, string: kind)
                    info.put(kind: link.kind, peer: peer, parent: link.parent)
                }
            }
        }
        guard link.alias != nil || link.addressGeneration != nil else { return }
        // The kernel takes these only on a link that exists: a message of their own, which finds it by name.
        buffer.message(type: RTM_NEWLINK) { message in
            message.header(Self.header(index: 0))
            message.put(IFLA_IFNAME, string: link.name)
            if let alias = link.alias { message.put(IFLA_IFALIAS, string: alias) }
            if let mode = link.addressGeneration { message.put(addressGeneration: mode) }
        }
    }

    /// Changes a link (RTM_NEWLINK on one that exists).
    public mutating func set(_ index: Int32, _ settings: LinkSettings) {
        let header = Self.header(index: index, flags: settings.flags, mask: settings.flagMask)
        buffer.message(type: RTM_NEWLINK) { message in
            message.header(header)
            if let name = settings.name { message.put(IFLA_IFNAME, string: name) }
            if let alias = settings.alias { message.put(IFLA_IFALIAS, string: alias) }
            if let mtu = settings.mtu { message.put(IFLA_MTU, mtu) }
            if let address = settings.address { message.put(IFLA_ADDRESS, address) }
            if let group = settings.group { message.put(IFLA_GROUP, group) }
            if let length = settings.transmitQueueLength { message.put(IFLA_TXQLEN, length) }
            if let namespace = settings.namespace { message.put(IFLA_NET_NS_FD, namespace) }
            if let master = settings.master { message.put(IFLA_MASTER, master) }
            if let mode = settings.addressGeneration { message.put(addressGeneration: mode) }
            if let bridge = settings.bridge {
                message.nest(IFLA_LINKINFO) { info in
                    info.put(IFLA_INFO_KIND, string: "bridge")
                    info.nest(IFLA_INFO_DATA) { $0.put(bridge) }
                }
            } else if let port = settings.port {
                message.nest(IFLA_LINKINFO) { info in
                    info.put(IFLA_INFO_SLAVE_KIND, string: "bridge")
                    info.nest(IFLA_INFO_SLAVE_DATA) { $0.put(port) }
                }
            }
        }
    }

    /// Deletes a link (RTM_DELLINK).
    public mutating func deleteLink(_ index: Int32) {
        buffer.message(type: RTM_DELLINK) { $0.header(Self.header(index: index)) }
    }

    /// Deletes every link of a group in one step.
    public mutating func deleteLinks(inGroup group: UInt32) {
        buffer.message(type: RTM_DELLINK) { message in
            message.header(Self.header(index: 0))
            message.put(IFLA_GROUP, group)
        }
    }

    /// Gives a link another name by which it can be found (RTM_NEWLINKPROP).
    public mutating func addAlternativeName(_ name: String, to index: Int32) {
        alternativeName(name, index, type: RTM_NEWLINKPROP, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND)
    }

    /// Takes an alternative name away (RTM_DELLINKPROP).
    public mutating func removeAlternativeName(_ name: String, from index: Int32) {
        alternativeName(name, index, type: RTM_DELLINKPROP, flags: 0)
    }

    private mutating func alternativeName(_ name: String, _ index: Int32, type: Int, flags: Int32) {
        buffer.message(type: type, flags: flags) { message in
            message.header(Self.header(index: index))
            message.nest(IFLA_PROP_LIST) { $0.put(IFLA_ALT_IFNAME, string: name) }
        }
    }

    static func header(index: Int32, flags: LinkFlags = [], mask: LinkFlags = []) -> ifinfomsg {
        var header = ifinfomsg()
        header.ifi_index = index
        header.ifi_flags = flags.rawValue
        header.ifi_change = mask.rawValue
        return header
    }
}

extension MessageBuffer {
    mutating func put(addressGeneration mode: AddressGeneration) {
        nest(IFLA_AF_SPEC) { families in
            families.nest(Int(AF_INET6)) { $0.put(IFLA_INET6_ADDR_GEN_MODE, mode.rawValue) }
        }
    }

    mutating func put(kind: LinkKind, peer: VethPeer?, parent: Int32?) {
        switch kind {
        case .physical, .ifb, .other: break
        case .bridge(var settings):
            // A new bridge filters no VLANs, and a kernel built without that refuses even to be told so.
            if settings.vlanFiltering == false { settings.vlanFiltering = nil }
            let settable = settings
            nest(IFLA_INFO_DATA) { $0.put(settable) }
        case .veth:
            guard let peer else { return }
            nest(IFLA_INFO_DATA) { data in
                data.nest(Int(VETH_INFO_PEER)) { message in
                    message.header(RouteBatch.header(index: 0))
                    message.put(IFLA_IFNAME, string: peer.name)
                    if let address = peer.address { message.put(IFLA_ADDRESS, address) }
                    if let mtu = peer.mtu { message.put(IFLA_MTU, mtu) }
                    if let namespace = peer.namespace { message.put(IFLA_NET_NS_FD, namespace) }
                }
            }
        case .tun: break
        case .vxlan(let settings):
            nest(IFLA_INFO_DATA) { data in
                data.put(IFLA_VXLAN_ID, settings.identifier)
                if let parent { data.put(IFLA_VXLAN_LINK, parent) }
                switch settings.local {
                case .ipv4(let address): data.put(IFLA_VXLAN_LOCAL, bigEndian: address.value)
                case .ipv6(let address): data.put(IFLA_VXLAN_LOCAL6, .ipv6(address))
                case nil: break
                }
                switch settings.remote {
                case .ipv4(let address): data.put(IFLA_VXLAN_GROUP, bigEndian: address.value)
                case .ipv6(let address): data.put(IFLA_VXLAN_GROUP6, .ipv6(address))
                case nil: break
                }
                data.put(IFLA_VXLAN_PORT, bigEndian: settings.port)
                data.put(IFLA_VXLAN_LEARNING, UInt8(settings.learning ? 1 : 0))
            }
        case .macvlan(let settings):
            nest(IFLA_INFO_DATA) { $0.put(IFLA_MACVLAN_MODE, settings.mode.rawValue) }
        }
    }

    mutating func put(_ bridge: BridgeSettings) {
        put(IFLA_BR_FORWARD_DELAY, bridge.forwardDelay)
        put(IFLA_BR_HELLO_TIME, bridge.helloTime)
        put(IFLA_BR_MAX_AGE, bridge.maximumAge)
        put(IFLA_BR_AGEING_TIME, bridge.ageingTime)
        put(IFLA_BR_STP_STATE, bridge.spanningTree)
        put(IFLA_BR_PRIORITY, bridge.priority)
        put(IFLA_BR_VLAN_FILTERING, bridge.vlanFiltering)
        put(IFLA_BR_MCAST_SNOOPING, bridge.multicastSnooping)
        put(IFLA_BR_MCAST_QUERIER, bridge.multicastQuerier)
        put(IFLA_BR_NF_CALL_IPTABLES, bridge.callIPTables)
        put(IFLA_BR_NF_CALL_IP6TABLES, bridge.callIP6Tables)
        put(IFLA_BR_NF_CALL_ARPTABLES, bridge.callARPTables)
    }

    mutating func put(_ port: BridgePortSettings) {
        put(IFLA_BRPORT_COST, port.cost)
        put(IFLA_BRPORT_PRIORITY, port.priority)
        put(IFLA_BRPORT_MODE, port.hairpin)
        put(IFLA_BRPORT_GUARD, port.bpduGuard)
        put(IFLA_BRPORT_PROTECT, port.rootBlock)
        put(IFLA_BRPORT_LEARNING, port.learning)
        put(IFLA_BRPORT_UNICAST_FLOOD, port.unicastFlood)
        put(IFLA_BRPORT_MCAST_FLOOD, port.multicastFlood)
        put(IFLA_BRPORT_BCAST_FLOOD, port.broadcastFlood)
        put(IFLA_BRPORT_ISOLATED, port.isolated)
        put(IFLA_BRPORT_LOCKED, port.locked)
        put(IFLA_BRPORT_NEIGH_SUPPRESS, port.neighbourSuppression)
        put(IFLA_BRPORT_PROXYARP, port.proxyARP)
    }

    private mutating func put<Value: BitwiseCopyable>(_ type: Int, _ value: Value?) {
        if let value { put(type, value) }
    }

    private mutating func put(_ type: Int, _ value: Bool?) {
        if let value { put(type, UInt8(value ? 1 : 0)) }
    }
}
