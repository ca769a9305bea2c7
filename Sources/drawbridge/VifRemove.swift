import ArgumentParser
import DrawbridgeAPI

/// `drawbridge vif remove`.
struct VifRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Disconnect an interface of a guest.")

    @OptionGroup var options: VifRemoveOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// Which vif to disconnect.
struct VifRemoveOptions: ParsableArguments {
    @Argument(help: "The vif: vif3.1, 3.1, or the name of its device.")
    var id: String

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        let answer = try connection.call(RemoveVif(id: id, dryRun: dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: id, dryRun: dryRun, plan.verbose, done: "removed")
    }
}
