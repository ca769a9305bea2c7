import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes

/// What outlives a restart of the machine: which guest has which address, and which ports lead to whom.
///
/// Records like the journal's in a directory of their own, which is made when the first is written. Each is on the disk
/// before it counts (fsync(2)): a power cut leaves the old one or the new one.
struct PersistentStore: Sendable {
    /// The directory.
    let path: String

    /// Where dnsmasq's files are: it reads them as another user.
    var serverDirectory: String { "\(path)/dnsmasq" }

    /// Makes the directory, and lets dnsmasq's user get to its own below.
    func admitServer() throws(DrawbridgeError) {
        try StateDirectory(path: path).admitPassage(true)
    }

    func addresses(of network: NetworkName) throws(DrawbridgeError) -> AddressBook? {
        try read(AddressBook.self, kind: "addresses", file: "addresses-\(network)")
    }

    func setAddresses(_ book: AddressBook, of network: NetworkName) throws(DrawbridgeError) {
        try write(book, kind: "addresses", file: "addresses-\(network)")
    }

    func forwards() throws(DrawbridgeError) -> [PortForward] {
        try read([PortForward].self, kind: "forwards", file: "forwards") ?? []
    }

    func setForwards(_ forwards: [PortForward]) throws(DrawbridgeError) {
        try write(forwards, kind: "forwards", file: "forwards")
    }

    private func read<Record: Decodable>(
        _ type: Record.Type, kind: String, file: String
    ) throws(DrawbridgeError) -> Record? {
        guard access(path, F_OK) == 0 else { return nil }
        let directory = try StateDirectory(path: path, for: .reading)
        return try journalled { () throws(RecordError) in
            guard let bytes = try directory.read(file) else { return nil }
            return try RecordFile.decode(type, kind: kind, from: bytes, file: directory.file(file))
        }
    }

    private func write(_ record: some Encodable, kind: String, file: String) throws(DrawbridgeError) {
        let directory = try StateDirectory(path: path)
        // dnsmasq has to get to its files below.
        try directory.admitPassage(true)
        try journalled { () throws(RecordError) in
            let bytes: [UInt8]
            do { bytes = try RecordFile.encode(record, kind: kind) } catch {
                throw RecordError(directory.file(file), .content("\(error)"))
            }
            try directory.write(file, bytes, isDurable: true)
        }
    }
}
