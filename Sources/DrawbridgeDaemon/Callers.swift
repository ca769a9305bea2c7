import DrawbridgeEngine
import Glibc
import Varlink

/// Finds out who a caller is, from what the kernel said of the connection and from `/etc/group`.
struct Callers: Sendable {
    /// The group whose members may connect vifs of their own.
    static let groupName = "drawbridge"

    /// Read anew for every caller who is not root, so that a group made later counts. Read directly: a static
    /// program has no NSS.
    var groupFile = "/etc/group"

    func standing(of caller: Caller) -> Standing {
        if caller.isRoot { return .root }
        guard let group = groupIdentifier(), caller.group == group || caller.groups.contains(group) else {
            return .stranger
        }
        return .member(user: caller.user)
    }

    /// The number of the group, where it exists (group(5)).
    func groupIdentifier() -> UInt32? {
        guard let text = readSmallFile(groupFile) else { return nil }
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 3, fields[0] == Self.groupName { return UInt32(fields[2]) }
        }
        return nil
    }
}

extension Caller {
    init(_ peer: PeerCredentials) {
        self.init(process: peer.process, user: peer.user, group: peer.group, groups: peer.groups)
    }
}

/// Reads a file of at most 1 MiB; nil if it cannot be read.
func readSmallFile(_ path: String) -> String? {
    let raw = open(path, O_RDONLY | O_CLOEXEC)
    guard raw >= 0 else { return nil }
    let file = OwnedDescriptor(taking: raw)
    var octets: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while octets.count < 1 << 20 {
        let count = read(file.rawValue, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        guard count > 0 else { break }
        octets.append(contentsOf: buffer.prefix(count))
    }
    return String(decoding: octets, as: UTF8.self)
}
