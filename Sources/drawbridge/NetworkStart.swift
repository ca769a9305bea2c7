import ArgumentParser
import DrawbridgeAPI

/// `drawbridge network start`.
struct NetworkStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Raise a network: make its bridge, and move its uplink onto it or lead out by it.",
        discussion: "Without options the network is one of the configuration's.")

    @OptionGroup var options: NetworkStartOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// Which network to raise.
struct NetworkStartOptions: ParsableArguments {
    @Argument(help: "The network's name.")
    var name: String
    @Option(help: "The interface to move onto the bridge, or by which a routed or NAT network leads out.")
    var uplink: String?
    @Flag(help: "Move the interface of the default route onto the bridge.")
    var defaultRoute = false
    @Flag(help: "Make a bridge without an uplink.")
    var isolated = false
    @Option(help: "The bridge's name, if it is not the network's.")
    var bridge: String?
    @Flag(inversion: .prefixedNo, help: "Hold every guest to its own addresses.")
    var antispoof: Bool?
    @Flag(help: "Let the bridge listen to IGMP and MLD.")
    var multicastSnooping = false
    @Option(help: "When firewall or rules name the uplink: refuse or warn.")
    var uplinkReferences: String?
    @Option(help: "When NetworkManager or networkd manages the uplink: refuse or warn.")
    var foreignManager: String?
    @Option(help: "When the root file system is reached by the uplink: refuse or warn.")
    var networkRoot: String?
    @Option(help: "A DHCP client on the uplink: hand-over, refuse or ignore.")
    var dhcpClient: String?
    @Option(help: "How guests are connected: bridge, routed or nat.")
    var kind: String?
    @Option(
        name: .customLong("address"),
        help: "The host's address on a subnet of the network's own: 10.0.0.1/24; twice for IPv4 and IPv6.")
    var addresses: [String] = []
    @Option(
        name: .customLong("nat-source"),
        help: "The address that guests of a subnet go out by; twice for IPv4 and IPv6.")
    var natSources: [String] = []
    @Flag(inversion: .prefixedNo, help: "Hand out addresses of the subnet; it is done unless told not to.")
    var handOut: Bool?
    @Option(help: "The domain of the names of a subnet's guests.")
    var domain: String?
    @Flag(help: "Let guests of a routed or NAT network reach each other.")
    var connectGuests = false
    @Flag(help: "Let the bridge filter by VLANs, so that vifs can be in some of them.")
    var vlanFiltering = false
    @Flag(help: "Keep the guests of a bridge from each other.")
    var isolateGuests = false

    func validate() throws {
        guard [uplink != nil, defaultRoute, isolated].count(where: \.self) <= 1 else {
            throw ValidationError("only one of --uplink, --default-route and --isolated can be meant")
        }
        guard !hasDetails || uplink != nil || defaultRoute || isolated else {
            throw ValidationError(
                "a network with options of its own needs --uplink, --default-route or --isolated")
        }
    }

    /// Whether something is said that only a network of its own can have.
    private var hasDetails: Bool {
        bridge != nil || antispoof != nil || multicastSnooping || uplinkReferences != nil
            || foreignManager != nil
            || networkRoot != nil || dhcpClient != nil || kind != nil || !addresses.isEmpty
            || !natSources.isEmpty || handOut != nil || domain != nil || connectGuests || isolateGuests
            || vlanFiltering
    }

    var request: StartNetwork {
        guard hasDetails || uplink != nil || defaultRoute || isolated else { return StartNetwork(name: name) }
        var specification = NetworkSpecification()
        specification.bridge = bridge
        specification.uplink = uplink
        specification.defaultRoute = defaultRoute ? true : nil
        specification.antispoof = antispoof
        specification.multicastSnooping = multicastSnooping ? true : nil
        specification.uplinkReferences = uplinkReferences
        specification.foreignManager = foreignManager
        specification.networkRoot = networkRoot
        specification.dhcpClient = dhcpClient
        specification.kind = kind
        specification.addresses = addresses.isEmpty ? nil : addresses
        specification.natSources = natSources.isEmpty ? nil : natSources
        specification.handOut = handOut
        specification.domain = domain
        specification.connectGuests = connectGuests ? true : nil
        specification.vlanFiltering = vlanFiltering ? true : nil
        specification.isolateGuests = isolateGuests ? true : nil
        return StartNetwork(name: name, specification: specification)
    }

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        var request = request
        request.dryRun = dryRun
        let answer = try connection.call(request)
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: name, dryRun: dryRun, plan.verbose, done: "up")
    }
}
