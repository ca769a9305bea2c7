import Glibc
import LinuxHeaders

/// Who is at the other end of a Unix socket, as it was when the connection was made.
public struct PeerCredentials: Hashable, Sendable {
    /// The process that connected.
    public var process: Int32
    /// Its effective user.
    public var user: UInt32
    /// Its effective group.
    public var group: UInt32
    /// Its supplementary groups.
    public var groups: [UInt32]

    /// Makes credentials.
    public init(process: Int32, user: UInt32, group: UInt32, groups: [UInt32] = []) {
        self.process = process
        self.user = user
        self.group = group
        self.groups = groups
    }

    /// Asks the kernel for the peer of a connected socket (SO_PEERCRED and SO_PEERGROUPS, unix(7)).
    public init(of socket: borrowing OwnedDescriptor) throws(SocketError) {
        var credentials = linux_ucred()
        var length = socklen_t(MemoryLayout<linux_ucred>.size)
        guard getsockopt(socket.rawValue, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
            throw SocketError.last("SO_PEERCRED")
        }
        self.init(process: credentials.pid, user: credentials.uid, group: credentials.gid)
        let option = Int32(LINUX_SO_PEERGROUPS)
        // The kernel says with ERANGE how much room it needs.
        var room = 32
        while true {
            var list = [UInt32](repeating: 0, count: room)
            var size = socklen_t(room * 4)
            if getsockopt(socket.rawValue, SOL_SOCKET, option, &list, &size) == 0 {
                groups = Array(list.prefix(Int(size) / 4))
                return
            }
            guard errno == ERANGE, Int(size) / 4 > room else { throw SocketError.last("SO_PEERGROUPS") }
            room = Int(size) / 4
        }
    }
}
