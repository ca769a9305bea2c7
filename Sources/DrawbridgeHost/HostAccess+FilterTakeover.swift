public import DrawbridgeModel
public import DrawbridgePlanning
import Glibc
import Netlink
public import NetworkTypes
import Nftables

extension HostAccess {
    /// How the filter lies in this kernel.
    public mutating func filterLayout() -> FilterLayout {
        // Two batches ask the kernel what it knows, and leave nothing.
        if filter.layout == nil { traffic.changes += 2 }
        let layout = filter.layout ?? nftables.filterLayout()
        filter.layout = layout
        return layout
    }

    /// Whether there are vifs whose devices are to have chains of their own once they are there.
    var awaitsDevices: Bool { !filter.unhooked.isEmpty || securityGroups.awaitsDevices }

    /// Hooks the vifs whose devices were made since they were permitted: while these are down still.
    mutating func hookMadeDevices() throws(DrawbridgeError) {
        let made = filter.unhooked.filter { exists($0) }.sorted()
        if !made.isEmpty {
            try change { $0.hook(made.map(\.rawValue), .perVif) }
            filter.unhooked.subtract(made)
            noteHooked(made.map(\.rawValue))
        }
        try hookGroupedDevices()
    }

    /// Whether a device has no chain of its own although it is there: one of its name went, and its chain with it.
    func lacksHook(_ device: LinkName) -> Bool {
        guard filter.layout?.hooks == .perVif else { return false }
        let index = if_nametoindex(device.rawValue)
        return index != 0 && filter.hooked[device] != index
    }

    /// Remembers which devices have chains of their own.
    mutating func noteHooked(_ devices: [String]) {
        for device in devices {
            if let name = LinkName(device) { filter.hooked[name] = if_nametoindex(device) }
        }
    }

    /// Those of the devices that can be hooked now; the others are hooked once they are made.
    mutating func hookable(_ devices: [LinkName], _ hooks: FilterLayout.Hooks) -> [String] {
        guard hooks == .perVif else { return devices.map(\.rawValue) }
        filter.unhooked.formUnion(devices.filter { !exists($0) })
        return devices.filter { exists($0) }.map(\.rawValue)
    }

    private func exists(_ device: LinkName) -> Bool { if_nametoindex(device.rawValue) != 0 }

    /// Whether the table has all chains and sets that it is to have.
    mutating func isWhole() throws(DrawbridgeError) -> Bool {
        let table = FilterTable.table
        return try readFilter { access throws(NetlinkError) in
            let chains = Set(try access.nftables.chains(of: table).map(\.name))
            let sets = Set(try access.nftables.sets(of: table).map(\.name))
            return FilterRules.chains.allSatisfy { chains.contains($0.name) }
                && chains.contains(FilterTable.guests.name)
                && FilterTable.sets.allSatisfy { sets.contains($0.name) }
        }
    }

    /// Takes over what an earlier daemon permitted, without writing it again: where the table is of this version and has
    /// all of these vifs, their devices and what is guarded, they count as permitted from now on.
    ///
    /// Anything that is missing is left to ``permit(_:guarding:)``, and what is there besides to
    /// ``repairFilter(renewsPins:takesDown:)``. Looking is a dump; writing it again would have the kernel compare each
    /// device with every other.
    public mutating func takeOver(
        _ filters: [VifFilter], guarding guarded: [NetworkName: Set<Prefix>]
    ) throws(DrawbridgeError) {
        let layout = filterLayout()
        // Chains of devices' own go with their devices, and are hooked by index: permitting them looks at each.
        guard layout.hooks == .shared, filter.vifs.isEmpty, !filters.isEmpty else { return }
        let table = FilterTable.table
        let state = try readFilter { access throws(NetlinkError) in try access.nftables.state(of: table) }
        guard let state, state.comment == FilterTable.comment(layout.hooks)
        else { return }
        _ = try prepareFilter()
        let memory = filter
        remember(guardChanges(guarded))
        for one in filters { filter.vifs[one.device] = one }
        let hooked = try readFilter { access throws(NetlinkError) in
            Set(try access.nftables.chains(of: table).flatMap(\.devices))
        }
        let (missing, foreign) = try compareElements()
        guard missing.isEmpty, filters.allSatisfy({ hooked.contains($0.device.rawValue) }) else {
            filter = memory
            return
        }
        if foreign.isEmpty { filter.wholeAt = filter.generation }
    }

    /// Whether the sets were seen to hold what they are to hold, and nothing was changed by this process since.
    public var isFilterKnownWhole: Bool { filter.wholeAt == filter.generation }

    /// Replaces the table by this version's in one transaction. What its sets hold goes over where this version has
    /// sets of the same kind and name, and so do the devices; counters begin anew.
    mutating func replaceFilter(
        _ layout: FilterLayout, keepingElements: Bool = true
    ) throws(DrawbridgeError) {
        let table = FilterTable.table
        let (held, hooked) = try readFilter { access throws(NetlinkError) in
            var held: [String: [SetElement]] = [:]
            let sets = try access.nftables.sets(of: table)
            for definition in FilterTable.sets
            where keepingElements || FilterTable.filledByPackets.contains(definition.name) {
                guard let set = sets.first(where: { $0.name == definition.name }), set.isAlike(definition)
                else { continue }
                held[set.name] = try access.nftables.elements(of: set.name, in: table)
            }
            return (held, try access.nftables.chains(of: table).flatMap(\.devices))
        }
        var elements = filter.elements
        for (set, old) in held {
            let known = Set((elements[set] ?? []).map(\.key))
            elements[set, default: []] += old.filter { !known.contains($0.key) && $0.isCarriedOver }
                .map { element in
                    var element = element
                    element.counter = nil
                    return element
                }
        }
        let names = Set(hooked.compactMap { LinkName($0) }).union(filter.vifs.keys).sorted()
        let devices = hookable(names, layout.hooks)
        try change { transaction in
            transaction.delete(table)
            transaction.add(table, flags: layout.tableFlags, comment: FilterTable.comment(layout.hooks))
            transaction.addFilter(elements: elements, devices: devices, layout.hooks)
        }
        try rememberRules()
    }
}

extension NamedSet {
    fileprivate func isAlike(_ definition: SetDefinition) -> Bool {
        keyType == definition.key.reduce(0) { $0 << 6 | $1.number } && isMap == (definition.data != nil)
            && isInterval == definition.flags.contains(.interval)
    }
}

extension SetElement {
    /// Whether this version knows where a map's element leads.
    fileprivate var isCarriedOver: Bool {
        guard case .verdict(let verdict)? = data else { return true }
        switch verdict {
        case .accept, .drop: return true
        case .goto(let chain), .jump(let chain): return FilterRules.chains.contains { $0.name == chain }
        default: return false
        }
    }
}
