import ArgumentParser
import DrawbridgeAPI

/// `drawbridge daemon status`.
struct DaemonStatus: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "status", abstract: "Show the daemon.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(GetDaemonStatus())
        if connection.json { return Terminal.json(answer) }
        Show.daemon(answer.daemon)
    }
}
