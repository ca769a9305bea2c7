import ArgumentParser
import DrawbridgeAPI

/// `drawbridge tap list`.
struct TapList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the taps that 'tap add' made.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        var answer = try connection.call(ListVifs())
        answer.vifs.removeAll { $0.tap == nil }
        if connection.json { return Terminal.json(answer) }
        Show.taps(answer.vifs)
    }
}
