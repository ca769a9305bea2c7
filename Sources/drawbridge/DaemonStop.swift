import ArgumentParser
import DrawbridgeAPI

/// `drawbridge daemon stop`.
struct DaemonStop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "End the daemon.",
        discussion:
            "The networks are lowered first, unless the configuration or --keep-network says otherwise.")

    @OptionGroup var options: DaemonStopOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// How to end the daemon.
struct DaemonStopOptions: ParsableArguments {
    @Flag(help: "Leave everything as it is, for the next daemon to adopt.")
    var keepNetwork = false

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        let answer = try connection.call(Shutdown(keepNetwork: keepNetwork ? true : nil, dryRun: dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: "daemon", dryRun: dryRun, plan.verbose, done: "ended")
    }
}
