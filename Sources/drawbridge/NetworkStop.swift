import ArgumentParser
import DrawbridgeAPI

/// `drawbridge network stop`.
struct NetworkStop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Lower a network and give the host its own configuration back.")

    @OptionGroup var options: NetworkStopOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// Which network to lower.
struct NetworkStopOptions: ParsableArguments {
    @Argument(help: "The network's name.")
    var name: String

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        let answer = try connection.call(StopNetwork(name: name, dryRun: dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: name, dryRun: dryRun, plan.verbose, done: "down")
    }
}
