import ArgumentParser
import Dispatch
import DrawbridgeDaemon
import Glibc

/// The process. An asynchronous `main` would run on a thread of the pool, and leave the first thread open to signals.
@main
enum Process {
    static func main() {
        ProcessMemory.shareOneHeap()
        // Before anything can make a thread: each inherits what is blocked.
        ManagementSignal.block()
        let command = Drawbridged.read()
        Task.detached {
            await Daemon.main(
                DaemonOptions(
                    configurationFile: command.config, socket: command.socket,
                    stateDirectory: command.stateDir,
                    scriptDirectory: command.scriptDir, persistentDirectory: command.persistentDir))
        }
        // Not dispatchMain(): that opens a thread to every signal again.
        DispatchSemaphore(value: 0).wait()
    }
}

/// The daemon's command line.
struct Drawbridged: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drawbridged", abstract: "Manages the network of this machine's guests.",
        version: Daemon.version)

    @Option(help: "The configuration file.")
    var config: String?
    @Option(help: "The socket of the API; the direct one stands beside it.")
    var socket = DaemonOptions.defaultSocket
    @Option(help: "The directory of the journal.")
    var stateDir = DaemonOptions.defaultStateDirectory
    @Option(help: "The directory of what outlives a restart of the machine.")
    var persistentDir = DaemonOptions.defaultPersistentDirectory
    @Option(help: "The directory of the scripts.")
    var scriptDir = DaemonOptions.defaultScriptDirectory

    /// Reads the process's command line; help, the version and mistakes end the process.
    static func read() -> Drawbridged {
        do {
            return try parse()
        } catch {
            guard exitCode(for: error) != .success else { exit(withError: error) }
            let cause = message(for: error).split(whereSeparator: \.isNewline).first ?? "malformed"
            Daemon.refuseCommandLine(String(cause))
        }
    }
}
