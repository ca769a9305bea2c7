import ArgumentParser
import DrawbridgeAPI

/// `drawbridge address`.
struct AddressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "address", abstract: "Look at the addresses that guests of subnets were given.",
        subcommands: [AddressList.self])
}

/// `drawbridge address list`.
struct AddressList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the addresses of the subnets that are up, and whose they are.")

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        let answer = try connection.call(ListAddresses())
        if connection.json { return Terminal.json(answer) }
        Show.addresses(answer.addresses)
    }
}
