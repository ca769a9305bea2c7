import ArgumentParser

/// `drawbridge tap`.
struct TapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tap", abstract: "Make, delete and look at taps for QEMU, Firecracker and their like.",
        subcommands: [TapAdd.self, TapRemove.self, TapList.self])
}
