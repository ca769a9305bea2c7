import ArgumentParser
import DrawbridgeAPI

/// `drawbridge network start`.
struct NetworkStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Raise a network: make its bridge and move its uplink onto it.",
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
    @Option(help: "The interface to move onto the bridge.")
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
            || networkRoot != nil || dhcpClient != nil
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
