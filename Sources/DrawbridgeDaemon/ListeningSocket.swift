import DrawbridgeModel
import Glibc
import Varlink

/// Makes the daemon's sockets so that at no moment somebody may connect who should not.
enum ListeningSocket {
    /// Makes the directory of a path, unless it is there. Others may pass through it to a socket.
    static func makeDirectory(_ path: String, mode: mode_t) throws(DrawbridgeError) {
        var status = stat()
        if mkdir(path, mode) == 0 {
            // The process's mask may have taken bits away.
            _ = chmod(path, mode)
            return
        }
        guard errno == EEXIST else {
            throw DrawbridgeError(.journal, path, "cannot be made: \(String(cString: strerror(errno)))")
        }
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw DrawbridgeError(.journal, path, "is not a directory")
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw DrawbridgeError(
                .journal, path, "belongs to another user or can be written by others",
                advice: "'chown root' and 'chmod go-w' it")
        }
    }

    /// Lets others pass through a directory to what they may use in it; they can neither list nor change it.
    static func admitPassage(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        _ = chmod(path, status.st_mode & 0o7777 | 0o011)
    }

    /// Makes a socket at `path` that its group may use, in the place of one that an earlier daemon left.
    ///
    /// It is made under another name, closed to all but its owner, and moved into its place when it is ready.
    static func make(
        at path: String, _ kind: UnixSocket.Kind, group: UInt32?
    ) throws(DrawbridgeError) -> OwnedDescriptor {
        let draft = "\(path).new"
        guard draft.utf8.count <= UnixSocket.maximumPathLength else {
            throw DrawbridgeError(
                .invalidArgument, path, "is too long for a socket",
                advice: "at most \(UnixSocket.maximumPathLength - 4) octets")
        }
        try refuseStranger(at: path, kind)
        _ = unlink(draft)
        do throws(SocketError) {
            let socket = try UnixSocket.listen(at: draft, kind, mode: 0o600)
            let group = group ?? 0
            guard lchown(draft, geteuid(), geteuid() == 0 ? group : getegid()) == 0,
                chmod(draft, 0o660) == 0, rename(draft, path) == 0
            else {
                let code = errno
                _ = unlink(draft)
                throw SocketError("socket \(path)", code: code)
            }
            return socket
        } catch {
            throw DrawbridgeError(.conflict, path, "cannot listen: \(error)")
        }
    }

    /// Refuses to take the place of what is no socket, or of a socket that somebody serves.
    private static func refuseStranger(at path: String, _ kind: UnixSocket.Kind) throws(DrawbridgeError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw DrawbridgeError(.conflict, path, "is there and is not a socket")
        }
        guard (try? UnixSocket.connect(to: path, kind)) == nil else {
            throw DrawbridgeError(
                .conflict, path, "another daemon serves this socket",
                advice: "give each its own with --socket")
        }
    }
}
