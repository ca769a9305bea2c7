public import NetworkTypes

/// All that a configuration file can say, whichever of the two formats it is written in.
public struct Configuration: Hashable, Sendable, Codable {
    /// What is run when the daemon starts and stops; nil for nothing.
    public var networkScript: ScriptCall?
    /// What is run for each vif.
    public var vifScript = ScriptCall(name: "vif-bridge")
    /// Networks raised at start besides what the script does.
    public var networks: [Network] = []
    /// How the networks behave that a network script raises, since a script's arguments cannot say it.
    public var networkDefaults = NetworkSettings()
    /// What is said of single vifs.
    public var vifs: [VifSettings] = []
    /// What vifs may exchange with whom, by the names that ``VifSettings/groups`` and ``NetworkSettings/groups`` use.
    public var groups: [SecurityGroup] = []
    public var addressSets: [AddressSet] = []
    /// Whether an orderly end of the daemon gives the host its own configuration back.
    public var stopOnExit = true
    /// Whether vifs are taken down while they are found to be unfiltered.
    public var failsClosed = false
    /// How long a program of the administrator's may run, in seconds.
    public var scriptTimeout: Seconds = 40
    /// How many vifs a user other than root may have at once, whichever way they came about.
    public var vifsPerUser: UInt32 = 64
    /// Whether the daemon itself connects the vifs that Xen's store asks for.
    public var xenVifs = XenVifs.scripts
    /// Where eras of the original disagree, which one holds.
    public var compatibility = Compatibility()

    /// What holds where a file says nothing: no network script, `vif-bridge` for the vifs.
    public init() {}

    /// The limits of a vif that the host holds: what is asked for it, else what is said of it here, else what its network
    /// says. Where netback holds what was asked for, the host holds nothing of its own.
    public func rates(of request: VifRequest, on network: NetworkName?) -> VifRates {
        let own = vifs.first { $0.id == request.id.own }
        let settings = network.flatMap(self.network(named:))?.settings ?? networkDefaults
        let asked = request.rate ?? (request.netbackRate == nil ? nil : .unlimited)
        return VifRates(
            fromGuest: (asked ?? own?.rate).map(\.rate) ?? settings.rate,
            toGuest: (request.rateIn ?? own?.rateIn).map(\.rate) ?? settings.rateIn,
            packetsFromGuest: (request.ratePackets ?? own?.ratePackets).map(\.rate) ?? settings.ratePackets,
            packetsToGuest: (request.rateInPackets ?? own?.rateInPackets).map(\.rate)
                ?? settings.rateInPackets)
    }

    /// Whether a vif reaches only what is not isolated: what is asked for it, else what is said of it here, else what
    /// its network says.
    public func isolates(_ request: VifRequest, on network: NetworkName?) -> Bool {
        let own = vifs.first { $0.id == request.id.own }
        let settings = network.flatMap(self.network(named:))?.settings ?? networkDefaults
        return request.isIsolated ?? own?.isIsolated ?? settings.isolatesGuests ?? false
    }

    /// The VLANs that a vif is in: what is asked for it, else what is said of it here; nil for those of a bridge's every
    /// port.
    public func vlans(of request: VifRequest) -> PortVLANs? {
        request.vlans ?? vifs.first { $0.id == request.id.own }?.vlans
    }

    /// The groups that a vif is in: what is said of it here, else what its network says. Empty for none, so that nothing
    /// but the filter against spoofing holds it.
    public func groups(of id: VifID, on network: NetworkName?) -> [GroupName] {
        let settings = network.flatMap(self.network(named:))?.settings ?? networkDefaults
        return vifs.first { $0.id == id.own }?.groups ?? settings.groups ?? []
    }

    /// How a vif is held to what is its own: what is said of it here, else what its network says.
    public func filter(of id: VifID, on network: FilterSettings?) -> FilterSettings {
        var settings = network ?? networkDefaults.filter
        if let own = vifs.first(where: { $0.id == id }) {
            settings.isOn = own.antispoof ?? settings.isOn
            settings.withoutAddress = own.withoutAddress ?? settings.withoutAddress
        }
        return settings
    }

    /// Which key of a request asks for more than the configuration gives its vif; nil where none does. A limit
    /// holds a guest against its owner's wish, and so do isolation and VLANs: only root may ask for more.
    public func excess(of request: VifRequest, on network: NetworkName) -> String? {
        var plain = request
        plain.rate = nil
        plain.rateIn = nil
        plain.netbackRate = nil
        plain.ratePackets = nil
        plain.rateInPackets = nil
        plain.isIsolated = nil
        plain.vlans = nil
        if vlans(of: plain) != vlans(of: request) { return "vlan" }
        let given = rates(of: plain, on: network)
        var held = request
        held.rate = request.rate ?? request.netbackRate
        let asked = rates(of: held, on: network)
        func isMore(_ asked: PacketRate?, _ given: PacketRate?) -> Bool {
            guard let given else { return false }
            return asked.map { $0.perSecond > given.perSecond || $0.credit > given.credit } ?? true
        }
        if isMore(asked.packetsFromGuest, given.packetsFromGuest) { return "rate-packets" }
        if isMore(asked.packetsToGuest, given.packetsToGuest) { return "rate-in-packets" }
        func isMore(_ asked: Rate?, _ given: Rate?) -> Bool {
            guard let given else { return false }
            return asked.map { $0.octetsPerSecond > given.octetsPerSecond || $0.credit > given.credit }
                ?? true
        }
        if isMore(asked.fromGuest, given.fromGuest) { return "rate" }
        if isolates(plain, on: network), !isolates(request, on: network) { return "isolated" }
        return isMore(asked.toGuest, given.toGuest) ? "rate-in" : nil
    }

    /// The network of that name, if the configuration names it.
    public func network(named name: NetworkName) -> Network? { networks.first { $0.name == name } }
}

/// What is said of one vif beforehand; what it is asked for when it comes holds before this.
public struct VifSettings: Hashable, Sendable, Codable {
    /// Which vif.
    public var id: VifID
    /// The limit from the guest; nil takes the network's.
    public var rate: RateLimit?
    /// The limit to the guest; nil takes the network's.
    public var rateIn: RateLimit?
    /// How many frames may come from the guest; nil takes the network's.
    public var ratePackets: PacketLimit?
    /// How many frames may go to the guest; nil takes the network's.
    public var rateInPackets: PacketLimit?
    /// Whether the guest is held to its own addresses; nil takes the network's.
    public var antispoof: Bool?
    /// What the guest may send where no address of it is told; nil takes the network's.
    public var withoutAddress: UnaddressedVif?
    /// Whether the guest reaches only what is not isolated; nil takes the network's.
    public var isIsolated: Bool?
    /// The groups that it is in; nil takes the network's.
    public var groups: [GroupName]?
    /// The VLANs of its bridge that it is in; nil for those of every port.
    public var vlans: PortVLANs?

    /// Says nothing of the vif.
    public init(id: VifID) { self.id = id }
}

/// A script with its arguments, as `network-script` and `vif-script` name it.
public struct ScriptCall: Hashable, Sendable, Codable {
    /// A name in the script directory, or an absolute path.
    public var name: String
    /// What follows the name, word by word.
    public var arguments: [String]

    /// Makes a call of the words as they are, blanks included.
    public init(name: String, arguments: [String] = []) {
        self.name = name
        self.arguments = arguments
    }

    /// Splits on single blanks, as xend did; nil for an empty text.
    public init?(splitting text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard let name = words.first else { return nil }
        self.init(name: name, arguments: Array(words.dropFirst()))
    }

    /// Where the script's file is: an absolute name is itself, any other lies in the script directory.
    public func path(in directory: String) -> String {
        guard !name.hasPrefix("/") else { return name }
        return directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }

    /// The argument vector of a network event: the operation comes first, as xend put it.
    public func networkCommand(_ operation: String, in directory: String) -> [String] {
        [path(in: directory), operation] + arguments
    }

    /// The argument vector of a vif event: the operation comes last, as the hotplug rule put it.
    public func vifCommand(_ operation: String, in directory: String) -> [String] {
        [path(in: directory)] + arguments + [operation]
    }

    /// The built-in of that name, unless the script is a program of the administrator's.
    public var builtIn: BuiltInScript? { BuiltInScript(rawValue: name) }
}

/// The scripts that Drawbridge is itself.
public enum BuiltInScript: String, Hashable, Sendable, Codable, CaseIterable {
    case networkBridge = "network-bridge"
    case networkRoute = "network-route"
    case networkNAT = "network-nat"
    case vifBridge = "vif-bridge"
    case vifRoute = "vif-route"
    case vifNAT = "vif-nat"
    case vifOpenVSwitch = "vif-openvswitch"

    /// The kind of network that it is about.
    public var kind: NetworkKind {
        switch self {
        case .networkBridge, .vifBridge, .vifOpenVSwitch: .bridged
        case .networkRoute, .vifRoute: .routed
        case .networkNAT, .vifNAT: .nat
        }
    }

    /// Whether it handles the events of a network rather than those of a vif.
    public var isForNetworks: Bool {
        switch self {
        case .networkBridge, .networkRoute, .networkNAT: true
        case .vifBridge, .vifRoute, .vifNAT, .vifOpenVSwitch: false
        }
    }
}

/// Who connects the vifs that Xen's store asks of this domain.
public enum XenVifs: String, Hashable, Sendable, Codable, CaseIterable {
    /// The scripts that libxl runs; the daemon does not read the store.
    case scripts
    /// The scripts, and the daemon completes what they left half done.
    case repair
    /// The daemon, without any script, as in a driver domain without `xl devd`.
    case daemon
}

/// Where eras of the original disagree, which one holds. The defaults are those of 3.0.3.
public struct Compatibility: Hashable, Sendable, Codable {
    /// Names the bridge after the interface, as 3.2 and later did, instead of `xenbrN`.
    public var bridgeNamedAfterUplink = false
    /// `network-bridge start` does nothing once any bridge exists, as 4.1 and later had it.
    public var startOnlyWithoutBridges = false
    /// A vif without a bridge named takes the first of several, instead of being refused.
    public var firstOfSeveralBridges = false
    /// Routed and NAT networks forward IPv4 between all interfaces of the host (`net.ipv4.ip_forward`), as every
    /// version had it, rather than by their own interfaces alone.
    public var forwardsGlobally = false
    /// Bridged vifs are accepted by rules in the administrator's own iptables chain FORWARD, as 4.0 and later did it.
    public var acceptsInIptables: Bool?
    /// `dhcp=yes` of `network-nat` and `vif-nat` edits the configuration of the host's own DHCP server, as every version
    /// did, rather than having the addresses handed out by dnsmasq.
    public var editsDHCPServer = false

    /// All as in 3.0.3.
    public init() {}
}
