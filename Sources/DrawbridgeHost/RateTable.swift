public import DrawbridgeModel
public import NetworkTypes
import Nftables

/// What nf_tables does for the limits of a vif.
public struct RateEntry: Hashable, Sendable {
    /// The vif's device, by its name and index.
    public var device: LinkName
    public var index: Int32
    /// The index of the device that what it receives is led to, which limits the octets; nil for none.
    public var shaper: Int32?
    /// How many frames may come from the guest; nil for any number.
    public var packetsFromGuest: PacketRate?
    /// How many frames may go to it.
    public var packetsToGuest: PacketRate?

    public init(device: LinkName, index: Int32) {
        self.device = device
        self.index = index
    }

    /// Whether it limits anything.
    public var isLimited: Bool { isHookedFrom || isHookedTo }
    var isHookedFrom: Bool { shaper != nil || packetsFromGuest != nil }
    var isHookedTo: Bool { packetsToGuest != nil }
}

/// The table of the limits: one fixed ruleset, whose sets hold the vifs. It counts frames in both directions, and leads
/// what limited vifs receive to the devices that limit the octets; behind all that filters.
///
/// Not by an ingress qdisc: that comes before the hook, and what an ifb gives back does not pass either of them again
/// (`skb_skip_tc_classify` in net/core/dev.c), so that a limited vif would not be filtered.
enum RateTable {
    static let table = Table(.netdev, "drawbridge-rates")
    static let from = ChainDefinition("from", in: table, hook: .ingress(-400))
    static let to = ChainDefinition("to", in: table, hook: .egress(-400))

    /// The device that what a vif receives is led to.
    static let ways = TypedSet<LinkName>("ways", in: table, data: .value(.linkIndex))
    /// Every element has a limit of its own, which matches what is beyond it.
    static let packetsFrom = TypedSet<LinkName>("packets-from", in: table)
    static let packetsTo = TypedSet<LinkName>("packets-to", in: table)
    /// What was beyond the limits, by vif and direction.
    static let drops = TypedSet<LinkName, Mark>("drops", in: table, isCounting: true)
    static let fromGuest = Mark(1)
    static let toGuest = Mark(2)

    static let sets = [ways.definition, packetsFrom.definition, packetsTo.definition, drops.definition]

    private static func beyond(_ set: String, _ name: MetaKey, _ direction: Mark) -> [Expression] {
        [
            .meta(key: name, destination: .first), .lookup(set: set, source: .first),
            .immediate(direction.keyOctets, destination: Register(word: 4)),
            .lookup(set: drops.definition.name, source: .first), .verdict(.drop),
        ]
    }

    static var rulesFrom: [[Expression]] {
        [
            beyond(packetsFrom.definition.name, .inputName, fromGuest),
            [
                .meta(key: .inputName, destination: .first),
                .map(set: ways.definition.name, source: .first, destination: Register(word: 4)),
                .forward(device: Register(word: 4)),
            ],
        ]
    }

    static var rulesTo: [[Expression]] { [beyond(packetsTo.definition.name, .outputName, toGuest)] }

    /// What a vif is in the sets.
    static func elements(of entry: RateEntry) -> [FilterElements] {
        let device = entry.device
        var result: [FilterElements] = []
        func limited(_ rate: PacketRate, _ set: TypedSet<LinkName>, _ direction: Mark) {
            var element = SetElement(set.key(device))
            element.limit = Limit(UInt64(rate.perSecond), burst: rate.credit, isOver: true)
            result.append(
                FilterElements(
                    set: drops.definition.name, elements: [SetElement(drops.key(device, direction))]))
            result.append(FilterElements(set: set.definition.name, elements: [element]))
        }
        if let rate = entry.packetsFromGuest { limited(rate, packetsFrom, fromGuest) }
        if let rate = entry.packetsToGuest { limited(rate, packetsTo, toGuest) }
        if let shaper = entry.shaper {
            let index = Mark(UInt32(bitPattern: shaper)).keyOctets
            result.append(
                FilterElements(
                    set: ways.definition.name, elements: [SetElement(ways.key(device), data: .value(index))]))
        }
        return result
    }
}

extension NftablesTransaction {
    /// Makes the table with its sets, chains and rules, for these vifs.
    mutating func addRates(_ entries: [RateEntry], flags: TableFlags, _ hooks: FilterLayout.Hooks) {
        let table = RateTable.table
        add(table, flags: flags)
        for set in RateTable.sets { add(set) }
        for entry in entries { addElements(of: entry) }
        for (chain, rules, devices) in [
            (RateTable.from, RateTable.rulesFrom, entries.filter(\.isHookedFrom)),
            (RateTable.to, RateTable.rulesTo, entries.filter(\.isHookedTo)),
        ] {
            var chain = chain.shared(hooks)
            chain.hook?.devices = devices.map(\.device.rawValue)
            add(chain)
            for rule in rules { add(rule: rule, to: chain.name, of: table) }
        }
    }

    mutating func addElements(of entry: RateEntry) {
        for group in RateTable.elements(of: entry) {
            add(group.elements, to: group.set, of: RateTable.table)
        }
    }

    mutating func deleteElements(of entry: RateEntry) {
        for group in RateTable.elements(of: entry) {
            delete(group.elements.map { SetElement(key: $0.key) }, of: group.set, of: RateTable.table)
        }
    }
}
