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
            try rememberRules()
            return true
        }
        let isOurs = state.comment == comment
        if isOurs, state.flags == flags, filter.isTakenOver { return false }
        if isOurs, try isWhole() {
            try change { transaction in
                transaction.add(table, flags: flags, comment: comment)
                transaction.renewFilterRules(layout.hooks)
            }
        } else {
            try replaceFilter(layout)
        }
        filter.isTakenOver = true
        try rememberRules()
        return false
    }

    /// Lets what the filter says pass from a vif, and nothing else, in one transaction; before its link is up. One
    /// that was permitted before (`old`) is changed without a gap.
    public mutating func permit(
        _ filter: VifFilter, insteadOf old: VifFilter? = nil
    ) throws(DrawbridgeError) {
        try permit([FilterChange(from: old, to: filter)])
    }

    /// Lets what filters say pass from vifs, and nothing else, and has them know what is guarded in their networks, in
    /// one transaction: as many requests for many as for one, but for the elements.
    public mutating func permit(
        _ changes: [FilterChange], guarding guarded: [NetworkName: Set<Prefix>] = [:]
    ) throws(DrawbridgeError) {
        let changes = changes.filter {
            $0.old != $0.new || $0.new.map { filter.vifs[$0.device] != $0 || lacksHook($0.device) } ?? false
        }
        let guards = guardChanges(guarded)
        guard !changes.isEmpty || !guards.isEmpty else { return }
        _ = try prepareFilter()
        let pins = try self.pins(of: changes.compactMap { $0.keepsPins ? nil : $0.old })
        let hooks = filterLayout().hooks
        let devices = hookable(changes.compactMap { $0.new?.device }, hooks)
        let formerDevices = changes.compactMap(\.formerDevice?.rawValue)
        // What stays as it is, and is only put there again, loses nothing.
        let changed = changes.filter { $0.old != $0.new }
        let olds = changed.compactMap(\.old)
        let kept = self.guarded(besides: olds, guards)
        let gone = olds.elements(keeping: changed.compactMap(\.new))
        try change(deleting: gone, if: olds) { transaction in
            transaction.apply(guards)
            for change in changes where !change.keepsPins {
                if let old = change.old { transaction.delete(pins, of: old) }
            }
            for group in kept { transaction.add(group.elements, to: group.set, of: FilterTable.table) }
            if hooks == .shared { transaction.unhook(formerDevices, hooks) }
            for group in changes.compactMap(\.new).elements {
                transaction.add(group.elements, to: group.set, of: FilterTable.table)
            }
            transaction.hook(devices, hooks)
        }
        if hooks == .perVif {
            noteHooked(devices)
            // A chain goes with its last device by itself on these kernels.
            for device in formerDevices { try? change { $0.unhook([device], hooks) } }
        }
        remember(guards)
        for old in changes.compactMap(\.old) { filter.vifs[old.device] = nil }
        for new in changes.compactMap(\.new) { filter.vifs[new.device] = new }
    }

    /// Takes a vif out of the filter, with what it pinned.
    public mutating func forbid(_ filter: VifFilter) throws(DrawbridgeError) { try forbid([filter]) }

    /// Takes vifs out of the filter, with what they pinned: as many requests for many as for one, but for the elements.
    public mutating func forbid(
        _ filters: [VifFilter], guarding guarded: [NetworkName: Set<Prefix>] = [:]
    ) throws(DrawbridgeError) {
        let guards = guardChanges(guarded)
        guard !filters.isEmpty else {
            if !guards.isEmpty { try guardAddresses(guarded) }
            return
        }
        _ = try prepareFilter()
        let pins = try self.pins(of: filters)
        let devices = filters.map(\.device.rawValue)
        let hooks = filterLayout().hooks
        let kept = self.guarded(besides: filters, guards)
        try change(deleting: filters.elements(keeping: []), if: filters) { transaction in
            if hooks == .shared { transaction.hook(devices, hooks) }
            for filter in filters { transaction.delete(pins, of: filter) }
            transaction.apply(guards)
            for group in kept { transaction.add(group.elements, to: group.set, of: FilterTable.table) }
        }
        remember(guards)
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

    /// What is permitted of a device, as far as this process did it.
    public func permitted(_ device: LinkName) -> VifFilter? { filter.vifs[device] }

    /// The networks of which vifs are filtered, as far as this process did it.
    public var filteredNetworks: Set<NetworkName> { Set(filter.vifs.values.map(\.network)) }

    /// Deletes the filter's table where no vif is left in it.
    public mutating func removeUnusedFilter() throws(DrawbridgeError) {
        if filter.vifs.isEmpty { try removeFilter() }
    }

    /// Deletes the filter's table, once no vif is left.
    public mutating func removeFilter() throws(DrawbridgeError) {
        filter.vifs = [:]
        filter.guarded = [:]
        filter.isTakenOver = false
        let table = FilterTable.table
        guard try readFilter({ access throws(NetlinkError) in try access.nftables.state(of: table) }) != nil
        else { return }
        try change { $0.delete(table) }
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

    /// A change that begins with the deletion of elements. Those that this process made are there unless somebody deleted
    /// them; what is not there cannot be deleted, so that others are made first.
    private mutating func change(
        deleting gone: [FilterElements], if filters: [VifFilter],
        _ body: (inout NftablesTransaction) -> Void
    ) throws(DrawbridgeError) {
        if filters.allSatisfy({ filter.vifs[$0.device] == $0 }) {
            do throws(DrawbridgeError) {
                return try change { transaction in
                    transaction.delete(gone, areThere: true)
                    body(&transaction)
                }
            } catch {}
        }
        try change { transaction in
            transaction.delete(gone, areThere: false)
            body(&transaction)
        }
    }

    mutating func change(
        about object: String = "filter", _ body: (inout NftablesTransaction) -> Void
    ) throws(DrawbridgeError) {
        var transaction = NftablesTransaction()
        body(&transaction)
        guard !transaction.isEmpty else { return }
        traffic.sends += 1
        // The kernel takes a batch as one change: all of it or nothing.
        traffic.changes += 1
        filter.generation += 1
        do throws(NftablesError) { try nftables.commit(&transaction) } catch {
            throw DrawbridgeError(.kernel, object, "\(error)")
        }
    }

    /// Deletes base chains of devices' own, one by one: each may have gone with its device.
    mutating func deleteOwn(_ chain: ChainDefinition, of devices: [LinkName]) {
        for device in devices {
            try? change { $0.delete(chain: chain.own(of: device).name, of: chain.table) }
        }
    }
}

/// How the filter of a vif changes.
public struct FilterChange: Sendable {
    /// What was permitted before.
    public var old: VifFilter?
    /// What is to be permitted; nil for none.
    public var new: VifFilter?

    public init(from old: VifFilter?, to new: VifFilter?) {
        self.old = old
        self.new = new
    }

    /// What takes it back.
    public var inverse: FilterChange { FilterChange(from: new, to: old) }

    fileprivate var keepsPins: Bool {
        guard let old else { return true }
        return old.device == new?.device && old.network == new?.network
    }

    /// The device that is hooked no longer.
    fileprivate var formerDevice: LinkName? { old?.device == new?.device ? nil : old?.device }
}

extension [VifFilter] {
    /// What vifs are in the sets, one list of elements for each set; the modes are the last, from where on frames pass.
    fileprivate var elements: [FilterElements] { elements(keeping: []) }

    /// The same, but for what others are as well.
    fileprivate func elements(keeping kept: [VifFilter]) -> [FilterElements] {
        if isEmpty { return [] }
        if count == 1, kept.isEmpty { return self[0].elements }
        var keptBySet: [String: Set<SetElement.Identity>] = [:]
        for group in kept.lazy.flatMap(\.elements) {
            keptBySet[group.set, default: []].formUnion(group.elements.map(\.identity))
        }
        var bySet: [String: [SetElement]] = [:]
        for group in lazy.flatMap(\.elements) {
            guard let kept = keptBySet[group.set] else {
                bySet[group.set, default: []] += group.elements
                continue
            }
            bySet[group.set, default: []] += group.elements.filter { !kept.contains($0.identity) }
        }
        // A vif and the tap of its emulated card have elements in common, which can be deleted once only.
        if contains(where: \.id.isEmulated) {
            bySet = bySet.mapValues { elements in
                var seen: Set<SetElement.Identity> = []
                return elements.filter { seen.insert($0.identity).inserted }
            }
        }
        let modes = FilterTable.modes.definition.name
        return (bySet.keys.filter { $0 != modes }.sorted() + [modes]).compactMap { set in
            guard let elements = bySet[set], !elements.isEmpty else { return nil }
            return FilterElements(set: set, elements: elements)
        }
    }
}

extension SetElement {
    /// All of it but its counter.
    fileprivate var identity: Identity { Identity(key: key, end: keyEnd, data: data) }

    fileprivate struct Identity: Hashable {
        var key: [UInt8]
        var end: [UInt8]?
        var data: Data?

        func hash(into hasher: inout Hasher) { hasher.combine(key) }
    }
}

extension NftablesTransaction {
    fileprivate mutating func delete(_ groups: [FilterElements], areThere: Bool) {
        for group in groups {
            if !areThere { add(group.elements, to: group.set, of: FilterTable.table) }
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
