import LinuxHeaders
import Netlink
import NetworkTypes

extension Link where Device == Int32 {
    /// Reads an RTM_NEWLINK message; gives the index beside the link.
    static func decode(_ message: borrowing Message) -> (index: Int32, link: Link)? {
        guard message.type == RTM_NEWLINK, let header = message.header(as: ifinfomsg.self) else { return nil }
        var link = Link(name: "")
        link.flags = LinkFlags(rawValue: header.ifi_flags)
        link.hardwareType = header.ifi_type
        link.hasCarrier = link.flags.contains(.lowerUp)
        var attributes = message.attributes(after: ifinfomsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case IFLA_IFNAME: link.name = attribute.string
            case IFLA_IFALIAS: link.alias = attribute.string
            case IFLA_ADDRESS: link.address = attribute.hardwareAddress
            case IFLA_PERM_ADDRESS: link.permanentAddress = attribute.hardwareAddress
            case IFLA_MTU: link.mtu = attribute.value() ?? 0
            case IFLA_MASTER: link.master = attribute.value()
            case IFLA_LINK:
                // A device on the machine itself names itself or nothing.
                if let parent = attribute.value(as: Int32.self), parent != 0 { link.parent = parent }
            case IFLA_LINK_NETNSID: link.parentNamespace = attribute.value()
            case IFLA_GROUP: link.group = attribute.value() ?? 0
            case IFLA_TXQLEN: link.transmitQueueLength = attribute.value() ?? 0
            case IFLA_PROMISCUITY: link.promiscuity = attribute.value() ?? 0
            case allMulticastAttribute: link.allMulticast = attribute.value()
            case IFLA_OPERSTATE:
                link.operationalState = OperationalState(rawValue: attribute.value() ?? 0) ?? .unknown
            case IFLA_CARRIER: link.hasCarrier = attribute.value(as: UInt8.self) != 0
            case IFLA_PROP_LIST:
                var names = attribute.nested
                while let name = names.next() {
                    if name.type == IFLA_ALT_IFNAME { link.alternativeNames.append(name.string) }
                }
            case IFLA_AF_SPEC: link.addressGeneration = addressGeneration(attribute)
            case IFLA_LINKINFO: decodeInfo(attribute, into: &link)
            default: break
            }
        }
        return (header.ifi_index, link)
    }

    /// `IFLA_ALLMULTI`, newer than the headers of some distributions (linux/if_link.h).
    private static var allMulticastAttribute: Int { 61 }

    private static func addressGeneration(_ attribute: borrowing Attribute) -> AddressGeneration? {
        var mode: AddressGeneration?
        var families = attribute.nested
        while let family = families.next() {
            guard family.type == Int(AF_INET6) else { continue }
            var settings = family.nested
            while let setting = settings.next() {
                if setting.type == IFLA_INET6_ADDR_GEN_MODE {
                    mode = setting.value(as: UInt8.self).flatMap { AddressGeneration(rawValue: $0) }
                }
            }
        }
        return mode
    }

    private static func decodeInfo(_ attribute: borrowing Attribute, into link: inout Link) {
        var kind = ""
        var information = attribute.nested
        while let part = information.next() {
            switch part.type {
            case IFLA_INFO_KIND:
                kind = part.string
                link.kind = LinkKind(kernelName: kind)
            case IFLA_INFO_DATA:
                link.kind.decode(part)
                // A VXLAN device that is down tells what it is stacked on only here.
                if case .vxlan = link.kind, let parent = underlay(part) { link.parent = parent }
            case IFLA_INFO_SLAVE_KIND: link.portKind = part.string
            case IFLA_INFO_SLAVE_DATA:
                if link.portKind == "bridge" { link.port = BridgePortSettings(part) }
            default: break
            }
        }
    }
}

/// The device that a VXLAN device sends by (`IFLA_VXLAN_LINK`).
private func underlay(_ data: borrowing Attribute) -> Int32? {
    var attributes = data.nested
    while let attribute = attributes.next() {
        if attribute.type == IFLA_VXLAN_LINK { return attribute.value() }
    }
    return nil
}

extension LinkKind {
    fileprivate init(kernelName: String) {
        switch kernelName {
        case "bridge": self = .bridge(BridgeSettings())
        case "veth": self = .veth
        case "tun": self = .tun(TunSettings())
        case "vxlan": self = .vxlan(VXLANSettings(identifier: 0))
        case "macvlan", "macvtap":
            self = kernelName == "macvlan" ? .macvlan(MacvlanSettings()) : .other(kernelName)
        case "ifb": self = .ifb
        default: self = .other(kernelName)
        }
    }

    fileprivate mutating func decode(_ data: borrowing Attribute) {
        switch self {
        case .bridge: self = .bridge(BridgeSettings(data))
        case .tun: self = .tun(TunSettings(data))
        case .vxlan: self = .vxlan(VXLANSettings(data))
        case .macvlan:
            var settings = MacvlanSettings()
            var attributes = data.nested
            while let attribute = attributes.next() {
                if attribute.type == IFLA_MACVLAN_MODE, let raw = attribute.value(as: UInt32.self) {
                    settings.mode = MacvlanSettings.Mode(rawValue: raw) ?? settings.mode
                }
            }
            self = .macvlan(settings)
        case .physical, .veth, .ifb, .other: break
        }
    }
}

extension BridgeSettings {
    fileprivate init(_ data: borrowing Attribute) {
        self.init()
        var attributes = data.nested
        while let attribute = attributes.next() {
            switch attribute.type {
            case IFLA_BR_FORWARD_DELAY: forwardDelay = attribute.value()
            case IFLA_BR_HELLO_TIME: helloTime = attribute.value()
            case IFLA_BR_MAX_AGE: maximumAge = attribute.value()
            case IFLA_BR_AGEING_TIME: ageingTime = attribute.value()
            case IFLA_BR_STP_STATE: spanningTree = attribute.value()
            case IFLA_BR_PRIORITY: priority = attribute.value()
            case IFLA_BR_VLAN_FILTERING: vlanFiltering = attribute.flag
            case IFLA_BR_MCAST_SNOOPING: multicastSnooping = attribute.flag
            case IFLA_BR_MCAST_QUERIER: multicastQuerier = attribute.flag
            case IFLA_BR_NF_CALL_IPTABLES: callIPTables = attribute.flag
            case IFLA_BR_NF_CALL_IP6TABLES: callIP6Tables = attribute.flag
            case IFLA_BR_NF_CALL_ARPTABLES: callARPTables = attribute.flag
            default: break
            }
        }
    }
}

extension BridgePortSettings {
    /// Reads `IFLA_BRPORT_*`, out of IFLA_INFO_SLAVE_DATA or IFLA_PROTINFO.
    init(_ data: borrowing Attribute) {
        self.init()
        var attributes = data.nested
        while let attribute = attributes.next() {
            switch attribute.type {
            case IFLA_BRPORT_STATE: state = attribute.value()
            case IFLA_BRPORT_COST: cost = attribute.value()
            case IFLA_BRPORT_PRIORITY: priority = attribute.value()
            case IFLA_BRPORT_MODE: hairpin = attribute.flag
            case IFLA_BRPORT_GUARD: bpduGuard = attribute.flag
            case IFLA_BRPORT_PROTECT: rootBlock = attribute.flag
            case IFLA_BRPORT_LEARNING: learning = attribute.flag
            case IFLA_BRPORT_UNICAST_FLOOD: unicastFlood = attribute.flag
            case IFLA_BRPORT_MCAST_FLOOD: multicastFlood = attribute.flag
            case IFLA_BRPORT_BCAST_FLOOD: broadcastFlood = attribute.flag
            case IFLA_BRPORT_ISOLATED: isolated = attribute.flag
            case IFLA_BRPORT_LOCKED: locked = attribute.flag
            case IFLA_BRPORT_NEIGH_SUPPRESS: neighbourSuppression = attribute.flag
            case IFLA_BRPORT_PROXYARP: proxyARP = attribute.flag
            default: break
            }
        }
    }
}

extension TunSettings {
    fileprivate init(_ data: borrowing Attribute) {
        self.init()
        var attributes = data.nested
        while let attribute = attributes.next() {
            switch attribute.type {
            case IFLA_TUN_OWNER: owner = attribute.value()
            case IFLA_TUN_GROUP: group = attribute.value()
            case IFLA_TUN_TYPE: isTap = attribute.value(as: UInt8.self) == UInt8(IFF_TAP)
            case IFLA_TUN_PERSIST: isPersistent = attribute.flag ?? false
            case IFLA_TUN_MULTI_QUEUE: isMultiQueue = attribute.flag ?? false
            case IFLA_TUN_VNET_HDR: hasVirtioHeader = attribute.flag ?? false
            default: break
            }
        }
    }
}

extension VXLANSettings {
    fileprivate init(_ data: borrowing Attribute) {
        self.init(identifier: 0)
        var attributes = data.nested
        while let attribute = attributes.next() {
            switch attribute.type {
            case IFLA_VXLAN_ID: identifier = attribute.value() ?? 0
            case IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6: local = attribute.address
            case IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6: remote = attribute.address
            case IFLA_VXLAN_PORT: port = attribute.bigEndian() ?? 0
            case IFLA_VXLAN_LEARNING: learning = attribute.flag ?? true
            default: break
            }
        }
    }
}
