import ArgumentParser
import DrawbridgeAPI
import Glibc

/// The command that people and programs use.
@main
struct Drawbridge: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drawbridge",
        abstract: "Connects the guests of this machine to its network.",
        discussion: """
            Exit codes: 0 it worked, 1 it failed, 2 the command line or what it asks for is malformed, 3 there \
            is no daemon, 4 permission denied, 5 not found, 6 something is in the way, 7 a configuration file is \
            wrong, 8 it took too long, 9 it is not built.
            """,
        version: API.version,
        subcommands: [
            NetworkCommand.self, VifCommand.self, TapCommand.self, AddressCommand.self, ForwardCommand.self,
            StatusCommand.self,
            PlanCommand.self, ConfigCommand.self,
            EventsCommand.self, DaemonCommand.self, RestoreCommand.self, DoctorCommand.self, InstallXen.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as CommandFailure {
            Terminal.complain(failure.message)
            Glibc.exit(Int32(failure.code.rawValue))
        } catch {
            guard exitCode(for: error) != .success else { exit(withError: error) }
            // One line, whatever the parser would say besides.
            let line =
                message(for: error).split(whereSeparator: \.isNewline).first.map(String.init) ?? "\(error)"
            Terminal.complain("command line: \(line); 'drawbridge --help' shows what there is")
            Glibc.exit(Int32(DrawbridgeAPI.ExitCode.usage.rawValue))
        }
    }
}

/// Why a command ends without having done its work.
struct CommandFailure: Error {
    var code: DrawbridgeAPI.ExitCode
    /// `object: cause; advice`.
    var message: String

    init(_ code: DrawbridgeAPI.ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ failure: Failure) {
        self.init(DrawbridgeAPI.ExitCode(failure), failure.description)
    }
}
