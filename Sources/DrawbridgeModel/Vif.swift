public import NetworkTypes

/// What is asked of one vif: the union of a script's context, an API call and, on Xen, the store.
public struct VifRequest: Hashable, Sendable, Codable {
    /// Which vif.
    public var id: VifID
    /// Where the host's end comes from.
    public var source: VifSource
    /// The bridge asked for, by the name of its device or network; nil chooses the only one there is.
    public var bridge: LinkName?
    /// The interface whose address a routed vif bears and through which its guest is reached; nil chooses that of
    /// the only network there is, or `eth0`.
    public var netdev: LinkName?
    /// How it is to be connected, where a script says it; nil leaves it to the configuration and the network.
    public var kind: NetworkKind?
    /// The port of Open vSwitch that it is to be, instead of one of a bridge of the kernel's; nil for no such.
    public var switchPort: SwitchPort?
    /// The guest's hardware address.
    public var mac: MACAddress?
    /// The guest's addresses and prefixes.
    public var addresses: [Prefix] = []
    /// The largest packet in octets; nil takes the bridge's.
    public var mtu: UInt32?
    /// The name that the host's end is to bear instead of `vif<domid>.<devid>`.
    public var vifName: LinkName?
    /// The limit from the guest; nil takes that of the configuration.
    public var rate: RateLimit?
    /// The limit to the guest; nil takes that of the configuration.
    public var rateIn: RateLimit?
    /// The limit from the guest that netback holds by itself, as Xen's store says it; nil where that says nothing. The
    /// host holds none in its place unless ``rate`` is asked for besides.
    public var netbackRate: RateLimit?
    /// How many frames may come from the guest; nil takes the configuration's limit.
    public var ratePackets: PacketLimit?
    /// How many frames may go to the guest; nil takes the configuration's limit.
    public var rateInPackets: PacketLimit?
    /// Whether it reaches no other isolated vif of its network; nil leaves it to the configuration.
    public var isIsolated: Bool?
    /// The VLANs of its bridge that it is in; nil leaves it to the configuration.
    public var vlans: PortVLANs?
    /// Whether the guest's front end trusts this end with its memory, as its toolstack told it (`trusted` of
    /// xl-network-configuration(5)); nil where nothing says it. It binds the front end alone.
    public var isTrusted: Bool?
    /// Whether a guest behind NAT is told its address by DHCP (`dhcp=` of `vif-nat`); nil leaves it to the network.
    public var handsOut: Bool?
    /// By what a guest behind NAT is to be known, as `vif-nat` derived it; nil where no script says it.
    public var hostName: String?
    /// The name of the guest, for people.
    public var domainName: String?
    /// The guest's UUID, as its hypervisor writes it; for Open vSwitch's controllers.
    public var domainUUID: String?
    /// The user on whose behalf it is attached; 0 for root.
    public var owner: UInt32 = 0

    /// Makes a request that asks for nothing but the vif itself.
    public init(id: VifID, source: VifSource) {
        self.id = id
        self.source = source
    }
}

/// Where the host's end of a vif comes from.
public enum VifSource: Hashable, Sendable, Codable {
    /// A device that somebody else made and named so: netback, or a tap.
    case existing(LinkName)
    /// A pair that Drawbridge makes, its other end born in a namespace under this name.
    case pair(guestName: LinkName)
    /// A persistent tap that Drawbridge makes, for a program to open.
    case tap(TapOptions)
}

/// What a tap is to be that Drawbridge makes (Documentation/networking/tuntap.rst).
public struct TapOptions: Hashable, Sendable, Codable {
    /// The user who may open it; nil for any. With a group besides, who opens it has to be both.
    public var owner: UInt32?
    /// The group whose members may open it; nil for any.
    public var group: UInt32?
    /// Whether it takes several queues; whoever opens it then has to ask for that.
    public var isMultiQueue = false
    /// Whether frames carry a virtio-net header; whoever opens it decides anew.
    public var hasVirtioHeader = false

    /// Makes options that let nobody but root open it.
    public init() { owner = 0 }

    /// The settings of its device.
    public var settings: TunSettings {
        var settings = TunSettings()
        settings.owner = owner
        settings.group = group
        settings.isPersistent = true
        settings.isMultiQueue = isMultiQueue
        settings.hasVirtioHeader = hasVirtioHeader
        return settings
    }
}

/// What happens to a vif.
public enum VifCommand: String, Hashable, Sendable, Codable, CaseIterable {
    case online, offline, add, remove
}
