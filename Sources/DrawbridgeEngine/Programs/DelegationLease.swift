import DrawbridgeModel
import Glibc
import NetworkTypes

/// The prefix that dhclient keeps in its file of leases (dhclient.leases(5)): the last `lease6` of an interface counts.
struct DelegationLease: Hashable {
    var prefix: Prefix
    /// When it ends, in seconds since 1970; nil for never.
    var expiry: Int64?

    /// Whether it is good still.
    func isValid(at now: Int64) -> Bool { expiry.map { $0 > now } ?? true }

    /// The longest of the prefixes that hold a /64 and are good, of the last lease of an interface; nil where there is
    /// none.
    static func current(in text: String, for interface: String, at now: Int64) -> DelegationLease? {
        var leases: [DelegationLease] = []
        var isOwn = false
        var prefix: Prefix?
        var start: Int64?
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { " \t;\"".contains($0) })
            switch words.first {
            case "lease6":
                isOwn = false
                prefix = nil
            case "interface" where words.count > 1:
                isOwn = words[1] == interface
                if isOwn { leases = [] }
            case "iaprefix" where words.count > 1:
                prefix = Prefix(words[1])
                start = nil
            case "starts" where words.count > 1 && prefix != nil: start = Int64(words[1])
            case "max-life" where words.count > 1:
                guard isOwn, let own = prefix, let life = Int64(words[1]) else { continue }
                let isForEver = life >= Int64(UInt32.max)
                leases.append(DelegationLease(prefix: own, expiry: isForEver ? nil : (start ?? now) + life))
                prefix = nil
            case "released": if isOwn { leases = [] }
            default: break
            }
        }
        return leases.first {
            $0.prefix.family == .ipv6 && (16...64).contains($0.prefix.length) && $0.isValid(at: now)
        }
    }
}
