import DrawbridgeModel
import NetworkTypes

/// A key with a single value that both formats have: how it is read, written and explained.
struct Key<Root>: Sendable {
    var name: String
    /// What it does, as the written file explains it.
    var explanation: String
    var read: @Sendable (Scalar, inout Root) throws(ScalarProblem) -> Void
    var write: @Sendable (Root) -> String
    /// What of a value that was read may be understood otherwise than it was meant, a line each.
    var notices: @Sendable (Scalar) -> [String] = { _ in [] }

    private init(
        _ name: String, _ explanation: String,
        read: @escaping @Sendable (Scalar, inout Root) throws(ScalarProblem) -> Void,
        write: @escaping @Sendable (Root) -> String
    ) {
        self.name = name
        self.explanation = explanation
        self.read = read
        self.write = write
    }

    /// The same key of what holds this.
    func lifted<Whole>(
        as name: String, to path: any WritableKeyPath<Whole, Root> & Sendable
    ) -> Key<Whole> {
        var key = Key<Whole>(name, explanation) { (scalar, whole) throws(ScalarProblem) in
            try read(scalar, &whole[keyPath: path])
        } write: {
            write($0[keyPath: path])
        }
        key.notices = notices
        return key
    }

    static func bool(
        _ name: String, _ path: any WritableKeyPath<Root, Bool> & Sendable, _ explanation: String
    ) -> Key {
        Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.bool()
        } write: {
            $0[keyPath: path] ? "yes" : "no"
        }
    }

    static func number(
        _ name: String, _ path: any WritableKeyPath<Root, UInt32> & Sendable, _ range: ClosedRange<UInt32>,
        _ explanation: String
    ) -> Key {
        Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.number(in: range)
        } write: {
            String($0[keyPath: path])
        }
    }

    static func rate(
        _ name: String, _ path: any WritableKeyPath<Root, Rate?> & Sendable, _ explanation: String
    ) -> Key {
        var key = Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.rateLimit().rate
        } write: {
            $0[keyPath: path].map { "\($0)" } ?? RateText.unlimited
        }
        key.notices = \.rateNotices
        return key
    }

    static func packets(
        _ name: String, _ path: any WritableKeyPath<Root, PacketRate?> & Sendable, _ explanation: String
    ) -> Key {
        Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.packetLimit().rate
        } write: {
            $0[keyPath: path].map { "\($0)" } ?? RateText.unlimited
        }
    }

    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, _ path: any WritableKeyPath<Root, Choice> & Sendable, _ explanation: String
    ) -> Key where Choice.RawValue == String {
        Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.choice(Choice.self)
        } write: {
            $0[keyPath: path].rawValue
        }
    }
}

extension Key where Root == Configuration {
    /// What holds for the daemon as a whole.
    static let daemon: [Key] = [
        .bool(
            "stop-on-exit", \.stopOnExit,
            "Whether an orderly end of the daemon gives the host its own configuration back."),
        .bool(
            "fail-closed", \.failsClosed,
            "Whether vifs are taken down while somebody has taken their filter away, until it stands again."),
        .number(
            "script-timeout", \.scriptTimeout, 1...3600,
            "How many seconds a program of the administrator's may run."),
        .number(
            "vifs-per-user", \.vifsPerUser, 0...65536,
            "How many vifs a user other than root may have, taps of the bridge helper among them."),
        .choice(
            "xen-vifs", \.xenVifs,
            "Who connects what Xen's store asks for: scripts, repair (the daemon after them) or daemon."),
    ]
}

extension Key where Root == NetworkSettings {
    /// What can be said of a network's behaviour.
    static let network: [Key] = [
        .bool(
            "multicast-snooping", \.multicastSnooping,
            "Whether the bridge listens to IGMP and MLD and floods accordingly."),
        .choice(
            "uplink-references", \.uplinkReferences,
            "When firewall sets or policy rules name the uplink: refuse or warn."),
        .choice(
            "foreign-manager", \.foreignManager,
            "When NetworkManager or systemd-networkd manages the uplink: refuse or warn."),
        .choice(
            "network-root", \.networkRoot,
            "When the root file system is reached through the uplink: refuse or warn."),
        .choice(
            "dhcp-client", \.dhcpClient, "When a DHCP client runs on the uplink: hand-over, refuse or ignore."
        ),
        .number(
            "carrier-timeout", \.carrierTimeout, 0...3600,
            "How many seconds to wait for the uplink's carrier before going on without."),
        .bool(
            "antispoof", \.filter.isOn, "Whether guests are held to their own addresses."),
        .choice(
            "antispoof-without-address", \.filter.withoutAddress,
            "What a guest may send of which no address is told: mac-only, learn, open or closed."),
        Key(
            "antispoof-learn-use",
            "Whether an address is learnt by its first use as well, and not only when DHCP gives it."
        ) { (scalar, root) throws(ScalarProblem) in
            root.filter.learnsFromUse = try scalar.bool() ? true : nil
        } write: {
            $0.filter.learnsFromUse == true ? "yes" : "no"
        },
        Key("antispoof-learn-limit", "How many addresses are learnt of one guest.") {
            (scalar, root) throws(ScalarProblem) in
            let limit: UInt32 = try scalar.number(in: 1...64)
            root.filter.learnLimit = limit == FilterSettings.defaultLearnLimit ? nil : limit
        } write: {
            String($0.filter.learnLimit ?? FilterSettings.defaultLearnLimit)
        },
        .choice(
            "antispoof-link-local", \.filter.linkLocal,
            "Which link-local address a guest may use: eui64 or pinned, the first one that it uses."),
        .bool(
            "antispoof-rarp", \.filter.allowsRARP,
            "Whether guests may send RARP, as machines do after a migration."),
        .bool(
            "antispoof-log", \.filter.logsDrops,
            "Whether the kernel logs what it drops of guests, ten a second."),
        .rate(
            "rate", \.rate,
            "The limit from each guest that has none of its own: 10Mb/s, 1MB/s@20ms or unlimited."),
        .rate("rate-in", \.rateIn, "The limit to each guest that has none of its own."),
        .packets(
            "rate-packets", \.ratePackets,
            "How many packets each guest may send: 10K/s, 500/s@20ms or unlimited."),
        .packets("rate-in-packets", \.rateInPackets, "How many packets may go to each guest."),
        Key("isolate-guests", "Whether guests reach only the uplink and the host, and not each other.") {
            (scalar, root) throws(ScalarProblem) in
            root.isolatesGuests = try scalar.bool() ? true : nil
        } write: {
            $0.isolatesGuests == true ? "yes" : "no"
        },
        Key("vlan-filtering", "Whether the bridge filters by VLANs, so that vifs can be in some of them.") {
            (scalar, root) throws(ScalarProblem) in
            root.vlanFiltering = try scalar.bool() ? true : nil
        } write: {
            $0.vlanFiltering == true ? "yes" : "no"
        },
        Key("groups", "The security groups that guests are in, with blanks between.") {
            (scalar, root) throws(ScalarProblem) in
            let names = try scalar.groupNames()
            root.groups = names.isEmpty ? nil : names
        } write: {
            ($0.groups ?? []).isEmpty ? "none" : ($0.groups ?? []).map(\.rawValue).joined(separator: " ")
        },
    ]
}

extension Key where Root == VifSettings {
    /// What can be said of one vif.
    static let vif: [Key] = [
        .limit("rate", \.rate, "The limit from the guest, instead of its network's."),
        .limit("rate-in", \.rateIn, "The limit to the guest, instead of its network's."),
        .limit(
            "rate-packets", \.ratePackets, "How many packets the guest may send, instead of its network's."),
        .limit(
            "rate-in-packets", \.rateInPackets,
            "How many packets may go to the guest, instead of its network's."),
        Key("antispoof", "Whether the guest is held to its own addresses, instead of its network's.") {
            (scalar, root) throws(ScalarProblem) in
            root.antispoof = try scalar.bool()
        } write: {
            $0.antispoof.map { $0 ? "yes" : "no" } ?? ""
        },
        Key(
            "antispoof-without-address",
            "What the guest may send where no address of it is told, instead of its network's."
        ) { (scalar, root) throws(ScalarProblem) in
            root.withoutAddress = try scalar.choice(UnaddressedVif.self)
        } write: {
            $0.withoutAddress?.rawValue ?? ""
        },
        Key("isolated", "Whether the guest reaches no other isolated one, instead of its network's.") {
            (scalar, root) throws(ScalarProblem) in
            root.isIsolated = try scalar.bool()
        } write: {
            $0.isIsolated.map { $0 ? "yes" : "no" } ?? ""
        },
        Key("vlan", "The VLAN that the guest is in, and with colons those whose tags it sends and sees.") {
            (scalar, root) throws(ScalarProblem) in
            root.vlans = try scalar.vlans()
        } write: {
            $0.vlans.map { $0.tagged.isEmpty ? $0.text : "\"\($0.text)\"" } ?? ""
        },
        Key("groups", "The security groups that the guest is in, instead of its network's.") {
            (scalar, root) throws(ScalarProblem) in
            root.groups = try scalar.groupNames()
        } write: {
            $0.groups.map { $0.isEmpty ? "none" : $0.map(\.rawValue).joined(separator: " ") } ?? ""
        },
    ]

    private static func limit(
        _ name: String, _ path: any WritableKeyPath<VifSettings, PacketLimit?> & Sendable,
        _ explanation: String
    ) -> Key {
        Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.packetLimit()
        } write: {
            $0[keyPath: path].map { "\($0)" } ?? ""
        }
    }

    private static func limit(
        _ name: String, _ path: any WritableKeyPath<VifSettings, RateLimit?> & Sendable,
        _ explanation: String
    ) -> Key {
        var key = Key(name, explanation) { (scalar, root) throws(ScalarProblem) in
            root[keyPath: path] = try scalar.rateLimit()
        } write: {
            $0[keyPath: path].map { "\($0)" } ?? ""
        }
        key.notices = \.rateNotices
        return key
    }
}

extension Key where Root == Compatibility {
    /// Where eras of the original disagree.
    static let compatibility: [Key] = [
        .bool(
            "bridge-named-after-uplink", \.bridgeNamedAfterUplink,
            "Names the bridge after the interface, as Xen 3.2 and later did, instead of xenbrN."),
        .bool(
            "start-only-without-bridges", \.startOnlyWithoutBridges,
            "network-bridge start does nothing once any bridge exists, as in Xen 4.1 and later."),
        .bool(
            "first-of-several-bridges", \.firstOfSeveralBridges,
            "A vif that names no bridge takes the first of several instead of being refused."),
        .bool(
            "forward-globally", \.forwardsGlobally,
            "Routed and NAT networks forward IPv4 between all interfaces, as net.ipv4.ip_forward does."),
        Key(
            "iptables-accept",
            "Accepts bridged vifs by rules in the iptables chain FORWARD, as in Xen 4.0 and later."
        ) { (scalar, root) throws(ScalarProblem) in
            root.acceptsInIptables = try scalar.bool() ? true : nil
        } write: {
            $0.acceptsInIptables == true ? "yes" : "no"
        },
        .bool(
            "dhcpd-conf", \.editsDHCPServer,
            "dhcp=yes of network-nat and vif-nat edits dhcpd.conf instead of handing addresses out."),
    ]
}
