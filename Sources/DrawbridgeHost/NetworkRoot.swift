import NetworkTypes

/// A root file system that is reached over the network, so that the host stops when its uplink does.
struct NetworkRoot: Hashable {
    /// What is mounted, for people: `nfs 192.0.2.1:/srv/root`.
    var description: String
    /// Where it comes from, if that is told.
    var server: IPAddress?

    /// Reads it from the running system.
    static func current() -> NetworkRoot? {
        NetworkRoot(
            mountInfo: text(ofFile: "/proc/1/mountinfo") ?? "",
            commandLine: text(ofFile: "/proc/cmdline") ?? "")
    }

    /// Judges by the type of what is mounted on `/` (proc_pid_mountinfo(5)) and by what the kernel was started
    /// with (`root=/dev/nfs`, `nfsroot=`, `netroot=`); nil where the root file system is local.
    init?(mountInfo: String, commandLine: String) {
        for line in mountInfo.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 6, words[4] == "/", let dash = words.firstIndex(of: "-"),
                words.indices.contains(dash + 2)
            else { continue }
            let type = words[dash + 1]
            let source = words[dash + 2]
            guard Self.networkTypes.contains(String(type)) || Self.isNetworkDevice(source) else { continue }
            let options = words.dropFirst(dash + 3).joined(separator: ",")
            let told = options.split(separator: ",").first { $0.hasPrefix("addr=") }?.dropFirst(5)
            description = "\(type) \(source)"
            server = told.flatMap { IPAddress($0) } ?? Self.server(of: source)
            return
        }
        let words = commandLine.split(whereSeparator: \.isWhitespace)
        for key in ["nfsroot=", "netroot="] {
            guard let word = words.first(where: { $0.hasPrefix(key) }) else { continue }
            description = String(word)
            server = Self.server(of: word.dropFirst(key.count))
            return
        }
        if words.contains("root=/dev/nfs") {
            description = "root=/dev/nfs"
            server = nil
            return
        }
        return nil
    }

    private static let networkTypes: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "ocfs2",
        "gfs2",
    ]

    private static func isNetworkDevice(_ source: some StringProtocol) -> Bool {
        ["/dev/nbd", "/dev/rbd", "/dev/drbd"].contains { source.hasPrefix($0) }
    }

    /// The address before the path: `192.0.2.1:/srv`, `[2001:db8::1]:/srv`, `//192.0.2.1/share`, `nfs:192.0.2.1:/srv`.
    private static func server(of source: some StringProtocol) -> IPAddress? {
        var text = source[...]
        while let first = text.first, first == "/" { text = text.dropFirst() }
        if let open = text.firstIndex(of: "["), let close = text.firstIndex(of: "]"), open < close {
            return IPAddress(text[text.index(after: open)..<close])
        }
        for part in text.split(whereSeparator: { $0 == ":" || $0 == "/" || $0 == "@" }) {
            if let address = IPv4Address(part) { return .ipv4(address) }
        }
        return nil
    }
}
