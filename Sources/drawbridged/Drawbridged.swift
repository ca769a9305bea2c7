import ArgumentParser
import DrawbridgeDaemon

/// The daemon's command line.
@main
struct Drawbridged: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drawbridged", abstract: "Manages the network of this machine's guests.",
        version: Daemon.version)

    @Option(help: "The configuration file.")
    var config: String?
    @Option(help: "The socket of the API; the direct one stands beside it.")
    var socket = DaemonOptions.defaultSocket
    @Option(help: "The directory of the journal.")
    var stateDir = DaemonOptions.defaultStateDirectory
    @Option(help: "The directory of the scripts.")
    var scriptDir = DaemonOptions.defaultScriptDirectory

    static func main() async {
        // Before anything can make a thread: each inherits what is blocked.
        ManagementSignal.block()
        do {
            try await parse().run()
        } catch {
            guard exitCode(for: error) != .success else { exit(withError: error) }
            let cause = message(for: error).split(whereSeparator: \.isNewline).first ?? "malformed"
            Daemon.refuseCommandLine(String(cause))
        }
    }

    func run() async throws {
        try await Daemon.main(
            DaemonOptions(
                configurationFile: config, socket: socket, stateDirectory: stateDir,
                scriptDirectory: scriptDir))
    }
}
