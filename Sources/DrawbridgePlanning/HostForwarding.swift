public import DrawbridgeModel
public import NetworkTypes

/// A sysctl of an interface, or of `all` or `default`, which no link stands for.
public struct HostSetting: Hashable, Sendable, Codable, Comparable {
    /// The name of an interface, `all` or `default`.
    public var link: String
    public var key: SettingKey

    public init(_ link: String, _ key: SettingKey) {
        self.link = link
        self.key = key
    }

    public static func < (left: HostSetting, right: HostSetting) -> Bool {
        (left.link, left.key) < (right.link, right.key)
    }

    /// `net.ipv4.conf.eth0.proxy_arp`.
    public var text: String {
        let tree = key.tree.rawValue.split(separator: "/").joined(separator: ".")
        return key.tree == .offload ? "\(key.name) of \(link)" : "net.\(tree).\(link).\(key.name)"
    }
}

extension SettingKey {
    public static let forwarding = SettingKey(.ipv4Conf, "forwarding")
    public static let proxyARP = SettingKey(.ipv4Conf, "proxy_arp")
    public static let acceptsRedirects = SettingKey(.ipv4Conf, "accept_redirects")
    public static let forwarding6 = SettingKey(.ipv6Conf, "forwarding")
    public static let proxyND = SettingKey(.ipv6Conf, "proxy_ndp")

    /// What a host that forwards has set otherwise than one that does not.
    public static let ofForwarding: [SettingKey] = [
        .forwarding, .proxyARP, .forwarding6, .acceptsRouterAdvertisements, .proxyND,
    ]
}

/// What routed and NAT networks desire of the host's own settings: that it forwards between their uplinks and their
/// guests, and answers for the guests on the uplink.
///
/// It is a difference like any other, but its objects are no link's alone: `net.ipv6.conf.all.forwarding`, without
/// which no kernel before 6.17 forwards IPv6, writes the key of every interface, and `net.ipv4.ip_forward` does the
/// same for IPv4 (`addrconf_forward_change` in net/ipv6/addrconf.c, `inet_forward_change` in net/ipv4/devinet.c).
public struct HostForwarding: Hashable, Sendable {
    /// The interfaces that forward IPv4 and answer ARP for guests.
    public var uplinks: Set<String> = []
    /// The interfaces among them whose guests have IPv6 addresses.
    public var ipv6Uplinks: Set<String> = []
    /// The interfaces by which subnets lead out: they forward IPv4, and answer for nobody.
    public var exits: Set<String> = []
    /// The interfaces by which subnets with IPv6 addresses lead out.
    public var ipv6Exits: Set<String> = []
    /// Whether IPv4 is forwarded between all interfaces (`net.ipv4.ip_forward`).
    public var isGlobal = false

    /// Whether anything forwards IPv6.
    public var speaksIPv6: Bool { !ipv6Uplinks.isEmpty || !ipv6Exits.isEmpty }

    /// Asks for nothing.
    public init() {}

    /// What is to be set, in this order.
    ///
    /// - Parameter advertised: The interfaces that have routes from router advertisements. A host that forwards takes
    ///   no advertisement unless it is told to (`accept_ra` 2), and forgets its default routes.
    public func writes(
        in state: [HostSetting: String], advertised: Set<String>
    ) -> [SettingWrite] {
        var writes: [SettingWrite] = []
        func set(_ link: String, _ key: SettingKey, _ value: String) {
            let setting = HostSetting(link, key)
            if state[setting] != nil { writes.append(SettingWrite(setting, value)) }
        }
        if speaksIPv6 {
            for link in advertised.sorted()
            where state[HostSetting(link, .acceptsRouterAdvertisements)] == "1" {
                set(link, .acceptsRouterAdvertisements, "2")
            }
            set("all", .forwarding6, "1")
        }
        if isGlobal { set("all", .forwarding, "1") }
        for uplink in uplinks.sorted() {
            set(uplink, .forwarding, "1")
            set(uplink, .proxyARP, "1")
        }
        for exit in exits.subtracting(uplinks).sorted() { set(exit, .forwarding, "1") }
        for exit in ipv6Exits.subtracting(ipv6Uplinks).sorted() { set(exit, .forwarding6, "1") }
        for uplink in ipv6Uplinks.sorted() {
            set(uplink, .forwarding6, "1")
            set(uplink, .proxyND, "1")
        }
        return writes
    }
}

/// One write under `/proc/sys/net`.
public struct SettingWrite: Hashable, Sendable {
    public var setting: HostSetting
    public var value: String

    public init(_ setting: HostSetting, _ value: String) {
        self.setting = setting
        self.value = value
    }

    /// As people read it in a plan.
    public var text: String { "set \(setting.text) to \(value)" }
}

/// What the host's settings were before Drawbridge forwarded, and what Drawbridge made of them.
public struct ForwardingRecord: Hashable, Sendable, Codable {
    @SortedSettings public var before: [HostSetting: String] = [:]
    @SortedSettings public var ours: [HostSetting: String] = [:]
    /// The networks whose guests have IPv6 addresses.
    public var ipv6Networks: Set<NetworkName> = []

    /// Nothing was changed.
    public init() {}
}

/// A change of the host's forwarding: the writes, and what is to be remembered before the first of them.
public struct ForwardingPlan: Hashable, Sendable {
    public var writes: [SettingWrite]
    public var record: ForwardingRecord
}
