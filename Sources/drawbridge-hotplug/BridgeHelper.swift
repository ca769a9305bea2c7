import Glibc
import Varlink

/// `qemu-bridge-helper` as QEMU calls it (net/tap.c, qemu-bridge-helper.c): it gets a tap on a bridge and passes its
/// descriptor on, by a socket that it inherits. QEMU's own makes the tap itself and has to be setuid; this one asks the
/// daemon, which knows by the socket who asks.
struct BridgeHelper {
    static let name = "qemu-bridge-helper"
    /// How long the daemon may take, in milliseconds.
    private static let limit: Int32 = 30_000

    private var bridge = ""
    private var socket: Int32 = -1
    private var hasVirtioHeader = false

    /// Reads `--br=BRIDGE --fd=NUMBER [--use-vnet]`, each value also as a word of its own.
    init(_ words: [String]) throws(Failure) {
        var words = words[...]
        func value(_ option: String, _ word: String) throws(Failure) -> String? {
            if word.hasPrefix(option + "=") { return String(word.dropFirst(option.utf8.count + 1)) }
            guard word == option else { return nil }
            guard let next = words.popFirst() else { throw Failure(.usage, "\(option): has no value") }
            return next
        }
        while let word = words.popFirst() {
            if word == "--use-vnet" {
                hasVirtioHeader = true
            } else if let text = try value("--br", word) {
                bridge = text
            } else if let text = try value("--fd", word) {
                guard let number = Int32(text), number >= 0 else {
                    throw Failure(.usage, "--fd: '\(text)' is not the number of a descriptor")
                }
                socket = number
            } else {
                throw Failure(.usage, "'\(word)': is none of --br=BRIDGE, --fd=NUMBER and --use-vnet")
            }
        }
        guard !bridge.isEmpty, socket >= 0 else {
            throw Failure(.usage, "--br=BRIDGE and --fd=NUMBER are needed")
        }
        try Grammar.check(Array(bridge.utf8), "--br")
    }

    /// Asks the daemon for the tap and hands it on.
    func run(daemon path: String) throws(Failure) -> Answer {
        var fields = ["tap", "vnet=\(hasVirtioHeader)", "bridge=\(bridge)"]
        for (key, field) in [("mac", "mac"), ("ip", "address")] {
            guard let value = getenv(key).map({ String(cString: $0) }) else { continue }
            try Grammar.check(Array(value.utf8), "the variable \(key)")
            for word in value.split(whereSeparator: { $0 == " " || $0 == "," }) {
                fields.append("\(field)=\(word)")
            }
        }
        let (answer, tap) = try ask(fields.flatMap { Array($0.utf8) + [0] }, path)
        guard answer.exitCode == 0 else { return answer }
        guard let tap else { throw Failure(.failed, "the daemon's answer has no descriptor") }
        do throws(SocketError) {
            try hand(on: tap)
        } catch { throw Failure(.failed, "--fd \(socket): \(error)") }
        return answer
    }

    private func ask(_ octets: [UInt8], _ path: String) throws(Failure) -> (Answer, Int32?) {
        do throws(SocketError) {
            let connection = try UnixSocket.connect(to: path, .sequencedPacket)
            try Packet.send(octets, to: connection)
            guard UnixSocket.wait(connection, for: POLLIN, milliseconds: Self.limit) else {
                throw SocketError("reply from \(path)", code: ETIMEDOUT)
            }
            guard var packet = try Packet.receive(from: connection, room: 160 << 10) else {
                throw SocketError("reply from \(path)", code: ECONNRESET)
            }
            let tap = packet.descriptor.take()?.release()
            guard let answer = try? Daemon.parse(packet.content[...]) else {
                throw SocketError("reply from \(path)", code: EPROTO)
            }
            return (answer, tap)
        } catch {
            switch error.code {
            case ENOENT, ECONNREFUSED:
                throw Failure(.noDaemon, "\(path): no daemon answers; start drawbridged")
            case EACCES, EPERM:
                throw Failure(
                    .permissionDenied,
                    "\(path): only root and the members of the group drawbridge may use it")
            default: throw Failure(.failed, "\(error)")
            }
        }
    }

    /// One octet with the descriptor, as QEMU expects it; both descriptors are closed at the end of the process.
    private func hand(on tap: Int32) throws(SocketError) {
        let parent = OwnedDescriptor(taking: socket)
        try Packet.send([0], descriptor: tap, to: parent)
    }
}
