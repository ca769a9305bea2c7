import ArgumentParser

/// `drawbridge config`.
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check and convert configuration files.",
        subcommands: [ConfigCheck.self, ConfigConvert.self])
}
