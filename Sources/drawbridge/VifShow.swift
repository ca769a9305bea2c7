import ArgumentParser
import DrawbridgeAPI

/// `drawbridge vif show`.
struct VifShow: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one vif.")

    @Argument(help: "The vif: vif3.1, 3.1, or the name of its device.")
    var id: String
    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(GetVif(id: id))
        if connection.json { return Terminal.json(answer) }
        Show.vif(answer.vif)
    }
}
