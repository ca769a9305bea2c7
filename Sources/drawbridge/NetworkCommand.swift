import ArgumentParser

/// `drawbridge network`.
struct NetworkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network", abstract: "Raise, lower and look at networks.",
        subcommands: [NetworkStart.self, NetworkStop.self, NetworkStatus.self, NetworkList.self])
}
