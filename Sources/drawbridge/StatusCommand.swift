import ArgumentParser
import DrawbridgeAPI

/// `drawbridge status`.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the daemon, its networks and its vifs.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(GetStatus())
        if connection.json { return Terminal.json(answer) }
        Show.daemon(answer.daemon)
        Terminal.say("")
        Show.networks(answer.networks)
        Terminal.say("")
        Show.vifs(answer.vifs)
    }
}
