/// The family of a table (`NFPROTO_*`, linux/netfilter.h).
public struct Family: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// IPv4 and IPv6 at once.
    public static let inet = Family(rawValue: 1)
    public static let ipv4 = Family(rawValue: 2)
    public static let arp = Family(rawValue: 3)
    /// A single device's own hooks.
    public static let netdev = Family(rawValue: 5)
    public static let bridge = Family(rawValue: 7)
    public static let ipv6 = Family(rawValue: 10)
}

extension Family: CustomStringConvertible {
    /// The word that nft(8) uses for it.
    public var description: String {
        switch self {
        case .inet: "inet"
        case .ipv4: "ip"
        case .arp: "arp"
        case .netdev: "netdev"
        case .bridge: "bridge"
        case .ipv6: "ip6"
        default: "family \(rawValue)"
        }
    }
}
