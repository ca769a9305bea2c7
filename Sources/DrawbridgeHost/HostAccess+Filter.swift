public import DrawbridgeModel
public import DrawbridgePlanning
import Glibc
import Netlink
public import NetworkTypes
import Nftables

extension HostAccess {
    /// Makes the table of the filter where it is not there. One that is there is taken over with what it holds.
    ///
    /// - Returns: whether it had to be made, so that every vif has to be permitted anew.
    /// - Throws: `kernel` where the kernel lacks a part that the filter needs.
    public mutating func prepareFilter() throws(DrawbridgeError) -> Bool {
        let table = FilterTable.table
        do throws(NetlinkError) {
            traffic.reads += 1
            // Whole, with this version's chains: their rules come in the transaction that makes the table.
            let isThere = try nftables.flags(of: table) != nil
            if isThere, try nftables.chains(of: table).contains(where: { $0.name == FilterTable.guests.name })
            {
                return false
            }
        } catch { throw DrawbridgeError(error, about: "filter", doing: "cannot be read") }
        let isOwned = (try? nftables.knowsPersistentOwner()) ?? false
        try change { transaction in
            transaction.add(table, flags: isOwned ? [.owner, .persist] : [], comment: "drawbridge")
            for set in FilterTable.sets { transaction.add(set) }
            let chains = FilterRules.chains
            for chain in chains { transaction.add(ChainDefinition(chain.name, in: table)) }
            transaction.add(FilterRules.typeElements, to: FilterTable.types.name, of: table)
            transaction.add(FilterRules.taggedTypeElements, to: FilterTable.taggedTypes.name, of: table)
            transaction.add(FilterRules.messageElements, to: FilterTable.messages.name, of: table)
            for chain in chains {
                for rule in chain.rules { transaction.add(rule: rule, to: chain.name, of: table) }
            }
            transaction.add(FilterTable.guests)
            for rule in FilterRules.base {
                transaction.add(rule: rule, to: FilterTable.guests.name, of: table)
            }
        }
        return true
    }

    /// Lets what the filter says pass from a vif, and nothing else, in one transaction; before its link is up. One
    /// that was permitted before (`old`) is changed without a gap.
    public mutating func permit(
        _ filter: VifFilter, insteadOf old: VifFilter? = nil
    ) throws(DrawbridgeError) {
        _ = try prepareFilter()
        let pins = try old.map { (old) throws(DrawbridgeError) in try self.pins(of: old) } ?? []
        let keepsPins = old?.device == filter.device && old?.network == filter.network
        try change { transaction in
            if let old {
                transaction.delete(old)
                if !keepsPins { transaction.delete(pins, of: old) }
                if old.device != filter.device {
                    transaction.delete(devices: [old.device.rawValue], from: FilterTable.guests)
                }
            }
            for group in filter.elements {
                transaction.add(group.elements, to: group.set, of: FilterTable.table)
            }
            transaction.add(devices: [filter.device.rawValue], to: FilterTable.guests)
        }
    }

    /// Takes a vif out of the filter, with what it pinned.
    public mutating func forbid(_ filter: VifFilter) throws(DrawbridgeError) {
        _ = try prepareFilter()
        let pins = try self.pins(of: filter)
        try change { transaction in
            transaction.add(devices: [filter.device.rawValue], to: FilterTable.guests)
            transaction.delete(filter)
            transaction.delete(pins, of: filter)
        }
        try change { $0.delete(devices: [filter.device.rawValue], from: FilterTable.guests) }
    }

    /// Deletes the filter's table, once no vif is left.
    public mutating func removeFilter() throws(DrawbridgeError) {
        traffic.reads += 1
        do throws(NetlinkError) {
            guard try nftables.flags(of: FilterTable.table) != nil else { return }
        } catch { throw DrawbridgeError(error, about: "filter", doing: "cannot be read") }
        try change { $0.delete(FilterTable.table) }
    }

    /// Protects addresses of a network that no vif of it may use: the host's and its gateways'.
    public mutating func protect(
        _ addresses: [IPAddress], in network: String
    ) throws(DrawbridgeError) {
        let mark = FilterTable.number(of: network)
        var (list4, list6): ([SetElement], [SetElement]) = ([], [])
        for address in addresses {
            switch address {
            case .ipv4(let address): list4.append(SetElement(FilterTable.protected4.key(mark, address)))
            case .ipv6(let address): list6.append(SetElement(FilterTable.protected6.key(mark, address)))
            }
        }
        _ = try prepareFilter()
        try change { [list4, list6] transaction in
            transaction.add(list4, to: FilterTable.protected4.definition.name, of: FilterTable.table)
            transaction.add(list6, to: FilterTable.protected6.definition.name, of: FilterTable.table)
        }
    }

    /// What was dropped of a vif, by reason.
    public mutating func drops(of device: LinkName) throws(DrawbridgeError) -> [DropCount] {
        traffic.reads += 1
        let reasons = DropReason.allCases
        let keys = reasons.map { FilterTable.drops.key(device, Mark($0.rawValue)) }
        do throws(NetlinkError) {
            let elements = try nftables.elements(keys, of: "drops", in: FilterTable.table)
            return zip(reasons, keys).compactMap { reason, key in
                guard let counter = elements.first(where: { $0.key == key.octets })?.counter,
                    counter.packets > 0
                else { return nil }
                return DropCount(reason: reason, packets: counter.packets, bytes: counter.bytes)
            }
        } catch {
            if error.errno == ENOENT { return [] }
            throw DrawbridgeError(error, about: device.rawValue, doing: "its drops cannot be read")
        }
    }

    private mutating func pins(of filter: VifFilter) throws(DrawbridgeError) -> [SetElement] {
        traffic.reads += 1
        do throws(NetlinkError) {
            return try nftables.elements(
                [FilterTable.pinned.key(filter.device)], of: "pinned", in: FilterTable.table)
        } catch {
            if error.errno == ENOENT { return [] }
            throw DrawbridgeError(error, about: "\(filter.id)", doing: "its filter cannot be read")
        }
    }

    private mutating func change(
        _ body: (inout NftablesTransaction) -> Void
    ) throws(DrawbridgeError) {
        var transaction = NftablesTransaction()
        body(&transaction)
        traffic.sends += 1
        traffic.changes += transaction.count
        do throws(NftablesError) { try nftables.commit(&transaction) } catch {
            throw DrawbridgeError(.kernel, "filter", "\(error)")
        }
    }
}

extension NftablesTransaction {
    fileprivate mutating func delete(_ filter: VifFilter) {
        // Made first, since one whose daemon was killed half way may not be there, and what is not there cannot be
        // deleted.
        for group in filter.elements {
            add(group.elements, to: group.set, of: FilterTable.table)
            delete(group.elements, of: group.set, of: FilterTable.table)
        }
    }

    /// Deletes what a vif has pinned, in each of the three sets.
    fileprivate mutating func delete(_ pinned: [SetElement], of filter: VifFilter) {
        let mark = FilterTable.number(of: filter.network.rawValue)
        for pin in pinned {
            guard case .value(let octets)? = pin.data, octets.count == 16 else { continue }
            let table = FilterTable.table
            delete([SetElement(key: pin.key)], of: "pinned", of: table)
            delete([SetElement(key: pin.key)], of: "choosers", of: table)
            let byVif = FilterTable.pinned.key(filter.device).octets + octets
            delete([SetElement(key: byVif)], of: "pins", of: table)
            delete([SetElement(key: mark.keyOctets + octets)], of: "pins-of-network", of: table)
        }
    }
}
