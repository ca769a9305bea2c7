import ArgumentParser
import Dispatch
import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeHost
import DrawbridgeModel
import Logging

/// `drawbridge restore`.
struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Give the host its own configuration back when no daemon runs.",
        discussion:
            "Reads the journal that a daemon left behind. Guests are taken off their bridge and keep their devices."
    )

    @Option(help: "The daemon's state directory.")
    var stateDir = "/run/drawbridge"
    @Option(help: "The daemon's directory of what outlives a restart of the machine.")
    var persistentDir = "/var/lib/drawbridge"
    @Flag(help: "Show what would be done, and do nothing.")
    var dryRun = false
    @Flag(name: .shortAndLong, help: "Show every step of a plan, also those that are like many others.")
    var verbose = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let (stateDirectory, persistentDirectory) = (stateDir, persistentDir)
        let dryRun = dryRun
        let answer = Answer()
        // The command is synchronous, the engine is not: its one job is waited for here.
        let done = DispatchSemaphore(value: 0)
        Task {
            do throws(DrawbridgeError) {
                var logger = Logger(label: "drawbridge") { _ in SwiftLogNoOpLogHandler() }
                logger.logLevel = .critical
                let outcome = try await Restore.run(
                    stateDirectory: stateDirectory, persistentDirectory: persistentDirectory,
                    host: try Host(),
                    dryRun: dryRun, version: API.version, logger: logger)
                answer.set(.success(outcome))
            } catch {
                answer.set(.failure(error))
            }
            done.signal()
        }
        done.wait()
        switch answer.get() {
        case .failure(let error): throw CommandFailure(.failed, "\(error)")
        case .success(let outcome):
            let reply = OutcomeReport(
                changed: outcome.changed, plan: outcome.plan, warnings: outcome.warnings)
            if json { return Terminal.json(reply) }
            Show.outcome(reply, of: "host", dryRun: dryRun, verbose, done: "restored")
        case nil: throw CommandFailure(.failed, "restore: ended without an answer")
        }
    }
}
