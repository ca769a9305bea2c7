import ArgumentParser
import DrawbridgeAPI

/// `drawbridge tap add`.
struct TapAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Make a tap and connect it as a vif.",
        discussion: """
            The tap stays until it is removed, whatever opens and closes it. Without --owner and --group only the \
            one who makes it may open it.
            """)

    @OptionGroup var options: TapAddOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// Which tap to make.
struct TapAddOptions: ParsableArguments {
    @Argument(help: "The tap's name; that of its vif, such as vif32768.0, without.")
    var name: String?
    @Option(help: "The user who may open it, by name or number.")
    var owner: String?
    @Option(help: "The group whose members may open it, by name or number.")
    var group: String?
    @Flag(help: "Let it be opened several times, once for each queue.")
    var multiQueue = false
    @Flag(help: "Make it with a virtio-net header; whoever opens it decides anew.")
    var vnetHeader = false
    @Option(help: "The vif: vif3.1 or 3.1; one is chosen without.")
    var id: String?
    @OptionGroup var guest: GuestOptions

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        var vif = guest.specification
        vif.id = id.map { $0.hasPrefix("vif") ? $0 : "vif\($0)" }
        vif.vifName = name
        vif.tap = TapReport(
            owner: try owner.map(Accounts.user), group: try group.map(Accounts.group),
            multiQueue: multiQueue ? true : nil, virtioHeader: vnetHeader ? true : nil)
        var request = AddVif(vif: vif)
        request.dryRun = dryRun
        let answer = try connection.call(request)
        if connection.json { return Terminal.json(answer) }
        let object = name.map { $0 == answer.id ? $0 : "\($0) (\(answer.id))" } ?? answer.id
        Show.outcome(answer.outcome, of: object, dryRun: dryRun, plan.verbose, done: "made and connected")
    }
}
