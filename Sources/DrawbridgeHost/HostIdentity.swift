import DrawbridgeModel
import Glibc
import LinuxHeaders

/// What tells this boot and this network namespace from every other: what is journalled is only good for them.
public struct HostIdentity: Hashable, Sendable, Codable {
    /// `/proc/sys/kernel/random/boot_id`.
    public var bootID: String
    /// The cookie of the network namespace (`SO_NETNS_COOKIE`, socket(7)), never used twice in one boot.
    public var namespaceCookie: UInt64

    public init(bootID: String, namespaceCookie: UInt64) {
        self.bootID = bootID
        self.namespaceCookie = namespaceCookie
    }

    /// Reads both for the calling thread.
    ///
    /// - Throws: `kernel` where one of them cannot be read (the cookie needs Linux 5.14).
    static func current() throws(DrawbridgeError) -> HostIdentity {
        guard let text = text(ofFile: "/proc/sys/kernel/random/boot_id") else {
            throw DrawbridgeError(system: "/proc/sys/kernel/random/boot_id", "cannot be read")
        }
        guard
            let probe = Descriptor(
                socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        else { throw DrawbridgeError(system: "socket", "cannot be opened") }
        var cookie: UInt64 = 0
        var length = socklen_t(MemoryLayout<UInt64>.size)
        guard getsockopt(probe.number, SOL_SOCKET, Int32(LINUX_SO_NETNS_COOKIE), &cookie, &length) == 0
        else { throw DrawbridgeError(system: "network namespace", "does not tell its cookie") }
        return HostIdentity(
            bootID: String(text.prefix { !$0.isWhitespace }), namespaceCookie: cookie)
    }
}
