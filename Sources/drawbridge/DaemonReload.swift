import ArgumentParser
import DrawbridgeAPI

/// `drawbridge daemon reload`.
struct DaemonReload: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Read the configuration file again.")

    @OptionGroup var change: ChangeOptions

    func run() throws {
        let answer = try change.connection.call(ReloadConfiguration(dryRun: change.dryRun))
        if change.connection.json { return Terminal.json(answer) }
        Terminal.say(
            "configuration: "
                + (!answer.outcome.changed ? "as it was" : change.dryRun ? "would change" : "reloaded"))
        Terminal.warn(answer.outcome.warnings)
    }
}
