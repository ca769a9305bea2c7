public import NetworkTypes

/// What is known or wanted of the host's networking, within the scope of one event.
///
/// The same type is observed, desired and stored: a plan is the difference of two of them. What the kernel
/// implies without saying anything new (local and broadcast routes, multicast routes, what router
/// advertisements made) is left out of every state: see ``Ownership``. Connected routes are in it, because they
/// decide by their order where a packet goes while an address is on two links.
public struct HostState: Hashable, Sendable, Codable {
    public var links: [LinkKey: Link<LinkKey>] = [:]
    /// The addresses of each link in the kernel's order, which decides who is primary.
    public var addresses: [LinkKey: [Address<LinkKey>]] = [:]
    /// Routes in the kernel's order.
    public var routes: [Route<LinkKey>] = []
    @SortedCoding public var nexthops: [UInt32: Nexthop<LinkKey>] = [:]
    public var neighbors: [Neighbor<LinkKey>] = []
    /// Per-interface sysctls, as text without the newline.
    public var settings: [LinkKey: [SettingKey: String]] = [:]
    /// The `all` sysctls that decide together with those of a link (``SettingKey/globals``): read, never
    /// written.
    public var globals: [SettingKey: String] = [:]
    /// For pairs yet to be made, their other ends; of no account once the link is there.
    public var peers: [LinkKey: PeerLink] = [:]
    /// How long a plan waits for a bridge's carrier when an uplink joins it; no part of the host.
    public var carrierTimeout: Seconds = 10
    /// Vifs of which nothing passes while a plan is carried out, so that they may join a bridge while they are up; no
    /// part of the host.
    public var silent: Set<LinkKey> = []
    /// The queueing disciplines of vifs and of what limits them, without those that the kernel put there by itself.
    public var qdiscs: [LinkKey: [QueueingDiscipline<LinkKey>]] = [:]
    /// The filters on what vifs receive.
    public var filters: [LinkKey: [TrafficFilter<LinkKey>]] = [:]
    /// Policy rules: read to find references to the uplink, never changed.
    public var rules: [Rule] = []

    /// What is stored: limits are not, since they follow from what is asked for a vif.
    private enum CodingKeys: CodingKey {
        case links, addresses, routes, nexthops, neighbors, settings, globals, peers, carrierTimeout, rules
    }

    public init() {}

    /// The name a person knows the link by: its device's name if it is here, else the role.
    public func name(of key: LinkKey) -> String { links[key]?.name ?? key.description }

    /// A setting of a link; nil where it was not read or is left alone.
    public func setting(_ key: SettingKey, of link: LinkKey) -> String? { settings[link]?[key] }

    /// Whether the setting is on, for the link or for all.
    func isEnabled(_ key: SettingKey, of link: LinkKey) -> Bool {
        [settings[link]?[key], globals[key]].contains { Int($0 ?? "0") ?? 0 > 0 }
    }

    /// The addresses of one family of a link, in order.
    public func addresses(of link: LinkKey, _ family: AddressFamily) -> [Address<LinkKey>] {
        (addresses[link] ?? []).filter { $0.prefix.family == family }
    }

    /// Replaces the addresses of one family of a link; IPv4 is kept before IPv6.
    mutating func setAddresses(_ new: [Address<LinkKey>], of link: LinkKey, _ family: AddressFamily) {
        let others = addresses(of: link, family == .ipv4 ? .ipv6 : .ipv4)
        let all = family == .ipv4 ? new + others : others + new
        addresses[link] = all.isEmpty ? nil : all
    }

    /// The keys of its links in a fixed order: bridges, uplinks, vifs, others.
    var orderedLinks: [LinkKey] { links.keys.sorted() }
}
