import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Nftables

/// The sets and chains of the security groups: one fixed ruleset in a table of its own, on both hooks of every vif that
/// is in a group; after the filter against spoofing, which has a table of its own. See docs/groups.md.
enum GroupTable {
    static let table = Table(.netdev, "drawbridge-groups")

    /// What comes from the guests, and what goes to them.
    static let from = ChainDefinition("from", in: table, hook: .ingress(-490), dropsByDefault: true)
    static let to = ChainDefinition("to", in: table, hook: .egress(-490), dropsByDefault: true)

    /// The combination of groups that a vif is in: the chain that decides on what is new.
    static func members(_ side: GroupLayout.Side) -> TypedSet<LinkName> {
        TypedSet("\(side.word)-combinations", in: table, data: .verdict)
    }

    /// What was dropped, by vif and direction: what came in, what went out.
    static let drops = TypedSet<LinkName, Mark>("drops", in: table, isCounting: true)
    /// The number of a direction among the drops.
    static func mark(_ direction: GroupRule.Direction) -> Mark { Mark(direction == .in ? 1 : 2) }

    /// The upper layers besides TCP that have ports.
    static let ported: SetDefinition = {
        SetDefinition("ported", in: table, key: [.internetProtocol])
    }()

    /// What a combination lets pass: upper layer, port, and the address at the other end.
    static func permits(_ side: GroupLayout.Side, _ combination: UInt32) -> SetDefinition {
        var set = SetDefinition(
            name(side, combination), in: table, key: [.internetProtocol, .port, side.family.type])
        set.flags = .interval
        return set
    }

    /// The name of the set and of the chain of a combination.
    static func name(_ side: GroupLayout.Side, _ combination: UInt32) -> String {
        "\(side.word)-\(String(combination, radix: 16))"
    }

    /// Upper layers, by what they have for ports.
    enum Layer: String, CaseIterable {
        case tcp
        /// Others with ports.
        case datagrams
        /// The requests of ICMP that are answered, which have an identifier.
        case echoes
        /// All else: its number stands in the place of the guest's port.
        case others

        /// How long what is under way is remembered after its last packet, in milliseconds.
        var timeout: UInt64 {
            switch self {
            case .tcp: 3_600_000
            case .datagrams, .others: 180_000
            case .echoes: 30_000
            }
        }
    }

    /// What is under way: vif, the guest's address and port, the other's. Packets fill these.
    ///
    /// One set for each kind of upper layer, since nft(8) 1.0.6 knows no keys of more than five parts.
    static func flows(_ layer: Layer, _ family: AddressFamily) -> SetDefinition {
        var set = SetDefinition(
            "\(layer.rawValue)-\(family.word)", in: table,
            key: [.linkName, family.type, .port, family.type, .port])
        set.flags = [.dynamic, .timeout]
        set.size = 262_144
        return set
    }

    /// The sets that do not depend on the groups.
    static let sets =
        [drops.definition, ported] + GroupLayout.Side.all.map { members($0).definition } + flows

    /// All that is under way.
    static let flows = AddressFamily.allCases.flatMap { family in Layer.allCases.map { flows($0, family) } }
}

extension GroupLayout.Side {
    /// `in-ipv4`
    var word: String { "\(direction.rawValue)-\(family.word)" }
}

extension AddressFamily {
    var word: String { self == .ipv4 ? "ipv4" : "ipv6" }
    fileprivate var type: DataType { self == .ipv4 ? .ipv4Address : .ipv6Address }
}

extension GroupLayout.Box {
    /// The box as an element: its first corner and its last.
    var element: SetElement {
        func octets(_ upperLayer: UInt8, _ port: UInt16, _ address: IPAddress) -> SetKey {
            var octets: [UInt8] = [upperLayer, 0, 0, 0]
            octets += [UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0]
            switch address {
            case .ipv4(let address): octets += address.octets
            case .ipv6(let address): octets += address.octets
            }
            return SetKey(octets: octets)
        }
        return SetElement(
            octets(upperLayer.lowerBound, ports.lowerBound, peers.lowerBound),
            end: octets(upperLayer.upperBound, ports.upperBound, peers.upperBound))
    }
}

extension NftablesTransaction {
    /// Makes the table with its sets, chains and rules, for a layout.
    mutating func addGroups(
        _ layout: GroupLayout, flags: TableFlags, _ hooks: FilterLayout.Hooks, keeping flows: [FilterElements]
    ) {
        let table = GroupTable.table
        add(table, flags: flags)
        for set in GroupTable.sets { add(set) }
        add(GroupRule.ported.subtracting([6]).sorted().map { SetElement(key: [$0]) }, to: "ported", of: table)
        for group in flows { add(group.elements, to: group.set, of: table) }
        let chains = GroupRules.chains
        for chain in chains { add(ChainDefinition(chain.name, in: table)) }
        for chain in chains {
            for rule in chain.rules { add(rule: rule, to: chain.name, of: table) }
        }
        for number in layout.numbers { addCombination(number, of: layout) }
        addMembers(layout.combinations)
        // They drop what comes until the transaction is done, as their policy says: only then their rules count.
        for (chain, rules) in [(GroupTable.from, GroupRules.from), (GroupTable.to, GroupRules.to)] {
            var chain = chain.shared(hooks)
            chain.hook?.devices = layout.combinations.keys.map(\.rawValue).sorted()
            add(chain)
            for rule in rules { add(rule: rule, to: chain.name, of: table) }
        }
    }

    /// Makes the chains and the sets of a combination.
    mutating func addCombination(_ number: UInt32, of layout: GroupLayout) {
        for side in GroupLayout.Side.all {
            let set = GroupTable.permits(side, number)
            add(set)
            add(layout.permits(side, number).map(\.element), to: set.name, of: GroupTable.table)
            add(ChainDefinition(set.name, in: GroupTable.table))
            for rule in GroupRules.permits(side, set.name) {
                add(rule: rule, to: set.name, of: GroupTable.table)
            }
        }
    }

    /// Deletes the chains and the sets of a combination, which no vif is in any more.
    mutating func deleteCombination(_ number: UInt32) {
        for side in GroupLayout.Side.all {
            let name = GroupTable.name(side, number)
            delete(rule: nil, of: name, of: GroupTable.table)
            delete(chain: name, of: GroupTable.table)
            delete(set: name, of: GroupTable.table)
        }
    }

    mutating func addMembers(_ combinations: [LinkName: UInt32]) {
        guard !combinations.isEmpty else { return }
        for side in GroupLayout.Side.all {
            add(
                members(combinations, side), to: GroupTable.members(side).definition.name,
                of: GroupTable.table)
        }
        add(drops(combinations), to: GroupTable.drops.definition.name, of: GroupTable.table)
    }

    mutating func deleteMembers(_ combinations: [LinkName: UInt32]) {
        guard !combinations.isEmpty else { return }
        for side in GroupLayout.Side.all {
            delete(
                members(combinations, side), of: GroupTable.members(side).definition.name,
                of: GroupTable.table)
        }
        delete(drops(combinations), of: GroupTable.drops.definition.name, of: GroupTable.table)
    }

    private func members(_ combinations: [LinkName: UInt32], _ side: GroupLayout.Side) -> [SetElement] {
        combinations.map { device, number in
            SetElement(
                GroupTable.members(side).key(device), data: .verdict(.goto(GroupTable.name(side, number))))
        }
    }

    private func drops(_ combinations: [LinkName: UInt32]) -> [SetElement] {
        combinations.keys.flatMap { device in
            GroupRule.Direction.allCases.map { SetElement(GroupTable.drops.key(device, GroupTable.mark($0))) }
        }
    }
}

extension GroupLayout {
    /// The numbers of all combinations.
    var numbers: Set<UInt32> { Set(combinations.values) }

    func permits(_ side: Side, _ number: UInt32) -> [Box] {
        (boxes[side] ?? []).filter { $0.combination == number }
    }
}
