import ArgumentParser

/// `drawbridge vif`.
struct VifCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vif", abstract: "Connect, disconnect and look at the interfaces of guests.",
        subcommands: [VifAdd.self, VifRemove.self, VifSet.self, VifMove.self, VifList.self, VifShow.self])
}
