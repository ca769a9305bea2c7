import Glibc
import TestSupport

/// Makes veth pairs and waits until they carry: the kernel tells that, and adds IPv6 routes, a while after `up`.
/// They have no link-local addresses, which would come and change by themselves.
func makePairs(_ pairs: (String, String)...) throws {
    for (near, far) in pairs {
        try run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        for name in [near, far] {
            try run("ip", "link", "set", name, "addrgenmode", "none")
            try run("ip", "link", "set", name, "up")
        }
    }
    let wanted = pairs.count * 2
    for _ in 0..<1000 {
        let up = try run("ip", "-o", "link", "show", "type", "veth").split(separator: "\n")
        if up.filter({ $0.contains("state UP") }).count == wanted { return }
        usleep(10_000)
    }
    throw TestFailure("the pairs do not carry")
}

/// Gives a device an IPv6 address and waits for its local route, which comes a while after it.
func addIPv6(_ prefix: String, to name: String) throws {
    try run("ip", "addr", "add", prefix, "dev", name, "nodad")
    let address = String(prefix.prefix { $0 != "/" })
    for _ in 0..<1000 {
        if try run("ip", "-6", "route", "show", "table", "local").contains("local \(address) ") { return }
        usleep(10_000)
    }
    throw TestFailure("no local route of \(address)")
}
