/// What an event came to.
public struct OutcomeReport: Codable, Hashable, Sendable {
    /// Whether anything was, or with a dry run would be, changed.
    public var changed: Bool
    /// The plan, a line a step, for people.
    public var plan: [String]
    /// What should be known although it worked.
    public var warnings: [String]

    /// Makes a report.
    public init(changed: Bool, plan: [String] = [], warnings: [String] = []) {
        self.changed = changed
        self.plan = plan
        self.warnings = warnings
    }
}

/// A network as the API tells it.
public struct NetworkReport: Codable, Hashable, Sendable {
    /// What a network is doing.
    public enum State: String, Codable, Hashable, Sendable, CaseIterable {
        case down, up, degraded
    }
    public var name: String
    public var bridge: String
    public var state: State
    /// Absent for a network that has none.
    public var uplink: String?
    /// Every port of the bridge by its device's name.
    public var ports: [String]
    /// The bridge's addresses.
    public var addresses: [String]
    public var antispoof: Bool
    public var multicastSnooping: Bool
    /// Why it is degraded.
    public var problem: String?
    /// The host's DHCP client, where it was handed over.
    public var dhcpHandover: DHCPHandoverReport?

    /// Makes a report.
    public init(
        name: String, bridge: String, state: State, uplink: String? = nil, ports: [String] = [],
        addresses: [String] = [], antispoof: Bool = false, multicastSnooping: Bool = false,
        problem: String? = nil
    ) {
        self.name = name
        self.bridge = bridge
        self.state = state
        self.uplink = uplink
        self.ports = ports
        self.addresses = addresses
        self.antispoof = antispoof
        self.multicastSnooping = multicastSnooping
        self.problem = problem
    }
}

/// A DHCP client of the host's that rests while another one runs on the bridge.
public struct DHCPHandoverReport: Codable, Hashable, Sendable {
    /// `udhcpc` or `dhclient`.
    public var client: String
    /// The process that rests.
    public var resting: Int32
    /// The process that runs on the bridge in its place; absent while it is being started again.
    public var running: Int32?
    /// The address that it keeps, where that is known.
    public var address: String?

    /// Makes a report.
    public init(client: String, resting: Int32, running: Int32? = nil, address: String? = nil) {
        self.client = client
        self.resting = resting
        self.running = running
        self.address = address
    }
}

/// A network to raise that the configuration does not name.
public struct NetworkSpecification: Codable, Hashable, Sendable {
    public var bridge: String?
    public var uplink: String?
    /// Takes the interface of the default route as the uplink.
    public var defaultRoute: Bool?
    public var antispoof: Bool?
    public var multicastSnooping: Bool?
    /// `refuse` or `warn`.
    public var uplinkReferences: String?
    /// `refuse` or `warn`.
    public var foreignManager: String?
    /// `refuse` or `warn`.
    public var networkRoot: String?
    /// `hand-over`, `refuse` or `ignore`.
    public var dhcpClient: String?
    /// `bridge`, `routed` or `nat`; a bridge without.
    public var kind: String?
    /// The host's addresses on the bridge of a network with a subnet of its own: `10.0.0.1/24`, one of each family.
    public var addresses: [String]?
    /// The addresses that guests of a subnet behind NAT go out by.
    public var natSources: [String]?
    /// Whether a subnet hands out addresses; it does without.
    public var handOut: Bool?
    /// The domain of the names of a subnet's guests.
    public var domain: String?
    /// Whether guests of a routed or NAT network reach each other through the host.
    public var connectGuests: Bool?
    /// Whether the guests of a bridge are kept from each other.
    public var isolateGuests: Bool?
    /// Whether the bridge filters by VLANs.
    public var vlanFiltering: Bool?

    /// Makes a specification that says nothing.
    public init() {}
}

/// A vif as the API tells it.
public struct VifReport: Codable, Hashable, Sendable {
    /// What a vif is doing.
    public enum State: String, Codable, Hashable, Sendable, CaseIterable {
        case connected, waiting, vanished
    }
    /// `vif<domid>.<devid>`.
    public var id: String
    /// The name that the host's end bears now.
    public var device: String
    public var state: State
    public var domain: String?
    public var network: String?
    /// The bridge that was asked for.
    public var bridge: String?
    public var mac: String?
    public var addresses: [String]
    public var mtu: UInt32?
    /// The limit from the guest; absent where there is none.
    public var rate: String?
    /// The limit to the guest; absent where there is none.
    public var rateIn: String?
    /// The limit from the guest that netback holds, as Xen's store said it when the vif came; absent where it said none.
    public var netbackRate: String?
    /// How many packets may come from the guest; absent where any number may.
    public var ratePackets: String?
    /// How many packets may go to the guest.
    public var rateInPackets: String?
    /// Whether it reaches no other isolated guest; absent where it is not isolated.
    public var isolated: Bool?
    /// The VLANs that it is in, as `10:20`; absent where none is told.
    public var vlan: String?
    /// Whether the guest's front end trusts this end, where its toolstack told it.
    public var trusted: Bool?
    /// What is let through of its frames: `addresses`, `mac-only`, `learn`, `open` or `closed`; absent where it
    /// is not filtered.
    public var filter: String?
    /// The security groups that it is held to; absent where there are none.
    public var groups: [String]?
    /// What the filter and the groups dropped of it by reason; only where one vif is asked for.
    public var drops: [DropReport]?
    /// The interface index of the device.
    public var index: Int32?
    /// The user on whose behalf it is attached.
    public var owner: UInt32
    /// Whether Drawbridge made both ends.
    public var pair: Bool
    /// What the host's end is, where it is a tap that Drawbridge made.
    public var tap: TapReport?

    /// Makes a report.
    public init(id: String, device: String, state: State, owner: UInt32, pair: Bool) {
        self.id = id
        self.device = device
        self.state = state
        self.owner = owner
        self.pair = pair
        addresses = []
    }
}

/// A tap of Drawbridge's, as it is or is to be.
public struct TapReport: Codable, Hashable, Sendable {
    /// The user who may open it.
    public var owner: UInt32?
    /// The group whose members may open it.
    public var group: UInt32?
    /// Whether it takes several queues.
    public var multiQueue: Bool?
    /// Whether frames carry a virtio-net header.
    public var virtioHeader: Bool?

    /// Makes a report.
    public init(
        owner: UInt32? = nil, group: UInt32? = nil, multiQueue: Bool? = nil, virtioHeader: Bool? = nil
    ) {
        self.owner = owner
        self.group = group
        self.multiQueue = multiQueue
        self.virtioHeader = virtioHeader
    }
}

/// How much of a vif was dropped for one reason.
public struct DropReport: Codable, Hashable, Sendable {
    /// Like `spoofed ARP`.
    public var reason: String
    /// How many frames.
    public var frames: UInt64
    /// How many octets.
    public var octets: UInt64

    /// Makes a report.
    public init(reason: String, frames: UInt64, octets: UInt64) {
        self.reason = reason
        self.frames = frames
        self.octets = octets
    }
}

/// An address that a guest of a subnet was given.
public struct AddressReport: Codable, Hashable, Sendable {
    public var network: String
    public var address: String
    public var mac: String
    /// The vif that the guest is connected by, or was.
    public var vif: String
    /// The name by which others find it.
    public var name: String
    public var connected: Bool

    /// Makes a report.
    public init(network: String, address: String, mac: String, vif: String, name: String, connected: Bool) {
        self.network = network
        self.address = address
        self.mac = mac
        self.vif = vif
        self.name = name
        self.connected = connected
    }
}

/// A port of the host's that leads to a guest.
public struct ForwardReport: Codable, Hashable, Sendable {
    public var port: UInt16
    /// `tcp` or `udp`.
    public var `protocol`: String
    /// The guest's name, or its vif.
    public var guest: String
    public var guestPort: UInt16
    /// Where it leads now; empty while the guest is not there.
    public var addresses: [String]

    /// Makes a report.
    public init(port: UInt16, protocol: String, guest: String, guestPort: UInt16, addresses: [String]) {
        self.port = port
        self.protocol = `protocol`
        self.guest = guest
        self.guestPort = guestPort
        self.addresses = addresses
    }
}

/// A vif to connect.
public struct VifSpecification: Codable, Hashable, Sendable {
    /// `vif<domid>.<devid>`; without it one is chosen.
    public var id: String?
    /// The name of the guest.
    public var domain: String?
    /// The host's end, where it exists already.
    public var device: String?
    /// The name of the guest's end of a pair; `eth0` without it.
    public var guestName: String?
    public var bridge: String?
    public var mac: String?
    public var addresses: [String]?
    public var mtu: UInt32?
    public var vifName: String?
    /// The limit from the guest: `10Mb/s`, `1MB/s@20ms` or `unlimited`.
    public var rate: String?
    /// The limit to the guest.
    public var rateIn: String?
    /// How many packets may come from the guest: `10K/s`, `500/s@20ms` or `unlimited`.
    public var ratePackets: String?
    /// How many packets may go to the guest.
    public var rateInPackets: String?
    /// Whether it reaches no other isolated guest; absent, the configuration says it.
    public var isolated: Bool?
    /// The VLANs of its bridge: `10`, or `10:20:30` with those whose tags it sends; absent, the configuration says it.
    public var vlan: String?
    /// The tap to be made as the host's end.
    public var tap: TapReport?

    /// Makes a specification that says nothing.
    public init() {}
}

/// A line of the event log.
public struct EventReport: Codable, Hashable, Sendable {
    /// Counts from 1 over the daemon's life.
    public var sequence: UInt64
    /// Nanoseconds since 1970.
    public var time: Int64
    public var event: String
    public var object: String
    public var detail: String
    /// Absent where it went well.
    public var error: String?

    /// Makes a report.
    public init(
        sequence: UInt64, time: Int64, event: String, object: String, detail: String, error: String? = nil
    ) {
        self.sequence = sequence
        self.time = time
        self.event = event
        self.object = object
        self.detail = detail
        self.error = error
    }
}

/// What the daemon is and does.
public struct DaemonReport: Codable, Hashable, Sendable {
    public var version: String
    public var process: Int32
    /// False until the networks of the configuration have been raised.
    public var ready: Bool
    public var configurationFile: String?
    public var stateDirectory: String
    public var scriptDirectory: String
    public var stopOnExit: Bool
    /// How many requests that change something the daemon has sent to the kernel since it began: netlink messages,
    /// sysctl writes and ioctls, refused ones included.
    public var kernelChanges: Int
    /// How the filter against spoofing lies in this kernel: `one chain for all vifs, owned`; absent where there is no
    /// kernel.
    public var filterLayout: String?

    /// Makes a report.
    public init(
        version: String, process: Int32, ready: Bool, configurationFile: String?, stateDirectory: String,
        scriptDirectory: String, stopOnExit: Bool, kernelChanges: Int
    ) {
        self.version = version
        self.process = process
        self.ready = ready
        self.configurationFile = configurationFile
        self.stateDirectory = stateDirectory
        self.scriptDirectory = scriptDirectory
        self.stopOnExit = stopOnExit
        self.kernelChanges = kernelChanges
    }
}
