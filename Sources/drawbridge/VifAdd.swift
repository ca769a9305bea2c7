import ArgumentParser
import DrawbridgeAPI
import DrawbridgeModel
import Glibc
import Varlink

/// `drawbridge vif add`.
struct VifAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Connect an interface of a guest.",
        discussion: """
            With --netns both ends are made, and the guest's end is born in that namespace. With --device the \
            host's end exists already.
            """)

    @OptionGroup var options: VifAddOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try options.perform(dryRun: change.dryRun, change.plan)
    }
}

/// Which vif to connect.
struct VifAddOptions: ParsableArguments {
    /// How long an attach may take, in milliseconds.
    private static let timeout: Int32 = 60_000

    @Argument(help: "The vif: vif3.1 or 3.1; one is chosen without.")
    var vif: String?
    @Option(help: "The guest's network namespace: a path, or a name in /run/netns.")
    var netns: String?
    @Option(help: "The host's end, where it exists already: vif3.1.")
    var device: String?
    @Option(help: "The vif, if it is not named first.")
    var id: String?
    @Option(help: "The name that the host's end is to bear.")
    var vifName: String?
    @Option(help: "The name of the guest's end of a pair (eth0).")
    var guestName: String?
    @OptionGroup var guest: GuestOptions
    @Option(
        help: """
            The vif as a domain's file describes it: 'mac=00:16:3e:5e:6c:00,bridge=xenbr0,rate=10Mb/s'; '' for one \
            with a hardware address at random. Other options hold before it.
            """)
    var spec: String?

    func validate() throws {
        guard vif == nil || id == nil else { throw ValidationError("the vif is named twice") }
    }

    /// - Throws: where the text of a domain's file is none.
    func request() throws(CommandFailure) -> (request: AddVif, notices: [String]) {
        var vif = guest.specification
        var notices: [String] = []
        if let spec {
            do throws(DrawbridgeError) {
                let text = try VifText(spec)
                notices = text.notices
                vif.mac = vif.mac ?? text["mac"]
                vif.bridge = vif.bridge ?? text["bridge"]
                vif.addresses = vif.addresses ?? text["ip"].map { $0.split(separator: " ").map(String.init) }
                vif.vifName = text["vifname"]
                vif.rate = vif.rate ?? text["rate"]
                vif.vlan = vif.vlan ?? text["vlan"]
                let told = try text.mtu
                vif.mtu = vif.mtu ?? told
            } catch { throw CommandFailure(.usage, "\(error)") }
        }
        vif.id = (self.vif ?? id).map { $0.hasPrefix("vif") ? $0 : "vif\($0)" }
        vif.device = device
        vif.guestName = guestName
        vif.vifName = vifName ?? vif.vifName
        return (AddVif(vif: vif), notices)
    }

    func perform(dryRun: Bool, _ plan: PlanOptions) throws {
        let connection = plan.connection
        guard device != nil || netns != nil || dryRun else {
            throw CommandFailure(.usage, "vif: either --netns or --device has to say where it is")
        }
        let asked = try self.request()
        var request = asked.request
        request.dryRun = dryRun
        var answer: AddVif.Answer
        if let netns {
            answer = try send(request, namespace: netns, connection)
        } else {
            answer = try connection.call(request)
        }
        answer.outcome.warnings = asked.notices + answer.outcome.warnings
        if connection.json { return Terminal.json(answer) }
        Show.outcome(answer.outcome, of: answer.id, dryRun: dryRun, plan.verbose, done: "connected")
    }

    /// Sends the request with the descriptor of the namespace, which the one who asks opens: it is their right to
    /// it that counts, not the daemon's.
    private func send(
        _ request: AddVif, namespace: String, _ connection: ConnectionOptions
    ) throws(CommandFailure) -> AddVif.Answer {
        let path = namespace.contains("/") ? namespace : "/run/netns/\(namespace)"
        let raw = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard raw >= 0 else {
            let code: DrawbridgeAPI.ExitCode =
                errno == ENOENT ? .notFound : errno == EACCES ? .permissionDenied : .failed
            throw CommandFailure(code, "\(path): \(String(cString: strerror(errno)))")
        }
        let descriptor = OwnedDescriptor(taking: raw)
        let socket = API.directSocket(of: connection.socket)
        let reply: DirectReply
        do throws(ClientError) {
            reply = try DirectClient.send(
                .attach(request), descriptor: descriptor, to: socket, timeout: Self.timeout)
        } catch {
            throw CommandFailure(error, socket: socket)
        }
        guard reply.exitCode == 0 else {
            throw CommandFailure(DrawbridgeAPI.ExitCode(rawValue: reply.exitCode) ?? .failed, reply.message)
        }
        guard let message = try? Reply(parsing: Array(reply.output.utf8)),
            let answer = try? Coding.decodeAnswer(AddVif.Answer.self, from: message.parameters)
        else { throw CommandFailure(.failed, "daemon: its answer is malformed") }
        return answer
    }
}
