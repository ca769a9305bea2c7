import ArgumentParser
import DrawbridgeAPI

/// `drawbridge vif move`.
struct VifMove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Take an interface to another network while it is connected.",
        discussion: """
            The guest's link stays. Where the network hands out addresses the guest gets one of it, and has to ask by \
            DHCP anew.
            """)

    @OptionGroup var options: VifMoveOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// Which vif goes where.
struct VifMoveOptions: ParsableArguments {
    @Argument(help: "The vif: vif3.1, 3.1, or the name of its device.")
    var id: String
    @Option(name: .customLong("to"), help: "The network, or the bridge, that it goes to.")
    var network: String
    @Option(name: .customLong("ip"), help: "An address or prefix of the guest's there; may be repeated.")
    var addresses: [String] = []

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        let answer = try connection.call(
            MoveVif(
                id: id, network: network, addresses: addresses.isEmpty ? nil : addresses, dryRun: dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: id, dryRun: dryRun, plan.verbose, done: "moved to \(network)")
    }
}
