import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Nftables

/// The sets and chains of the filter against spoofing: one fixed ruleset in a table of its own, on the ingress hook
/// of every vif, before anything else sees a frame. A vif is elements of its sets, and a device of its one base chain.
enum FilterTable {
    static let table = Table(.netdev, "drawbridge")
    static let guests = ChainDefinition("guests", in: table, hook: .ingress(-500), dropsByDefault: true)

    /// Where a vif's frames go first: `filtered`, `closed`, or accepted.
    static let modes = TypedSet<LinkName>("modes", in: table, data: .verdict)
    static let senders = TypedSet<LinkName, MACAddress>("senders", in: table)
    /// The network of a vif, as a number: nobody may use what is protected in it.
    static let networks = TypedSet<LinkName>("networks", in: table, data: .value(.mark))
    /// Who may use which single address, from which hardware address: one lookup judges a packet.
    static let sources4 = TypedSet<LinkName, MACAddress, IPv4Address>("ipv4-sources", in: table)
    static let sources6 = TypedSet<LinkName, MACAddress, IPv6Address>("ipv6-sources", in: table)
    static let ranges4 = TypedSet<LinkName, IPv4Address>("ipv4-ranges", in: table, flags: .interval)
    static let ranges6 = TypedSet<LinkName, IPv6Address>("ipv6-ranges", in: table, flags: .interval)
    static let protected4 = TypedSet<Mark, IPv4Address>("ipv4-protected", in: table)
    static let protected6 = TypedSet<Mark, IPv6Address>("ipv6-protected", in: table)
    static let protectedRanges4 = TypedSet<Mark, IPv4Address>(
        "ipv4-protected-ranges", in: table, flags: .interval)
    static let protectedRanges6 = TypedSet<Mark, IPv6Address>(
        "ipv6-protected-ranges", in: table, flags: .interval)
    /// Who may speak from no address, to get one.
    static let clients4 = TypedSet<LinkName>("ipv4-clients", in: table)
    static let clients6 = TypedSet<LinkName>("ipv6-clients", in: table)
    /// Who may use any address that is nobody else's.
    static let free4 = TypedSet<LinkName>("ipv4-free", in: table)
    static let free6 = TypedSet<LinkName>("ipv6-free", in: table)
    /// Who may choose a link-local address.
    static let pinning = TypedSet<LinkName>("pinning", in: table)
    /// What was chosen, by vif and by network. Packets fill these.
    ///
    /// Sets and no map from vif to address: nft 1.0.6 has no JSON for a rule that fills a map.
    static let pins = TypedSet<LinkName, IPv6Address>("pins", in: table, flags: .dynamic, size: 65536)
    static let taken = TypedSet<Mark, IPv6Address>("pins-of-network", in: table, flags: .dynamic, size: 65536)
    /// Who has chosen.
    static let choosers = TypedSet<LinkName>("choosers", in: table, flags: .dynamic, size: 65536)
    /// The tags that vifs may send.
    static let vlans = TypedSet<LinkName, VLANNumber>("vlans", in: table)
    static let rarp = TypedSet<LinkName>("rarp", in: table)
    static let logged = TypedSet<LinkName>("logged", in: table)
    /// What was dropped, by vif and reason.
    static let drops = TypedSet<LinkName, Mark>("drops", in: table, isCounting: true)
    /// What the Ethernet type and the type of an ICMPv6 message lead to; constant.
    static let types = SetDefinition.verdicts("types", .ethernetType)
    static let taggedTypes = SetDefinition.verdicts("tagged-types", .ethernetType)
    static let messages = SetDefinition.verdicts("icmpv6-types", .icmpv6Type)

    static var sets: [SetDefinition] {
        [
            modes.definition, senders.definition, networks.definition, sources4.definition,
            sources6.definition, ranges4.definition, ranges6.definition, protected4.definition,
            protected6.definition, protectedRanges4.definition, protectedRanges6.definition,
            clients4.definition, clients6.definition, free4.definition, free6.definition,
            pinning.definition, pins.definition, taken.definition, choosers.definition,
            vlans.definition, rarp.definition,
            logged.definition, drops.definition, types, taggedTypes, messages,
        ]
    }

    /// The network's number: a hash of its name (FNV-1a). Two that share one only protect each other's addresses.
    static func number(of network: String) -> Mark {
        Mark(network.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 })
    }
}

/// The number of a VLAN as the key of a set; nft(8) has no type that prints one, and prints a port in decimal.
struct VLANNumber: SetKeyPart {
    var number: UInt16
    init(_ number: UInt16) { self.number = number }

    static var dataType: DataType { .port }
    func appendKey(to octets: inout [UInt8]) {
        octets += [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
    }
}

extension SetDefinition {
    fileprivate static func verdicts(_ name: String, _ key: DataType) -> SetDefinition {
        var definition = SetDefinition(name, in: FilterTable.table, key: [key])
        definition.data = .verdict
        return definition
    }
}

/// Elements to be added to a set of the filter, or deleted.
struct FilterElements: Equatable {
    var set: String
    var elements: [SetElement]
}

extension VifFilter {
    /// What is the vif's and nobody else's.
    var ownPrefixes: [Prefix] {
        isSilent
            ? []
            : speaks(.ipv6) && linkLocal == .eui64
                ? addresses + [Prefix(host: .ipv6(mac.linkLocal))] : addresses
    }

    /// Whether what its frames say decides what becomes of them.
    private var isJudgedBySources: Bool {
        switch mode {
        case .open, .closed: false
        case .addresses, .learning, .hardwareAddress: true
        }
    }

    /// What the vif is in the sets; the same for adding and deleting it.
    var elements: [FilterElements] {
        typealias T = FilterTable
        var result: [FilterElements] = []
        func add(_ set: SetDefinition, _ elements: [SetElement]) {
            if !elements.isEmpty { result.append(FilterElements(set: set.name, elements: elements)) }
        }
        let drops = DropReason.allCases.map { SetElement(T.drops.key(device, Mark($0.rawValue))) }
        // Without a mode the base chain drops whatever comes. Nothing else is there either, so that whoever goes on after
        // this process finds nothing of either network.
        guard !isSilent else {
            add(T.drops.definition, drops)
            return result
        }
        let network = T.number(of: network.rawValue)
        let verdict: Verdict =
            switch mode {
            case .open: .accept
            case .closed: .goto("closed")
            case .addresses, .learning, .hardwareAddress: .goto("filtered")
            }
        add(T.senders.definition, [SetElement(T.senders.key(device, mac))])
        let number = SetElement.Data.value(network.keyOctets)
        add(T.networks.definition, [SetElement(T.networks.key(device), data: number)])
        var (own4, own6, ranges4, ranges6): ([SetElement], [SetElement], [SetElement], [SetElement]) =
            ([], [], [], [])
        // What is in these passes without its mode being asked.
        for prefix in isJudgedBySources ? addresses : [] {
            switch (prefix.network.address, prefix.last) {
            case (.ipv4(let first), .ipv4(let last)):
                if first == last {
                    own4.append(SetElement(T.sources4.key(device, mac, first)))
                } else {
                    ranges4.append(
                        SetElement(T.ranges4.key(device, first), end: T.ranges4.key(device, last)))
                }
            case (.ipv6(let first), .ipv6(let last)):
                if first == last {
                    own6.append(SetElement(T.sources6.key(device, mac, first)))
                } else {
                    ranges6.append(
                        SetElement(T.ranges6.key(device, first), end: T.ranges6.key(device, last)))
                }
            default: break
            }
        }
        let name = T.modes.key(device)
        if isJudgedBySources, speaks(.ipv6), linkLocal == .eui64 {
            own6.append(SetElement(T.sources6.key(device, mac, mac.linkLocal)))
        }
        add(T.sources4.definition, own4)
        add(T.sources6.definition, own6)
        add(T.ranges4.definition, ranges4)
        add(T.ranges6.definition, ranges6)
        result += T.protection(of: ownPrefixes, in: network)
        if speaks(.ipv4) { add(T.clients4.definition, [SetElement(name)]) }
        if speaks(.ipv6) { add(T.clients6.definition, [SetElement(name)]) }
        if mode == .hardwareAddress {
            add(T.free4.definition, [SetElement(name)])
            add(T.free6.definition, [SetElement(name)])
        }
        if speaks(.ipv6), linkLocal == .pinned { add(T.pinning.definition, [SetElement(name)]) }
        add(T.vlans.definition, vlans.map { SetElement(T.vlans.key(device, VLANNumber($0))) })
        if allowsRARP { add(T.rarp.definition, [SetElement(name)]) }
        if isLogged { add(T.logged.definition, [SetElement(name)]) }
        add(T.drops.definition, drops)
        // The mode comes last: from here on frames pass.
        add(T.modes.definition, [SetElement(name, data: .verdict(verdict))])
        return result
    }
}
