public import DrawbridgeModel
public import NetworkTypes

/// What an event came to.
public struct Outcome: Hashable, Sendable {
    /// Whether anything was, or with a dry run would be, changed.
    public var changed: Bool
    /// The plan, a line a step, as a person reads it.
    public var plan: [String]
    /// What the user should know although it worked.
    public var warnings: [String]

    public init(changed: Bool, plan: [String] = [], warnings: [String] = []) {
        self.changed = changed
        self.plan = plan
        self.warnings = warnings
    }
}

/// What a network is doing.
public struct NetworkStatus: Hashable, Sendable {
    public enum State: String, Hashable, Sendable, CaseIterable {
        case down, up
        /// Something failed and could not be taken back; it is being repaired.
        case degraded
    }
    public var network: Network
    public var state: State
    /// The uplink's name, where there is one.
    public var uplink: String?
    /// Every port of the bridge by its device's name, vifs and others.
    public var ports: [String]
    /// The bridge's addresses, as text.
    public var addresses: [String]
    /// Why it is degraded.
    public var problem: String?
    /// The host's DHCP client, where it was handed over.
    public var handover: DHCPHandoverStatus?

    public init(network: Network, state: State) {
        self.network = network
        self.state = state
        ports = []
        addresses = []
    }
}

/// A DHCP client of the host's that rests while another one runs on the bridge.
public struct DHCPHandoverStatus: Hashable, Sendable {
    /// `udhcpc` or `dhclient`.
    public var client: String
    /// The process that rests.
    public var resting: Int32
    /// The process that runs on the bridge in its place; nil while it is being started again.
    public var running: Int32?
    /// The address that it keeps, where that is known.
    public var address: String?

    public init(client: String, resting: Int32, running: Int32? = nil, address: String? = nil) {
        self.client = client
        self.resting = resting
        self.running = running
        self.address = address
    }
}

/// All that is managed.
public struct Overview: Hashable, Sendable {
    public var networks: [NetworkStatus]
    public var vifs: [VifStatus]

    public init(networks: [NetworkStatus], vifs: [VifStatus]) {
        self.networks = networks
        self.vifs = vifs
    }
}

/// What a vif is doing.
public struct VifStatus: Hashable, Sendable {
    public enum State: String, Hashable, Sendable, CaseIterable {
        case connected
        /// Remembered, but its network is down.
        case waiting
        /// Remembered, but its device is gone.
        case vanished
    }
    public var request: VifRequest
    public var state: State
    /// The name its device bears now.
    public var device: String
    public var index: Int32?
    public var network: NetworkName?
    public var mtu: UInt32?
    /// The limits that hold, whether they were asked for or are the configuration's.
    public var rates = VifRates()
    /// Whether it reaches no other isolated guest, asked for or by the configuration.
    public var isIsolated = false
    /// The VLANs that it is in, asked for or by the configuration.
    public var vlans: PortVLANs?
    /// What the filter lets through of its frames, as the configuration words it; nil where it is not filtered.
    public var filter: String?
    /// The security groups that it is held to.
    public var groups: [GroupName] = []
    /// What the filter dropped of it, as far as that was asked for.
    public var drops: [VifDrops] = []

    public init(request: VifRequest, state: State, device: String) {
        self.request = request
        self.state = state
        self.device = device
    }
}

/// How much of a vif was dropped for one reason.
public struct VifDrops: Hashable, Sendable {
    /// Like `spoofed ARP`.
    public var reason: String
    /// How many frames.
    public var frames: UInt64
    /// How many octets.
    public var octets: UInt64

    public init(reason: String, frames: UInt64, octets: UInt64) {
        self.reason = reason
        self.frames = frames
        self.octets = octets
    }
}

/// A line of the event log.
public struct EventRecord: Hashable, Sendable {
    /// Counts up from 1 over the daemon's life.
    public var sequence: UInt64
    /// Nanoseconds since 1970.
    public var time: Int64
    /// `network-start`, `vif-online`, `drift-repaired`, …
    public var event: String
    public var object: String
    /// Empty where it went well.
    public var error: String?
    public var detail: String

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

/// A port of the host's that leads to a guest.
public struct ForwardStatus: Hashable, Sendable {
    public var forward: PortForward
    /// Where it leads now; empty while its guest is not there.
    public var addresses: [IPAddress]

    public init(forward: PortForward, addresses: [IPAddress]) {
        self.forward = forward
        self.addresses = addresses
    }
}

/// An address that a guest of a subnet was given.
public struct AddressStatus: Hashable, Sendable {
    public var network: NetworkName
    public var address: IPAddress
    public var mac: MACAddress
    /// The vif that it is connected by, or was.
    public var vif: VifID
    /// The name by which others find it.
    public var name: String
    public var isConnected: Bool

    public init(
        network: NetworkName, address: IPAddress, mac: MACAddress, vif: VifID, name: String, isConnected: Bool
    ) {
        self.network = network
        self.address = address
        self.mac = mac
        self.vif = vif
        self.name = name
        self.isConnected = isConnected
    }
}
