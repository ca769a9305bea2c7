import ArgumentParser

/// `drawbridge daemon`.
struct DaemonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon", abstract: "Look at the daemon, and end it.",
        subcommands: [DaemonStatus.self, DaemonReload.self, DaemonStop.self])
}
