import ArgumentParser
import DrawbridgeAPI

/// `drawbridge network status`.
struct NetworkStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show one network.")

    @Argument(help: "The network's name, or its bridge's.")
    var name: String
    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(GetNetwork(name: name))
        if connection.json { return Terminal.json(answer) }
        Show.networks([answer.network])
        if let handover = answer.network.dhcpHandover {
            Show.handover(handover, on: answer.network.bridge)
        }
    }
}
