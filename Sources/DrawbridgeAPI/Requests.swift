/// The parameters of a method, with the type of what it answers.
public protocol Request: Codable, Hashable, Sendable {
    associatedtype Answer: Codable, Hashable, Sendable
    /// The method's name within `io.drawbridge`.
    static var method: String { get }
}

/// The answer of methods that change something.
public struct OutcomeAnswer: Codable, Hashable, Sendable {
    public var outcome: OutcomeReport
    public init(outcome: OutcomeReport) { self.outcome = outcome }
}

/// `GetStatus`: the daemon and everything it manages.
public struct GetStatus: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var daemon: DaemonReport
        public var networks: [NetworkReport]
        public var vifs: [VifReport]
        public init(daemon: DaemonReport, networks: [NetworkReport], vifs: [VifReport]) {
            self.daemon = daemon
            self.networks = networks
            self.vifs = vifs
        }
    }
    public static let method = "GetStatus"
    public init() {}
}

/// `GetDaemonStatus`: the daemon alone.
public struct GetDaemonStatus: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var daemon: DaemonReport
        public init(daemon: DaemonReport) { self.daemon = daemon }
    }
    public static let method = "GetDaemonStatus"
    public init() {}
}

/// `StartNetwork`: raises a network.
public struct StartNetwork: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "StartNetwork"
    public var name: String
    public var specification: NetworkSpecification?
    public var dryRun: Bool?
    public init(name: String, specification: NetworkSpecification? = nil, dryRun: Bool? = nil) {
        self.name = name
        self.specification = specification
        self.dryRun = dryRun
    }
}

/// `StopNetwork`: lowers a network.
public struct StopNetwork: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "StopNetwork"
    public var name: String
    public var dryRun: Bool?
    public init(name: String, dryRun: Bool? = nil) {
        self.name = name
        self.dryRun = dryRun
    }
}

/// `ListNetworks`: every network that is configured or up.
public struct ListNetworks: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var networks: [NetworkReport]
        public init(networks: [NetworkReport]) { self.networks = networks }
    }
    public static let method = "ListNetworks"
    public init() {}
}

/// `GetNetwork`: one network.
public struct GetNetwork: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var network: NetworkReport
        public init(network: NetworkReport) { self.network = network }
    }
    public static let method = "GetNetwork"
    public var name: String
    public init(name: String) { self.name = name }
}

/// `AddVif`: connects a vif.
public struct AddVif: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var id: String
        public var outcome: OutcomeReport
        public init(id: String, outcome: OutcomeReport) {
            self.id = id
            self.outcome = outcome
        }
    }
    public static let method = "AddVif"
    public var vif: VifSpecification
    public var dryRun: Bool?
    public init(vif: VifSpecification, dryRun: Bool? = nil) {
        self.vif = vif
        self.dryRun = dryRun
    }
}

/// `RemoveVif`: disconnects a vif.
public struct RemoveVif: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "RemoveVif"
    public var id: String
    public var dryRun: Bool?
    public init(id: String, dryRun: Bool? = nil) {
        self.id = id
        self.dryRun = dryRun
    }
}

/// `SetVif`: changes a vif that is attached; what is absent stays as it is.
public struct SetVif: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "SetVif"
    public var id: String
    /// The limit from the guest; `unlimited` takes it away.
    public var rate: String?
    /// The limit to the guest.
    public var rateIn: String?
    /// How many packets may come from the guest.
    public var ratePackets: String?
    /// How many packets may go to the guest.
    public var rateInPackets: String?
    /// The VLANs of its bridge: `10`, or `10:20:30`.
    public var vlan: String?
    public var dryRun: Bool?
    public init(
        id: String, rate: String? = nil, rateIn: String? = nil, ratePackets: String? = nil,
        rateInPackets: String? = nil, vlan: String? = nil, dryRun: Bool? = nil
    ) {
        self.id = id
        self.rate = rate
        self.rateIn = rateIn
        self.vlan = vlan
        self.ratePackets = ratePackets
        self.rateInPackets = rateInPackets
        self.dryRun = dryRun
    }
}

/// `MoveVif`: takes a vif that is attached to another network, without taking its guest's link away.
public struct MoveVif: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "MoveVif"
    public var id: String
    /// The network, or the bridge, that it goes to.
    public var network: String
    /// The guest's addresses there; without, those that the network gives, or those that it has.
    public var addresses: [String]?
    public var dryRun: Bool?
    public init(id: String, network: String, addresses: [String]? = nil, dryRun: Bool? = nil) {
        self.id = id
        self.network = network
        self.addresses = addresses
        self.dryRun = dryRun
    }
}

/// `ListVifs`: every vif that is attached or remembered.
public struct ListVifs: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var vifs: [VifReport]
        public init(vifs: [VifReport]) { self.vifs = vifs }
    }
    public static let method = "ListVifs"
    public init() {}
}

/// `ListAddresses`: every address that was given to a guest of a subnet that is up.
public struct ListAddresses: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var addresses: [AddressReport]
        public init(addresses: [AddressReport]) { self.addresses = addresses }
    }
    public static let method = "ListAddresses"
    public init() {}
}

/// `AddForward`: lets a port of the host's lead to a guest.
public struct AddForward: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "AddForward"
    public var port: UInt16
    /// `tcp` or `udp`.
    public var `protocol`: String
    /// The guest's name, or its vif.
    public var guest: String
    public var guestPort: UInt16
    public var dryRun: Bool?
    public init(port: UInt16, protocol: String, guest: String, guestPort: UInt16, dryRun: Bool? = nil) {
        self.port = port
        self.protocol = `protocol`
        self.guest = guest
        self.guestPort = guestPort
        self.dryRun = dryRun
    }
}

/// `RemoveForward`: lets a port of the host's be the host's again.
public struct RemoveForward: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "RemoveForward"
    public var port: UInt16
    public var `protocol`: String
    public var dryRun: Bool?
    public init(port: UInt16, protocol: String, dryRun: Bool? = nil) {
        self.port = port
        self.protocol = `protocol`
        self.dryRun = dryRun
    }
}

/// `ListForwards`: every port of the host's that leads to a guest.
public struct ListForwards: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var forwards: [ForwardReport]
        public init(forwards: [ForwardReport]) { self.forwards = forwards }
    }
    public static let method = "ListForwards"
    public init() {}
}

/// `GetVif`: one vif.
public struct GetVif: Request {
    public struct Answer: Codable, Hashable, Sendable {
        public var vif: VifReport
        public init(vif: VifReport) { self.vif = vif }
    }
    public static let method = "GetVif"
    public var id: String
    public init(id: String) { self.id = id }
}

/// `FollowEvents`: a stream of the event log.
public struct FollowEvents: Request {
    public struct Answer: Codable, Hashable, Sendable {
        /// Absent in the last reply.
        public var event: EventReport?
        public init(event: EventReport? = nil) { self.event = event }
    }
    public static let method = "FollowEvents"
    public var since: UInt64?
    public init(since: UInt64? = nil) { self.since = since }
}

/// `ReloadConfiguration`: reads the configuration file again.
public struct ReloadConfiguration: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "ReloadConfiguration"
    public var dryRun: Bool?
    public init(dryRun: Bool? = nil) { self.dryRun = dryRun }
}

/// `Shutdown`: ends the daemon.
public struct Shutdown: Request {
    public typealias Answer = OutcomeAnswer
    public static let method = "Shutdown"
    public var keepNetwork: Bool?
    public var dryRun: Bool?
    public init(keepNetwork: Bool? = nil, dryRun: Bool? = nil) {
        self.keepNetwork = keepNetwork
        self.dryRun = dryRun
    }
}
