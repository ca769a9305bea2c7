public import DrawbridgeModel
public import DrawbridgePlanning
import Glibc
import Netlink
public import NetworkTypes
import Nftables

extension HostAccess {
    /// Makes the table of the filter where it is not there, and takes over one that an earlier daemon left: as it is
    /// where it is of this version, but for its rules, which are made anew; else it is replaced, with what it holds, in
    /// one transaction. Either way there is no moment in which it does not filter.
    ///
    /// - Returns: whether it had to be made.
    /// - Throws: `kernel` where the kernel lacks a part that the filter needs, or where another process owns the table.
    public mutating func prepareFilter() throws(DrawbridgeError) -> Bool {
        let table = FilterTable.table
        let layout = filterLayout()
        let (flags, comment) = (layout.tableFlags, FilterTable.comment(layout.hooks))
        guard
            let state = try readFilter({ access throws(NetlinkError) in try access.nftables.state(of: table) }
            )
        else {
            let (elements, devices) = (filter.elements, hookable(filter.vifs.keys.sorted(), layout.hooks))
            try change { transaction in
                transaction.add(table, flags: flags, comment: comment)
                transaction.addFilter(elements: elements, devices: devices, layout.hooks)
            }
            filter.isTakenOver = true
            return true
        }
        let isOurs = state.comment == comment
        if isOurs, state.flags == flags, filter.isTakenOver { return false }
        if isOurs, try isWhole() {
            try change { transaction in
                transaction.add(table, flags: flags, comment: comment)
                transaction.renewFilterRules()
            }
        } else {
            try replaceFilter(layout)
        }
        filter.isTakenOver = true
        return false
    }

    /// Lets what the filter says pass from a vif, and nothing else, in one transaction; before its link is up. One
    /// that was permitted before (`old`) is changed without a gap.
    public mutating func permit(
        _ filter: VifFilter, insteadOf old: VifFilter? = nil
    ) throws(DrawbridgeError) {
        _ = try prepareFilter()
        let keepsPins = old.map { $0.device == filter.device && $0.network == filter.network } ?? true
        let pins = keepsPins ? [] : try self.pins(of: old.map { [$0] } ?? [])
        let hooks = filterLayout().hooks
        let devices = hookable([filter.device], hooks)
        let formerDevices = old.map { $0.device == filter.device ? [] : [$0.device.rawValue] } ?? []
        try change { transaction in
            if let old {
                transaction.delete(old)
                transaction.delete(pins, of: old)
                if hooks == .shared { transaction.unhook(formerDevices, hooks) }
            }
            for group in filter.elements {
                transaction.add(group.elements, to: group.set, of: FilterTable.table)
            }
            transaction.hook(devices, hooks)
        }
        // A chain goes with its last device by itself on these kernels.
        if hooks == .perVif, !formerDevices.isEmpty { try? change { $0.unhook(formerDevices, hooks) } }
        if let old { self.filter.vifs[old.device] = nil }
        self.filter.vifs[filter.device] = filter
    }

    /// Takes a vif out of the filter, with what it pinned.
    public mutating func forbid(_ filter: VifFilter) throws(DrawbridgeError) { try forbid([filter]) }

    /// Takes vifs out of the filter, with what they pinned: as many requests for many as for one, but for the elements.
    public mutating func forbid(_ filters: [VifFilter]) throws(DrawbridgeError) {
        guard !filters.isEmpty else { return }
        _ = try prepareFilter()
        let pins = try self.pins(of: filters)
        let devices = filters.map(\.device.rawValue)
        let hooks = filterLayout().hooks
        try change { transaction in
            if hooks == .shared { transaction.hook(devices, hooks) }
            for filter in filters {
                transaction.delete(filter)
                transaction.delete(pins, of: filter)
            }
        }
        for filter in filters {
            self.filter.vifs[filter.device] = nil
            self.filter.unhooked.remove(filter.device)
        }
        switch hooks {
        case .shared: try change { $0.unhook(devices, hooks) }
        case .perVif:
            // A chain goes with its device, so that there may be none.
            for device in devices { try? change { $0.unhook([device], hooks) } }
        }
    }

    /// Deletes the filter's table, once no vif is left.
    public mutating func removeFilter() throws(DrawbridgeError) {
        filter.vifs = [:]
        filter.protected = [:]
        filter.isTakenOver = false
        let table = FilterTable.table
        guard try readFilter({ access throws(NetlinkError) in try access.nftables.state(of: table) }) != nil
        else { return }
        try change { $0.delete(table) }
    }

    /// Protects addresses of a network that no vif of it may use: the host's and its gateways'.
    public mutating func protect(
        _ addresses: [IPAddress], in network: String
    ) throws(DrawbridgeError) {
        let mark = FilterTable.number(of: network)
        _ = try prepareFilter()
        try change { transaction in
            for group in FilterTable.protection(of: addresses, in: mark) {
                transaction.add(group.elements, to: group.set, of: FilterTable.table)
            }
        }
        filter.protected[mark, default: []].formUnion(addresses)
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

    /// What was dropped, by vif and by reason, of every vif of the filter: one dump. Empty without a filter.
    public mutating func drops() throws(DrawbridgeError) -> [LinkName: [DropCount]] {
        traffic.reads += 1
        do throws(NetlinkError) {
            var found: [LinkName: [DropCount]] = [:]
            for element in try nftables.elements(of: "drops", in: FilterTable.table) {
                guard let counter = element.counter, counter.packets > 0, element.key.count >= 20,
                    let device = LinkName(String(decoding: element.key.prefix { $0 != 0 }, as: UTF8.self)),
                    let reason = DropReason.allCases.first(where: {
                        Mark($0.rawValue).keyOctets[...] == element.key[16..<20]
                    })
                else { continue }
                found[device, default: []].append(
                    DropCount(reason: reason, packets: counter.packets, bytes: counter.bytes))
            }
            return found.mapValues { $0.sorted { $0.reason.rawValue < $1.reason.rawValue } }
        } catch {
            if error.errno == ENOENT { return [:] }
            throw DrawbridgeError(error, about: "filter", doing: "its drops cannot be read")
        }
    }

    /// What these vifs have pinned. One request tells who has pinned anything, so that the dump is for those only.
    private mutating func pins(of filters: [VifFilter]) throws(DrawbridgeError) -> [SetElement] {
        let keys = filters.filter { $0.linkLocal == .pinned && $0.speaks(.ipv6) }
            .map { FilterTable.choosers.key($0.device) }
        guard !keys.isEmpty else { return [] }
        return try readFilter { access throws(NetlinkError) in
            do throws(NetlinkError) {
                let table = FilterTable.table
                let known = try access.nftables.elements(keys, of: "choosers", in: table)
                return known.isEmpty ? [] : try access.nftables.elements(of: "pins", in: table)
            } catch {
                if error.errno == ENOENT { return [] }
                throw error
            }
        }
    }

    /// Asks something of nf_tables.
    mutating func readFilter<Value>(
        _ body: (inout HostAccess) throws(NetlinkError) -> Value
    ) throws(DrawbridgeError) -> Value {
        traffic.reads += 1
        do throws(NetlinkError) { return try body(&self) } catch {
            throw DrawbridgeError(error, about: "filter", doing: "cannot be read")
        }
    }

    mutating func change(
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

    /// Deletes those of the pins that are a vif's, wherever they stand.
    fileprivate mutating func delete(_ pins: [SetElement], of filter: VifFilter) {
        let (table, name) = (FilterTable.table, FilterTable.choosers.key(filter.device).octets)
        let mark = FilterTable.number(of: filter.network.rawValue)
        for pin in pins where pin.key.starts(with: name) && pin.key.count == name.count + 16 {
            delete([SetElement(key: pin.key)], of: "pins", of: table)
            let chooser = [SetElement(key: name)]
            add(chooser, to: "choosers", of: table)
            delete(chooser, of: "choosers", of: table)
            let taken = [SetElement(key: mark.keyOctets + pin.key.dropFirst(name.count))]
            add(taken, to: "pins-of-network", of: table)
            delete(taken, of: "pins-of-network", of: table)
        }
    }
}
