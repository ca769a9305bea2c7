import ArgumentParser
import DrawbridgeAPI

/// `drawbridge vif list`.
struct VifList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the vifs that are attached or remembered.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(ListVifs())
        if connection.json { return Terminal.json(answer) }
        Show.vifs(answer.vifs)
    }
}
