import ArgumentParser
import DrawbridgeAPI
import Varlink

/// `drawbridge events`.
struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show the event log as it is written.")

    @Flag(help: "Go on until interrupted, or until the daemon ends.")
    var follow = false
    @Option(help: "Begin after the event of this number, as far as the log reaches back.")
    var since: UInt64?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard follow else { throw ValidationError("the log is shown with --follow") }
    }

    func run() throws {
        var client = try connection.connect()
        let isJSON = connection.json
        do throws(ClientError) {
            try client.follow(FollowEvents(since: since)) { event in
                if isJSON { Terminal.json(event) } else { Show.event(event) }
                return true
            }
        } catch {
            throw CommandFailure(error, socket: connection.socket)
        }
    }
}
