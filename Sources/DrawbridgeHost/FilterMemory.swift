import DrawbridgePlanning
import NetworkTypes
import Nftables

/// What the filter is to hold, as far as this process has put it there: what a repair makes anew.
struct FilterMemory: Sendable {
    /// What is permitted, by the device that the hook goes by.
    var vifs: [LinkName: VifFilter] = [:]
    /// The addresses that no vif may use, by the number of their network.
    var protected: [Mark: Set<IPAddress>] = [:]
    /// Whether the table is this process's, which has made its rules.
    var isTakenOver = false
    /// How it lies in the kernel; nil as long as nobody asked.
    var layout: FilterLayout?
    /// Vifs that are permitted and whose devices have no chain of their own yet.
    var unhooked: Set<LinkName> = []

    /// Every element that the sets of the filter are to have, but for those that packets add.
    var elements: [String: [SetElement]] {
        var all: [String: [SetElement]] = [:]
        for group in FilterTable.constants { all[group.set, default: []] += group.elements }
        for (network, addresses) in protected {
            for group in FilterTable.protection(of: addresses, in: network) {
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

    /// The elements that protect addresses in a network.
    static func protection(of addresses: some Sequence<IPAddress>, in network: Mark) -> [FilterElements] {
        var (list4, list6): ([SetElement], [SetElement]) = ([], [])
        for address in addresses {
            switch address {
            case .ipv4(let address): list4.append(SetElement(protected4.key(network, address)))
            case .ipv6(let address): list6.append(SetElement(protected6.key(network, address)))
            }
        }
        return [
            FilterElements(set: protected4.definition.name, elements: list4),
            FilterElements(set: protected6.definition.name, elements: list6),
        ].filter { !$0.elements.isEmpty }
    }
}
