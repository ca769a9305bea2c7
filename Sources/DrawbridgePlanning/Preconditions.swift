public import DrawbridgeModel
import NetworkTypes

/// What is to be known of an uplink that rtnetlink does not tell.
public struct UplinkFacts: Hashable, Sendable {
    /// Whether it is a wireless interface in managed mode, which cannot send for other stations (`/sys/class/net/…/phy80211`).
    public var isWireless = false
    /// How the root file system is reached through it: `nfs root 192.0.2.1`; nil if it is not.
    public var rootFileSystem: String?
    /// The network manager that manages it.
    public var manager: InterfaceManager?
    /// The DHCP client that runs on it, as a person would name it: `udhcpc (process 812)`.
    public var dhcpClient: String?
    /// What names it at layer 3 in nftables: `nftables rule inet filter input: iifname "eth0"`.
    public var firewallReferences: [String] = []
    /// Sockets of other programs that are bound to it: `ntpd (process 733)`.
    public var boundSockets: [String] = []

    public init() {}
}

/// A program that manages interfaces and would undo what Drawbridge does.
public enum InterfaceManager: String, Hashable, Sendable, CaseIterable {
    case networkManager = "NetworkManager"
    case networkd = "systemd-networkd"

    /// The line that settles it.
    func advice(for uplink: String) -> String {
        switch self {
        case .networkManager: "run 'nmcli device set \(uplink) managed no', or set foreign-manager: warn"
        case .networkd:
            "give \(uplink) a .network file with 'Unmanaged=yes' under [Link], or set foreign-manager: warn"
        }
    }
}

/// Something found before anything is changed.
public struct Finding: Hashable, Sendable {
    public enum Severity: Hashable, Sendable {
        /// The start is refused.
        case error
        /// It is said, and the start goes on.
        case warning
    }
    public var severity: Severity
    public var error: DrawbridgeError

    public init(_ severity: Severity, _ error: DrawbridgeError) {
        self.severity = severity
        self.error = error
    }
}

extension BridgeNetwork {
    /// What speaks against raising the network, errors first.
    ///
    /// - Parameters:
    ///   - observed: the full state with the roles of this network bound.
    ///   - facts: what is known of the uplink besides.
    ///   - others: the other networks that are up, with their uplinks' names.
    public func findings(
        in observed: HostState, facts: UplinkFacts = UplinkFacts(),
        others: [(network: Network, uplink: String)] = []
    ) -> [Finding] {
        var findings = bridgeFindings(in: observed)
        if network.uplink != .none {
            if let link = observed.links[uplink] {
                if link.master != bridge {
                    findings += uplinkFindings(link, in: observed)
                    findings += dangerFindings(link.name, in: observed, facts)
                }
                for other in others where other.uplink == link.name && other.network.name != network.name {
                    findings.append(
                        refusal(
                            .conflict, link.name,
                            "it is the uplink of the network \(other.network.name) already",
                            "give the network \(network.name) another uplink, or stop the other network"))
                }
            } else {
                findings.append(missingUplink)
            }
        }
        return findings.filter { $0.severity == .error } + findings.filter { $0.severity == .warning }
    }

    private func refusal(
        _ kind: DrawbridgeError.Kind, _ object: String, _ cause: String, _ advice: String? = nil
    ) -> Finding {
        Finding(.error, DrawbridgeError(kind, object, cause, advice: advice))
    }

    private var missingUplink: Finding {
        switch network.uplink {
        case .named(let name):
            refusal(
                .notFound, name.rawValue, "no such interface",
                "name an interface that 'ip link' lists as the uplink of \(network.name)")
        case .none, .defaultRoute:
            refusal(
                .notFound, network.name.rawValue, "there is no default route to take the uplink from",
                "name the uplink")
        }
    }

    private func bridgeFindings(in observed: HostState) -> [Finding] {
        let name = network.bridge.rawValue
        if let link = observed.links[uplink], link.name == name {
            return [
                refusal(
                    .conflict, name, "the bridge and its uplink have one name", "give the bridge another name"
                )
            ]
        }
        guard let link = observed.links.values.first(where: { $0.name == name }) else { return [] }
        guard case .bridge = link.kind else {
            return [refusal(.conflict, name, "an interface of this name exists and is not a bridge")]
        }
        if case .made(let owner) = LinkMark(alias: link.alias), owner != bridge {
            return [refusal(.conflict, name, "it is the bridge of another network (\(owner))")]
        }
        if let master = link.master {
            return [refusal(.conflict, name, "the bridge is itself a port of \(observed.name(of: master))")]
        }
        return []
    }

    /// What makes it impossible.
    private func uplinkFindings(_ link: Link<LinkKey>, in observed: HostState) -> [Finding] {
        var findings: [Finding] = []
        func add(_ kind: DrawbridgeError.Kind, _ cause: String, _ advice: String? = nil) {
            findings.append(refusal(kind, link.name, cause, advice))
        }
        if link.flags.contains(.loopback) {
            add(.invalidArgument, "the loopback interface cannot be a port of a bridge")
            return findings
        }
        if case .bridge = link.kind {
            add(
                .invalidArgument, "it is a bridge, and a bridge cannot be a port of a bridge",
                "name it as the bridge of the network instead")
            return findings
        }
        if link.hardwareType != 1 {
            add(.invalidArgument, "it is not an Ethernet interface (hardware type \(link.hardwareType))")
        }
        if let master = link.master {
            let kind = link.portKind ?? observed.links[master]?.kind.name ?? "unknown"
            let what = Self.masterNames[kind] ?? "\(kind) device"
            add(
                .conflict, "it is a port of the \(what) \(observed.name(of: master))",
                kind == "bond" || kind == "team" ? "use \(observed.name(of: master)) as the uplink" : nil)
        }
        for (_, child) in observed.links.sorted(by: { $0.key < $1.key }) where child.parent == uplink {
            guard let kind = child.kind.name, ["macvlan", "macvtap", "ipvlan", "ipvtap"].contains(kind),
                child.parentNamespace == nil
            else { continue }
            add(
                .conflict, "the \(kind) \(child.name) is stacked on it, and it can take only one receiver",
                "remove \(child.name) first")
        }
        if case .vif(let id) = LinkMark(alias: link.alias)?.key {
            add(.conflict, "it is the vif \(id) of a guest")
        }
        return findings
    }

    private static let masterNames = [
        "bridge": "bridge", "bond": "bond", "team": "team", "vrf": "VRF", "openvswitch": "Open vSwitch",
    ]

    /// What makes it dangerous, refused or only said as the configuration has it.
    private func dangerFindings(_ name: String, in observed: HostState, _ facts: UplinkFacts) -> [Finding] {
        var findings: [Finding] = []
        func add(
            _ severity: Finding.Severity, _ kind: DrawbridgeError.Kind, _ cause: String, _ advice: String?
        ) {
            findings.append(Finding(severity, DrawbridgeError(kind, name, cause, advice: advice)))
        }
        if facts.isWireless {
            add(
                .error, .unsafe, "a wireless interface cannot send for other stations",
                "use a routed network instead")
        }
        if let root = facts.rootFileSystem {
            add(
                network.networkRoot.severity, .unsafe, "the root file system is reached through it (\(root))",
                "set network-root: warn to go on all the same")
        }
        if let manager = facts.manager {
            add(
                network.foreignManager.severity, .unsafe, "it is managed by \(manager.rawValue)",
                manager.advice(for: name))
        }
        if let client = facts.dhcpClient, network.dhcpClient != .handOver {
            add(
                network.dhcpClient == .refuse ? .error : .warning, .unsafe,
                "the DHCP client \(client) runs on it, and would lose its lease",
                "set dhcp-client: hand-over")
        }
        let rules = observed.rules.compactMap { rule -> String? in
            let parts = [
                rule.inputName == name ? "iif \(name)" : nil, rule.outputName == name ? "oif \(name)" : nil,
            ].compactMap(\.self)
            return parts.isEmpty ? nil : "ip rule \(rule.priority): \(parts.joined(separator: " "))"
        }
        for reference in facts.firewallReferences + rules {
            add(
                network.uplinkReferences.severity, .unsafe, "\(reference) names it and would stop matching",
                "let it name \(network.bridge) too, or set uplink-references: warn")
        }
        for socket in facts.boundSockets {
            add(
                .warning, .unsafe, "\(socket) is bound to it and will receive nothing while it is a port", nil
            )
        }
        return findings
    }
}

extension Reaction {
    fileprivate var severity: Finding.Severity { self == .refuse ? .error : .warning }
}
