import DrawbridgeAPI
import DrawbridgeModel
import Glibc
import Synchronization
import Varlink

/// The daemon's locks and its two listening sockets, its own or the service manager's.
final class DaemonSockets: Sendable {
    private struct Held: ~Copyable {
        var stream: OwnedDescriptor?
        var sequencedPacket: OwnedDescriptor?
    }
    private let lock: InstanceLock
    private let held: Mutex<Held>
    /// The paths of the sockets that the daemon made itself, and so takes away.
    private let made: [String]

    init(
        _ options: DaemonOptions, _ given: consuming Systemd.Sockets, group: UInt32?
    ) throws(DrawbridgeError) {
        let socketDirectory = Self.directory(of: options.socket)
        let sharesDirectory = socketDirectory == options.stateDirectory
        // The journal is for nobody else; but where a socket stands beside it, others have to pass through.
        try ListeningSocket.makeDirectory(options.stateDirectory, mode: 0o700)
        if sharesDirectory { ListeningSocket.admitPassage(options.stateDirectory) }
        lock = try InstanceLock(stateDirectory: options.stateDirectory)
        if !sharesDirectory, access(socketDirectory, F_OK) != 0 {
            try ListeningSocket.makeDirectory(socketDirectory, mode: 0o755)
        }
        var made: [String] = []
        if given.stream == nil {
            given.stream = try ListeningSocket.make(at: options.socket, .stream, group: group)
            made.append(options.socket)
        }
        if given.sequencedPacket == nil {
            let path = API.directSocket(of: options.socket)
            given.sequencedPacket = try ListeningSocket.make(at: path, .sequencedPacket, group: group)
            made.append(path)
        }
        held = Mutex(Held(stream: given.stream.take(), sequencedPacket: given.sequencedPacket.take()))
        self.made = made
    }

    /// The Varlink socket, once.
    func takeStream() throws(SocketError) -> OwnedDescriptor {
        guard let socket = held.withLock({ $0.stream.take() }) else {
            throw SocketError("the daemon runs already", code: EALREADY)
        }
        return socket
    }

    /// The direct socket, once.
    func takeSequencedPacket() throws(SocketError) -> OwnedDescriptor {
        guard let socket = held.withLock({ $0.sequencedPacket.take() }) else {
            throw SocketError("the daemon runs already", code: EALREADY)
        }
        return socket
    }

    /// Takes away what was made.
    func remove() {
        for path in made { _ = unlink(path) }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
