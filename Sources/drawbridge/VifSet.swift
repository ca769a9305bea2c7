import ArgumentParser
import DrawbridgeAPI

/// `drawbridge vif set`.
struct VifSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Change the limits or the VLANs of an interface while it is connected.",
        discussion: "What is not given stays as it is.")

    @OptionGroup var options: VifSetOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// What is to change.
struct VifSetOptions: ParsableArguments {
    @Argument(help: "The vif: vif3.1, 3.1, or the name of its device.")
    var id: String
    @Option(help: "The limit from the guest: 10Mb/s, 1MB/s@20ms or unlimited.")
    var rate: String?
    @Option(help: "The limit to the guest.")
    var rateIn: String?
    @Option(help: "How many packets may come from the guest: 10K/s, 500/s@20ms or unlimited.")
    var ratePackets: String?
    @Option(help: "How many packets may go to the guest.")
    var rateInPackets: String?
    @Option(help: "The VLAN that it is in: 10, or 10:20:30 with those whose tags it sends and sees.")
    var vlan: String?

    func validate() throws {
        let all = [rate, rateIn, ratePackets, rateInPackets, vlan]
        guard all.contains(where: { $0 != nil }) else {
            throw ValidationError(
                "nothing to change: give --rate, --rate-in, --rate-packets, --rate-in-packets or --vlan")
        }
    }

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        let answer = try connection.call(
            SetVif(
                id: id, rate: rate, rateIn: rateIn, ratePackets: ratePackets, rateInPackets: rateInPackets,
                vlan: vlan, dryRun: dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: id, dryRun: dryRun, plan.verbose, done: "changed")
    }
}
