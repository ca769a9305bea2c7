import ArgumentParser
import DrawbridgeAPI

/// `drawbridge tap remove`.
struct TapRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Disconnect and delete a tap that 'tap add' made, open or not.")

    @Argument(help: "The tap, by its name or its vif.")
    var name: String
    @OptionGroup var change: ChangeOptions

    func run() throws {
        let connection = change.plan.connection
        let vif = try connection.call(GetVif(id: name)).vif
        guard vif.tap != nil else {
            throw CommandFailure(
                .conflict,
                "\(name): is no tap that 'drawbridge tap add' made; 'drawbridge vif remove' disconnects any vif"
            )
        }
        let answer = try connection.call(RemoveVif(id: vif.id, dryRun: change.dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(
            answer.outcome, of: name, dryRun: change.dryRun, change.plan.verbose, done: "removed")
    }
}
