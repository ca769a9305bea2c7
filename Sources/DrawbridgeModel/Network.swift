public import NetworkTypes

/// The name by which people and files refer to a network: the same characters as a device's name.
public typealias NetworkName = LinkName

/// A network that vifs attach to, as the configuration says it or a script's arguments ask for it.
public struct Network: Hashable, Sendable, Codable {
    /// By what people and files refer to it.
    public var name: NetworkName
    /// How it forwards; nil for a bridged network, which does not.
    public var routing: Routing?
    /// What makes the bridge a network of its own; nil for one that its uplink is a port of, or that leads nowhere.
    public var subnet: Subnet?
    /// What its guests are given of the network that its uplink leads to; nil where it hands out nothing, or has a subnet
    /// of its own, which says so.
    public var handOut: HandOut?
    /// The bridge device; the network's own name unless said otherwise.
    public var bridge: LinkName
    /// The interface that is moved onto the bridge.
    public var uplink: UplinkChoice
    /// Whether the bridge listens to IGMP and MLD and floods accordingly.
    public var multicastSnooping = false
    /// What to do when firewall sets or policy rules name the uplink, which they would stop matching.
    public var uplinkReferences: Reaction = .refuse
    /// What to do when NetworkManager or systemd-networkd manages the uplink.
    public var foreignManager: Reaction = .refuse
    /// What to do when the root file system is reached through the uplink.
    public var networkRoot: Reaction = .refuse
    /// What to do about a DHCP client that runs on the uplink.
    public var dhcpClient: DHCPClientChoice = .handOver
    /// How the vifs are held to what is theirs.
    public var filter = FilterSettings()
    /// How long to wait for the uplink's carrier before going on without, in seconds.
    public var carrierTimeout: Seconds = 10

    /// The limit from each guest that has none of its own; nil for none.
    public var rate: Rate?
    /// The limit to each guest that has none of its own.
    public var rateIn: Rate?
    /// How many frames may come from each guest that has no such limit of its own; nil for any number.
    public var ratePackets: PacketRate?
    /// How many frames may go to each guest that has no such limit of its own.
    public var rateInPackets: PacketRate?
    /// Whether the guests reach nothing of the network but the uplink and the host; nil, as in records of before, for no.
    public var isolatesGuests: Bool?
    /// The groups that vifs are in of which nothing else is said; nil for none.
    public var groups: [GroupName]?
    /// Whether the bridge filters by VLANs; nil, as in records of before, for no.
    public var vlanFiltering: Bool?

    /// Makes a network with the defaults; the bridge bears the network's name unless said otherwise.
    public init(name: NetworkName, bridge: LinkName? = nil, uplink: UplinkChoice) {
        self.name = name
        self.bridge = bridge ?? name
        self.uplink = uplink
    }

    /// How its vifs are connected to the uplink.
    public var kind: NetworkKind {
        switch routing {
        case nil: .bridged
        case let routing?: routing.isNAT ? .nat : .routed
        }
    }

    /// How the network behaves, apart from what it is made of.
    public var settings: NetworkSettings {
        get {
            var settings = NetworkSettings()
            settings.multicastSnooping = multicastSnooping
            settings.uplinkReferences = uplinkReferences
            settings.foreignManager = foreignManager
            settings.networkRoot = networkRoot
            settings.dhcpClient = dhcpClient
            settings.carrierTimeout = carrierTimeout
            settings.filter = filter
            settings.rate = rate
            settings.rateIn = rateIn
            settings.ratePackets = ratePackets
            settings.rateInPackets = rateInPackets
            settings.isolatesGuests = isolatesGuests
            settings.groups = groups
            settings.vlanFiltering = vlanFiltering
            return settings
        }
        set {
            multicastSnooping = newValue.multicastSnooping
            uplinkReferences = newValue.uplinkReferences
            foreignManager = newValue.foreignManager
            networkRoot = newValue.networkRoot
            dhcpClient = newValue.dhcpClient
            carrierTimeout = newValue.carrierTimeout
            filter = newValue.filter
            rate = newValue.rate
            rateIn = newValue.rateIn
            ratePackets = newValue.ratePackets
            rateInPackets = newValue.rateInPackets
            isolatesGuests = newValue.isolatesGuests
            groups = newValue.groups
            vlanFiltering = newValue.vlanFiltering
        }
    }
}

/// What can be said of a network's behaviour once for all of them: the properties of the same names of
/// ``Network``.
public struct NetworkSettings: Hashable, Sendable, Codable {
    /// Whether the bridge listens to IGMP and MLD and floods accordingly.
    public var multicastSnooping = false
    /// What to do when firewall sets or policy rules name the uplink.
    public var uplinkReferences: Reaction = .refuse
    /// What to do when NetworkManager or systemd-networkd manages the uplink.
    public var foreignManager: Reaction = .refuse
    /// What to do when the root file system is reached through the uplink.
    public var networkRoot: Reaction = .refuse
    /// What to do about a DHCP client that runs on the uplink.
    public var dhcpClient: DHCPClientChoice = .handOver
    /// How long to wait for the uplink's carrier before going on without, in seconds.
    public var carrierTimeout: Seconds = 10
    /// How the vifs are held to what is theirs.
    public var filter = FilterSettings()

    /// The limit from each guest that has none of its own; nil for none.
    public var rate: Rate?
    /// The limit to each guest that has none of its own.
    public var rateIn: Rate?
    /// How many frames may come from each guest that has no such limit of its own; nil for any number.
    public var ratePackets: PacketRate?
    /// How many frames may go to each guest that has no such limit of its own.
    public var rateInPackets: PacketRate?
    /// Whether the guests reach nothing of the network but the uplink and the host; nil, as in records of before, for no.
    public var isolatesGuests: Bool?
    /// The groups that vifs are in of which nothing else is said; nil for none.
    public var groups: [GroupName]?
    /// Whether the bridge filters by VLANs; nil, as in records of before, for no.
    public var vlanFiltering: Bool?

    /// The defaults: every danger is refused, a DHCP client is handed over.
    public init() {}
}

/// Which interface a bridge takes.
public enum UplinkChoice: Hashable, Sendable, Codable {
    /// None: the network reaches only its vifs and the host.
    case none
    /// The interface of this name or alternative name.
    case named(LinkName)
    /// The interface of the default route.
    case defaultRoute
}

/// What to do about a danger found in planning.
public enum Reaction: String, Hashable, Sendable, Codable, CaseIterable {
    /// Stop with an error before anything changes.
    case refuse
    /// Say it, and go on.
    case warn
}

/// What to do about a DHCP client on the uplink.
public enum DHCPClientChoice: String, Hashable, Sendable, Codable, CaseIterable {
    /// Rest it, run one on the bridge in its place, and wake it at stop.
    case handOver = "hand-over"
    /// Stop with an error.
    case refuse
    /// Leave it as it is.
    case ignore
}
