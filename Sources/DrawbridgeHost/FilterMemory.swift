import DrawbridgePlanning
import NetworkTypes
import Nftables

/// What the filter is to hold, as far as this process has put it there: what a repair makes anew.
struct FilterMemory: Sendable {
    /// What is permitted, by the device that the hook goes by.
    var vifs: [LinkName: VifFilter] = [:]
    /// What no vif may use unless it is given it, by the number of the network.
    var guarded: [Mark: Set<Prefix>] = [:]
    /// Whether the table is this process's, which has made its rules.
    var isTakenOver = false
    /// The rules as the kernel tells them, from when they were made.
    var rules: [Nftables.Rule] = []
    /// How it lies in the kernel; nil as long as nobody asked.
    var layout: FilterLayout?
    /// Vifs that are permitted and whose devices have no chain of their own yet.
    var unhooked: Set<LinkName> = []
    /// The indexes of the devices that have chains of their own.
    var hooked: [LinkName: UInt32] = [:]
    /// Counts the transactions of this process's.
    var generation: UInt64 = 0
    /// The generation at which the sets were seen to hold what they are to hold, and nothing else.
    var wholeAt: UInt64?

    /// Every element that the sets of the filter are to have, but for those that packets add.
    var elements: [String: [SetElement]] {
        var all: [String: [SetElement]] = [:]
        for group in FilterTable.constants { all[group.set, default: []] += group.elements }
        for (network, prefixes) in guarded {
            for group in FilterTable.protection(of: prefixes, in: network) {
                all[group.set, default: []] += group.elements
            }
        }
        for filter in vifs.values {
            for group in filter.elements { all[group.set, default: []] += group.elements }
        }
        return all
    }
}

extension FilterTable {
    /// The elements that belong to the rules.
    static var constants: [FilterElements] {
        [
            FilterElements(set: types.name, elements: FilterRules.typeElements),
            FilterElements(set: taggedTypes.name, elements: FilterRules.taggedTypeElements),
            FilterElements(set: messages.name, elements: FilterRules.messageElements),
        ]
    }

    /// The elements that protect addresses and prefixes in a network.
    static func protection(of prefixes: some Sequence<Prefix>, in network: Mark) -> [FilterElements] {
        var (own4, own6, ranges4, ranges6): ([SetElement], [SetElement], [SetElement], [SetElement]) =
            ([], [], [], [])
        for prefix in prefixes {
            switch (prefix.network.address, prefix.last) {
            case (.ipv4(let first), .ipv4(let last)):
                let key = protected4.key(network, first)
                if first == last {
                    own4.append(SetElement(key))
                } else {
                    ranges4.append(SetElement(key, end: protectedRanges4.key(network, last)))
                }
            case (.ipv6(let first), .ipv6(let last)):
                let key = protected6.key(network, first)
                if first == last {
                    own6.append(SetElement(key))
                } else {
                    ranges6.append(SetElement(key, end: protectedRanges6.key(network, last)))
                }
            default: break
            }
        }
        return [
            FilterElements(set: protected4.definition.name, elements: own4),
            FilterElements(set: protected6.definition.name, elements: own6),
            FilterElements(set: protectedRanges4.definition.name, elements: ranges4),
            FilterElements(set: protectedRanges6.definition.name, elements: ranges6),
        ].filter { !$0.elements.isEmpty }
    }
}
