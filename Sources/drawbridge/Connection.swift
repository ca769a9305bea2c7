import ArgumentParser
import DrawbridgeAPI
import Glibc
import Varlink

/// How the daemon is reached and how its answer is shown: what all commands share that talk to it.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .customLong("socket"),
        help: "The daemon's socket; without it $DRAWBRIDGE_SOCKET, else \(API.defaultSocket).")
    var givenSocket: String?

    @Flag(help: "Print JSON.")
    var json = false

    /// The daemon's socket.
    var socket: String {
        if let givenSocket { return givenSocket }
        guard let value = getenv("DRAWBRIDGE_SOCKET"), value.pointee != 0 else { return API.defaultSocket }
        return String(cString: value)
    }

    /// Calls a method of the daemon.
    func call<R: Request>(_ request: R) throws(CommandFailure) -> R.Answer {
        var client = try connect()
        do throws(ClientError) {
            return try client.call(request)
        } catch {
            throw CommandFailure(error, socket: socket)
        }
    }

    /// Connects to the daemon.
    func connect() throws(CommandFailure) -> APIClient {
        do throws(SocketError) {
            return try APIClient(connectingTo: socket)
        } catch {
            throw CommandFailure(.socket(error), socket: socket)
        }
    }
}

/// How a plan is shown: what commands share that can tell one.
struct PlanOptions: ParsableArguments {
    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .shortAndLong, help: "Show every step of a plan, also those that are like many others.")
    var verbose = false
}

/// What commands share that change something.
struct ChangeOptions: ParsableArguments {
    @OptionGroup var plan: PlanOptions

    @Flag(help: "Change nothing; print the plan that would be applied.")
    var dryRun = false

    /// How the daemon is reached.
    var connection: ConnectionOptions { plan.connection }
}

extension CommandFailure {
    /// What a client's error means to the one at the terminal.
    init(_ error: ClientError, socket: String) {
        switch error {
        case .call(let error):
            if let failure = Failure(error) {
                self.init(failure)
            } else if error.name == "org.varlink.service.InvalidParameter" {
                let parameter = error.parameters["parameter"]?.string ?? "a parameter"
                self.init(.usage, "\(parameter): is malformed, or unknown to the daemon")
            } else if error.name.hasSuffix("NotFound") || error.name.hasSuffix("NotImplemented") {
                self.init(.unsupported, "daemon: does not know this request (\(error.name)); is it older?")
            } else {
                self.init(.failed, "daemon: \(error)")
            }
        case .socket(let error):
            switch error.code {
            case ENOENT, ECONNREFUSED:
                self.init(
                    .noDaemon,
                    "\(socket): no daemon answers; start drawbridged, or name its socket with --socket")
            case EACCES, EPERM:
                self.init(
                    .permissionDenied,
                    "\(socket): permission denied; only root and the group drawbridge may use it")
            case ETIMEDOUT: self.init(.timeout, "\(socket): no answer in time")
            default: self.init(.failed, "\(socket): \(error)")
            }
        case .closed: self.init(.failed, "daemon: it ended, or closed the connection, before it answered")
        case .timedOut: self.init(.timeout, "\(socket): no answer in time")
        case .framing, .message: self.init(.failed, "daemon: \(error)")
        }
    }
}
