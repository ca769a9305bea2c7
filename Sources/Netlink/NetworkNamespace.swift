import Glibc
import LinuxHeaders

/// A network namespace, held by an owned file descriptor, so that it lives at least as long as this value.
public struct NetworkNamespace: ~Copyable, Sendable {
    /// The file descriptor; it belongs to this value and is closed with it.
    public let descriptor: Int32

    /// The namespace of the calling thread.
    public static func current() throws(NetlinkError) -> NetworkNamespace {
        try NetworkNamespace(path: "/proc/thread-self/ns/net")
    }

    /// The namespace of a process.
    public init(process: Int32) throws(NetlinkError) {
        try self.init(path: "/proc/\(process)/ns/net")
    }

    /// The namespace at a path, such as `/run/netns/web` or `/proc/123/ns/net`.
    ///
    /// - Throws: `.system` with the path; EINVAL if what is there is not a network namespace.
    public init(path: String) throws(NetlinkError) {
        self.descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(call: "open(\(path))", errno: errno) }
        try Self.check(descriptor, "\(path)")
    }

    /// Takes over a descriptor that somebody passed, after checking that it is a network namespace. It is
    /// closed also if it is none.
    public init(adopting descriptor: Int32) throws(NetlinkError) {
        self.descriptor = descriptor
        try Self.check(descriptor, "descriptor \(descriptor)")
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Another descriptor of the same namespace.
    public func duplicate() throws(NetlinkError) -> NetworkNamespace {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw .system(call: "fcntl(F_DUPFD_CLOEXEC)", errno: errno) }
        return try NetworkNamespace(adopting: copy)
    }

    /// Whether a descriptor is a network namespace (ioctl_ns(2), `NS_GET_NSTYPE`). The file system is asked
    /// first, since another file may give an ioctl of that number a meaning of its own.
    public static func isNetworkNamespace(_ descriptor: Int32) -> Bool {
        var system = statfs()
        guard unsafe fstatfs(descriptor, &system) == 0, system.f_type == nsfsMagic else { return false }
        return ioctl(descriptor, nsGetType) == Int32(LINUX_CLONE_NEWNET)
    }

    /// The number by which the kernel tells namespaces apart while the machine runs (`SO_NETNS_COOKIE`).
    public func cookie() throws(NetlinkError) -> UInt64 {
        try enter { () throws(NetlinkError) in try NetlinkSocket(.route).namespaceCookie() }
    }

    /// Whether both are the same namespace.
    public func isSame(as other: borrowing NetworkNamespace) -> Bool {
        var mine = stat()
        var others = stat()
        guard unsafe fstat(descriptor, &mine) == 0, unsafe fstat(other.descriptor, &others) == 0 else {
            return false
        }
        return mine.st_dev == others.st_dev && mine.st_ino == others.st_ino
    }

    /// Runs `body` in the namespace and returns to the thread's own.
    ///
    /// A namespace belongs to a thread (setns(2)), so `body` cannot suspend. Open sockets in it: they stay in
    /// the namespace they were opened in. If the thread cannot return, the process ends, since whatever it did
    /// next would happen on the wrong network.
    public func enter<Value: ~Copyable>(
        _ body: () throws(NetlinkError) -> Value
    ) throws(NetlinkError) -> Value {
        let home = try NetworkNamespace.current()
        try switchThread()
        defer { home.restoreThread() }
        return try body()
    }

    /// Runs `body`, which may throw anything, in the namespace and returns to the thread's own.
    ///
    /// - Throws: what `body` throws, or a `NetlinkError` if the namespace cannot be entered.
    @_disfavoredOverload
    public func enter<Value: ~Copyable>(_ body: () throws -> Value) throws -> Value {
        let home = try NetworkNamespace.current()
        try switchThread()
        defer { home.restoreThread() }
        return try body()
    }

    private func switchThread() throws(NetlinkError) {
        guard setns(descriptor, Int32(LINUX_CLONE_NEWNET)) == 0 else {
            throw .system(call: "setns", errno: errno)
        }
    }

    private func restoreThread() {
        guard setns(descriptor, Int32(LINUX_CLONE_NEWNET)) == 0 else {
            fatalError("cannot return to the network namespace of the thread: \(errorText(errno))")
        }
    }

    private static func check(_ descriptor: Int32, _ name: String) throws(NetlinkError) {
        guard isNetworkNamespace(descriptor) else {
            throw .system(call: "\(name) is not a network namespace", errno: EINVAL)
        }
    }
}

/// `NSFS_MAGIC` (linux/magic.h).
private let nsfsMagic = 0x6e73_6673
/// `NS_GET_NSTYPE`, `_IO(0xb7, 3)` (linux/nsfs.h), which the importer does not see.
private let nsGetType: UInt = 0xb703
