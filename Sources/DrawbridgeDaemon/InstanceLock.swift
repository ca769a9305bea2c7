import DrawbridgeModel
import Glibc
import Varlink

/// Keeps a second daemon away: from the same state directory, and from the same network namespace whatever its
/// state directory is. Both end with the process, however it ends.
struct InstanceLock: ~Copyable, Sendable {
    /// Abstract names belong to a network namespace (unix(7)), so that each has one of this name.
    static let name = "@io.drawbridge.daemon"

    private let namespace: OwnedDescriptor
    private let directory: OwnedDescriptor

    /// Takes both, in the network namespace of the calling thread.
    init(stateDirectory: String) throws(DrawbridgeError) {
        let namespace = try Self.lockNamespace()
        let directory = try Self.lockDirectory(stateDirectory)
        self.namespace = namespace
        self.directory = directory
    }

    private static func lockNamespace() throws(DrawbridgeError) -> OwnedDescriptor {
        do throws(SocketError) {
            return try UnixSocket.listen(at: name, .stream)
        } catch {
            guard error.code == EADDRINUSE else {
                throw DrawbridgeError(.internal, "daemon", error.description)
            }
            throw DrawbridgeError(
                .conflict, "daemon", "another one\(holder()) manages this network namespace",
                advice: "end it first, with 'drawbridge daemon stop'")
        }
    }

    private static func lockDirectory(_ path: String) throws(DrawbridgeError) -> OwnedDescriptor {
        let file = "\(path)/lock"
        let raw = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard raw >= 0 else {
            throw DrawbridgeError(.journal, file, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        let lock = OwnedDescriptor(taking: raw)
        guard flock(raw, LOCK_EX | LOCK_NB) == 0 else {
            throw DrawbridgeError(
                .conflict, path, "another daemon uses this state directory",
                advice: "give each one its own with --state-dir")
        }
        return lock
    }

    /// Who holds the name: anybody may take one, so that it need not be a daemon of root's.
    private static func holder() -> String {
        guard let socket = try? UnixSocket.connect(to: name, .stream),
            let peer = try? PeerCredentials(of: socket)
        else { return "" }
        return " (process \(peer.process), user \(peer.user))"
    }
}
