/// A network device as rtnetlink describes it (linux/if_link.h).
///
/// `Device` is how another device is referred to: an interface index where the kernel speaks, a role
/// where a plan does.
public struct Link<Device: Hashable & Sendable>: Hashable, Sendable {
    /// The name (`IFLA_IFNAME`).
    public var name: String
    /// Other names by which it can be found (`IFLA_ALT_IFNAME`), in the kernel's order.
    public var alternativeNames: [String] = []
    /// The free text of `ip link set alias` (`IFLA_IFALIAS`).
    public var alias: String?
    /// `IFF_*` flags (linux/if.h).
    public var flags: LinkFlags = []
    /// The hardware address, where it has six octets.
    public var address: MACAddress?
    /// The address the hardware was made with (`IFLA_PERM_ADDRESS`), where the driver tells.
    public var permanentAddress: MACAddress?
    /// The largest packet in octets.
    public var mtu: UInt32 = 1500
    /// The device whose port this one is (`IFLA_MASTER`).
    public var master: Device?
    /// The device it is stacked on, or its peer (`IFLA_LINK`), where that is in the same namespace.
    public var parent: Device?
    /// The id of the namespace in which `IFLA_LINK` counts (`IFLA_LINK_NETNSID`), where it is another one.
    public var parentNamespace: Int32?
    /// The link group (`IFLA_GROUP`).
    public var group: UInt32 = 0
    /// The length of the transmit queue in packets.
    public var transmitQueueLength: UInt32 = 1000
    /// How many hold the device in promiscuous mode.
    public var promiscuity: UInt32 = 0
    /// How many hold the device in all-multicast mode, where the kernel tells (`IFLA_ALLMULTI`).
    public var allMulticast: UInt32?
    /// `IF_OPER_*` (RFC 2863).
    public var operationalState: OperationalState = .unknown
    /// Whether there is a carrier.
    public var hasCarrier = true
    /// The ARPHRD_* type: 1 is Ethernet.
    public var hardwareType: UInt16 = 1
    /// What kind of device it is.
    public var kind: LinkKind = .physical
    /// Its settings as a bridge's port, where it is one.
    public var port: BridgePortSettings?
    /// The kind of its master as the kernel names it (`IFLA_INFO_SLAVE_KIND`): `bridge`, `bond`, …
    public var portKind: String?
    /// How it makes its IPv6 link-local address (`IFLA_INET6_ADDR_GEN_MODE`); nil where it has no IPv6.
    public var addressGeneration: AddressGeneration?

    /// Makes a link with this name and the kernel's usual defaults.
    public init(name: String) { self.name = name }

    /// The same link with every reference to a device translated.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> Link<Other> {
        var link = Link<Other>(name: name)
        link.alternativeNames = alternativeNames
        link.alias = alias
        link.flags = flags
        link.address = address
        link.permanentAddress = permanentAddress
        link.mtu = mtu
        link.master = master.flatMap(translate)
        link.parent = parent.flatMap(translate)
        link.parentNamespace = parentNamespace
        link.group = group
        link.transmitQueueLength = transmitQueueLength
        link.promiscuity = promiscuity
        link.allMulticast = allMulticast
        link.operationalState = operationalState
        link.hasCarrier = hasCarrier
        link.hardwareType = hardwareType
        link.kind = kind
        link.port = port
        link.portKind = portKind
        link.addressGeneration = addressGeneration
        return link
    }
}

/// `IFF_*` (linux/if.h).
public struct LinkFlags: OptionSet, Hashable, Sendable, Codable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let up = LinkFlags(rawValue: 0x1)
    public static let broadcast = LinkFlags(rawValue: 0x2)
    public static let loopback = LinkFlags(rawValue: 0x8)
    public static let pointToPoint = LinkFlags(rawValue: 0x10)
    public static let running = LinkFlags(rawValue: 0x40)
    public static let noARP = LinkFlags(rawValue: 0x80)
    public static let promiscuous = LinkFlags(rawValue: 0x100)
    public static let allMulticast = LinkFlags(rawValue: 0x200)
    public static let multicast = LinkFlags(rawValue: 0x1000)
    public static let lowerUp = LinkFlags(rawValue: 0x10000)
}

/// `IF_OPER_*` (linux/if.h, RFC 2863).
public enum OperationalState: UInt8, Hashable, Sendable, Codable {
    case unknown, notPresent, down, lowerLayerDown, testing, dormant, up
}

/// `IN6_ADDR_GEN_MODE_*` (linux/if_link.h).
public enum AddressGeneration: UInt8, Hashable, Sendable, Codable {
    case eui64, none, stablePrivacy, random
}

/// What kind of device a link is (`IFLA_INFO_KIND`) and what that kind can be set to.
public enum LinkKind: Hashable, Sendable, Codable {
    /// No kind given: a physical device, or loopback.
    case physical
    case bridge(BridgeSettings)
    case veth
    case tun(TunSettings)
    case vxlan(VXLANSettings)
    case macvlan(MacvlanSettings)
    case ifb
    /// A kind that has no type here, by the kernel's name: `vlan`, `bond`, `vrf`, …
    case other(String)

    /// The kernel's name for it; nil for a physical device.
    public var name: String? {
        switch self {
        case .physical: nil
        case .bridge: "bridge"
        case .veth: "veth"
        case .tun: "tun"
        case .vxlan: "vxlan"
        case .macvlan: "macvlan"
        case .ifb: "ifb"
        case .other(let name): name
        }
    }
}

/// A tun or tap device (`IFLA_TUN_*`).
public struct TunSettings: Hashable, Sendable, Codable {
    /// True for a tap (Ethernet), false for a tun (IP).
    public var isTap = true
    /// The user who may open it.
    public var owner: UInt32?
    /// The group that may open it.
    public var group: UInt32?
    /// Whether it outlives the program that has it open.
    public var isPersistent = false
    /// Whether it has more than one queue.
    public var isMultiQueue = false
    /// Whether frames carry a virtio-net header.
    public var hasVirtioHeader = false
    public init() {}
}

/// A VXLAN tunnel endpoint (`IFLA_VXLAN_*`, RFC 7348).
public struct VXLANSettings: Hashable, Sendable, Codable {
    public var identifier: UInt32
    public var local: IPAddress?
    /// The remote endpoint, or the multicast group.
    public var remote: IPAddress?
    public var port: UInt16 = 4789
    public var learning = true
    public init(identifier: UInt32) { self.identifier = identifier }
}

/// A macvlan or macvtap (`IFLA_MACVLAN_*`).
public struct MacvlanSettings: Hashable, Sendable, Codable {
    /// `MACVLAN_MODE_*`.
    public enum Mode: UInt32, Hashable, Sendable, Codable {
        case privateMode = 1, vepa = 2, bridge = 4, passthrough = 8, source = 16
    }
    public var mode: Mode = .bridge
    public init() {}
}

extension Link: Codable where Device: Codable {}
