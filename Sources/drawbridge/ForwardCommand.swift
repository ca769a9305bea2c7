import ArgumentParser
import DrawbridgeAPI

/// `drawbridge forward`.
struct ForwardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Let ports of the host lead to guests of subnets.",
        subcommands: [ForwardAdd.self, ForwardRemove.self, ForwardList.self])
}

/// `drawbridge forward add`.
struct ForwardAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Let a port of the host lead to a guest, until it is removed.")

    @Argument(help: "The host's port: 8080/tcp, 53/udp, or 8080, which is TCP.")
    var port: HostPort
    @Argument(help: "The guest and its port: web:80 or vif3.1:80.")
    var target: GuestPort
    @OptionGroup var change: ChangeOptions

    func run() throws {
        let connection = change.plan.connection
        let answer = try connection.call(
            AddForward(
                port: port.number, protocol: port.transport, guest: target.guest, guestPort: target.number,
                dryRun: change.dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(
            answer.outcome, of: port.text, dryRun: change.dryRun, change.plan.verbose,
            done: "leads to \(target.guest):\(target.number)")
    }
}

/// `drawbridge forward remove`.
struct ForwardRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Let a port of the host be the host's again.")

    @Argument(help: "The host's port: 8080/tcp, 53/udp, or 8080, which is TCP.")
    var port: HostPort
    @OptionGroup var change: ChangeOptions

    func run() throws {
        let connection = change.plan.connection
        let answer = try connection.call(
            RemoveForward(port: port.number, protocol: port.transport, dryRun: change.dryRun))
        if connection.json { return Terminal.json(answer) }
        Show.outcome(
            answer.outcome, of: port.text, dryRun: change.dryRun, change.plan.verbose, done: "leads nowhere")
    }
}

/// `drawbridge forward list`.
struct ForwardList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the ports of the host that lead to guests.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(ListForwards())
        if connection.json { return Terminal.json(answer) }
        Show.forwards(answer.forwards)
    }
}

/// `8080/tcp`.
struct HostPort: ExpressibleByArgument {
    var number: UInt16
    var transport: String
    var text: String { "\(number)/\(transport)" }

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let number = UInt16(parts[0]), number > 0 else { return nil }
        transport = parts.count == 2 ? String(parts[1]) : "tcp"
        guard ["tcp", "udp"].contains(transport) else { return nil }
        self.number = number
    }
}

/// `web:80`.
struct GuestPort: ExpressibleByArgument {
    var guest: String
    var number: UInt16

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), colon != argument.startIndex,
            let number = UInt16(argument[argument.index(after: colon)...]), number > 0
        else { return nil }
        guest = String(argument[..<colon])
        self.number = number
    }
}
