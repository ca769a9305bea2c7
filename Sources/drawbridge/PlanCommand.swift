import ArgumentParser
import DrawbridgeAPI

/// `drawbridge plan`: what an event would do. The same as the event's own command with `--dry-run`.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what an event would do, and do nothing.",
        subcommands: [
            PlanNetworkStart.self, PlanNetworkStop.self, PlanVifAdd.self, PlanVifRemove.self, PlanVifSet.self,
            PlanVifMove.self, PlanTapAdd.self, PlanDaemonStop.self,
        ])
}

/// `drawbridge plan network-start`.
struct PlanNetworkStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network-start", abstract: "What raising a network would do.")
    @OptionGroup var options: NetworkStartOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan network-stop`.
struct PlanNetworkStop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network-stop", abstract: "What lowering a network would do.")
    @OptionGroup var options: NetworkStopOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan vif-add`.
struct PlanVifAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vif-add", abstract: "What connecting a vif would do.")
    @OptionGroup var options: VifAddOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan vif-remove`.
struct PlanVifRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vif-remove", abstract: "What disconnecting a vif would do.")
    @OptionGroup var options: VifRemoveOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan vif-set`.
struct PlanVifSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vif-set", abstract: "What changing a vif's limits would do.")
    @OptionGroup var options: VifSetOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan vif-move`.
struct PlanVifMove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vif-move", abstract: "What taking a vif to another network would do.")
    @OptionGroup var options: VifMoveOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan tap-add`.
struct PlanTapAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tap-add", abstract: "What making and connecting a tap would do.")
    @OptionGroup var options: TapAddOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}

/// `drawbridge plan daemon-stop`.
struct PlanDaemonStop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon-stop", abstract: "What ending the daemon would do.")
    @OptionGroup var options: DaemonStopOptions
    @OptionGroup var plan: PlanOptions
    func run() throws { try options.perform(dryRun: true, plan) }
}
