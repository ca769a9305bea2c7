import Glibc

/// Finds out whether NetworkManager or systemd-networkd manages a device.
enum ManagerFiles {
    /// The manager's name, or nil where none says that it manages the device.
    ///
    /// - Parameter root: What stands before `/run`; empty outside tests.
    static func name(ofLink index: Int32, root: String = "") -> String? {
        if let text = text(ofFile: "\(root)/run/systemd/netif/links/\(index)"),
            isManagedByNetworkd(text)
        {
            return "systemd-networkd"
        }
        if let text = text(ofFile: "\(root)/run/NetworkManager/devices/\(index)"),
            value(of: "managed", in: text) == "true"
        {
            return "NetworkManager"
        }
        return nil
    }

    /// Both managers keep their files by interface index, for the namespace that process 1 is in: in any other
    /// namespace an index means another device.
    static var speaksOfThisNamespace: Bool {
        var first = stat()
        var own = stat()
        guard stat("/proc/1/ns/net", &first) == 0, stat("/proc/thread-self/ns/net", &own) == 0 else {
            return true
        }
        return first.st_ino == own.st_ino && first.st_dev == own.st_dev
    }

    /// `ADMIN_STATE` is `unmanaged` for what networkd leaves alone, and `initialized` or `pending` where it has
    /// not decided (networkctl(1)).
    private static func isManagedByNetworkd(_ text: String) -> Bool {
        guard let state = value(of: "ADMIN_STATE", in: text) else { return false }
        return !["unmanaged", "initialized", "pending", "linger"].contains(state)
    }

    private static func value(of key: String, in text: String) -> String? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0] == key { return String(parts[1]) }
        }
        return nil
    }
}
