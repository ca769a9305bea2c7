import Glibc

/// The part of dhclient.leases(5) that handing a lease over needs.
struct DHCPLeaseFile: Hashable {
    /// One `lease { … }`.
    struct Lease: Hashable {
        var interface: String
        var address: String
        /// When it ends, in seconds since 1970; nil for never.
        var expiry: Int64?
        /// The statement as it stands in the file.
        var text: String
    }
    /// In the order of the file: of those of one interface, the last one counts.
    var leases: [Lease] = []

    /// Reads what it understands of a file; what it does not understand it passes over, as dhclient does.
    init(_ text: String) {
        var block: [Substring]?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            if trimmed.hasPrefix("lease {") || trimmed.hasPrefix("lease{") {
                block = [line]
            } else if block != nil {
                block?.append(line)
                // A brace of its own on its line: nothing that dhclient writes into a lease stands so.
                if trimmed.hasPrefix("}"), let lines = block {
                    if let lease = Self.lease(lines) { leases.append(lease) }
                    block = nil
                }
            }
        }
    }

    /// The lease that counts for an interface.
    func current(for interface: String) -> Lease? { leases.last { $0.interface == interface } }

    private static func lease(_ lines: [Substring]) -> Lease? {
        var interface: String?
        var address: String?
        var expiry: Int64?
        for line in lines {
            let words = line.split(whereSeparator: { " \t;".contains($0) })
            guard words.count >= 2 else { continue }
            switch words[0] {
            case "interface": interface = words[1].filter { $0 != "\"" }
            case "fixed-address": address = String(words[1])
            case "expire": expiry = time(Array(words.dropFirst()))
            default: break
            }
        }
        guard let interface, let address else { return nil }
        return Lease(
            interface: interface, address: address, expiry: expiry,
            text: lines.joined(separator: "\n") + "\n")
    }

    /// `2 2026/11/24 10:20:30` in UTC, `epoch 1795515630`, or `never`.
    private static func time(_ words: [Substring]) -> Int64? {
        if words.first == "epoch", words.count > 1 { return Int64(words[1]) }
        guard words.count >= 3 else { return nil }
        let date = words[1].split(separator: "/").compactMap { Int32($0) }
        let clock = words[2].split(separator: ":").compactMap { Int32($0) }
        guard date.count == 3, clock.count == 3 else { return nil }
        var parts = tm()
        parts.tm_year = date[0] - 1900
        parts.tm_mon = date[1] - 1
        parts.tm_mday = date[2]
        parts.tm_hour = clock[0]
        parts.tm_min = clock[1]
        parts.tm_sec = clock[2]
        return Int64(timegm(&parts))
    }

    /// The text with one interface's name replaced by another's, in leases and in the interface declarations of a
    /// configuration (dhclient.conf(5)): `interface "eth0"` becomes `interface "xenbr0"`.
    static func renamed(_ text: String, from old: String, to new: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            guard trimmed.hasPrefix("interface") else { return String(line) }
            let indent = line.prefix(line.count - trimmed.count)
            let rest = trimmed.dropFirst("interface".count).drop { $0 == " " || $0 == "\t" }
            guard rest.hasPrefix("\"\(old)\"") else { return String(line) }
            return "\(indent)interface \"\(new)\"\(rest.dropFirst(old.count + 2))"
        }.joined(separator: "\n")
    }
}
