import ArgumentParser
import DrawbridgeAPI

/// `drawbridge network list`.
struct NetworkList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the networks that are configured or up.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(ListNetworks())
        if connection.json { return Terminal.json(answer) }
        Show.networks(answer.networks)
    }
}
