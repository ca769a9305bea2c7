public import DrawbridgeModel
import Netlink
public import NetworkTypes
import Nftables

/// What the table of the limits holds, as far as this process has put it there.
struct RateMemory: Sendable {
    var entries: [LinkName: RateEntry] = [:]
    /// What an earlier process left, of devices whose vifs may be attached again.
    var inherited: [LinkName: RateEntry] = [:]
    /// Whether the table is this process's.
    var isTakenOver = false
    /// The devices with chains of their own, for each of the two hooks.
    var from = OwnChains()
    var to = OwnChains()
}

extension HostAccess {
    /// Has nf_tables hold these limits, and no others, changing only what differs; a device whose shaper has gone is not
    /// led to it. A table of an earlier process is replaced in one transaction.
    ///
    /// - Parameter inherited: whether limits that an earlier process left are kept, of devices that are not among these:
    ///   their vifs may be attached again.
    public mutating func applyRates(
        _ wanted: [RateEntry], keepingInherited inherited: Bool = false
    ) throws(DrawbridgeError) {
        var entries: [LinkName: RateEntry] = [:]
        for var entry in wanted {
            if let shaper = entry.shaper, rates.entries[entry.device]?.shaper != shaper,
                try link(index: shaper) == nil
            {
                entry.shaper = nil
            }
            if entry.isLimited { entries[entry.device] = entry }
        }
        var isThere = rates.isTakenOver
        if !isThere {
            isThere = try readFilter { access throws(NetlinkError) in
                try access.nftables.state(of: RateTable.table) != nil
            }
            if isThere { rates.inherited = try ratesLeft() }
        }
        if !inherited { rates.inherited = [:] }
        entries.merge(rates.inherited) { wanted, _ in wanted }
        guard !rates.isTakenOver else { return try changeRates(to: entries) }
        try replaceRates(by: entries, isThere: isThere)
    }

    private mutating func replaceRates(
        by entries: [LinkName: RateEntry], isThere: Bool
    ) throws(DrawbridgeError) {
        let table = RateTable.table
        guard !entries.isEmpty else {
            if isThere { try change(about: "rate") { $0.delete(table) } }
            rates = RateMemory()
            return
        }
        let inherited = rates.inherited
        let (layout, all) = (filterLayout(), entries.values.sorted { $0.device < $1.device })
        var memory = RateMemory(entries: entries, inherited: inherited, isTakenOver: true)
        let from = all.filter(\.isHookedFrom).map(\.device)
        let to = all.filter(\.isHookedTo).map(\.device)
        let owners = layout.hooks == .perVif ? (memory.from.lacking(from), memory.to.lacking(to)) : ([], [])
        try change(about: "rate") { transaction in
            if isThere { transaction.delete(table) }
            transaction.addRates(all, flags: layout.tableFlags, layout.hooks)
            transaction.addOwn(RateTable.from, of: owners.0)
            transaction.addOwn(RateTable.to, of: owners.1)
        }
        memory.from.note(owners.0)
        memory.to.note(owners.1)
        rates = memory
    }

    private mutating func changeRates(to entries: [LinkName: RateEntry]) throws(DrawbridgeError) {
        let old = rates.entries
        guard !entries.isEmpty else { return try replaceRates(by: [:], isThere: true) }
        let changed = Set(old.keys).union(entries.keys).filter { old[$0] != entries[$0] }.sorted()
        guard !changed.isEmpty else { return }
        let hooks = filterLayout().hooks
        let from = hookChange(changed, old, entries, hooks, rates.from, \.isHookedFrom)
        let to = hookChange(changed, old, entries, hooks, rates.to, \.isHookedTo)
        rates.from = from.memory
        rates.to = to.memory
        let table = RateTable.table
        try change(about: "rate") { transaction in
            for device in changed {
                let was = old[device].map { RateTable.elements(of: $0) } ?? []
                let will = entries[device].map { RateTable.elements(of: $0) } ?? []
                for group in was where !will.contains(group) {
                    let keys = group.elements.map { SetElement(key: $0.key) }
                    transaction.delete(keys, of: group.set, of: table)
                }
                for group in will where !was.contains(group) {
                    transaction.add(group.elements, to: group.set, of: table)
                }
            }
            guard hooks == .shared else {
                transaction.addOwn(RateTable.from, of: from.come)
                transaction.addOwn(RateTable.to, of: to.come)
                return
            }
            transaction.delete(devices: from.gone.map(\.rawValue), from: RateTable.from)
            transaction.delete(devices: to.gone.map(\.rawValue), from: RateTable.to)
            transaction.add(devices: from.come.map(\.rawValue), to: RateTable.from)
        }
        rates.entries = entries
        if hooks == .shared {
            // The kernel takes a device that comes to two chains in one transaction for one that comes twice.
            if !to.come.isEmpty {
                try change(about: "rate") { $0.add(devices: to.come.map(\.rawValue), to: RateTable.to) }
            }
        } else {
            rates.from.note(from.come)
            rates.to.note(to.come)
            // A chain may have gone with its device.
            deleteOwn(RateTable.from, of: from.gone)
            deleteOwn(RateTable.to, of: to.gone)
        }
    }

    private func hookChange(
        _ changed: [LinkName], _ old: [LinkName: RateEntry], _ new: [LinkName: RateEntry],
        _ hooks: FilterLayout.Hooks, _ memory: OwnChains, _ isHooked: (RateEntry) -> Bool
    ) -> (come: [LinkName], gone: [LinkName], memory: OwnChains) {
        var memory = memory
        let gone = changed.filter { old[$0].map(isHooked) ?? false && !(new[$0].map(isHooked) ?? false) }
        memory.forget(gone)
        let wanted = changed.filter { new[$0].map(isHooked) ?? false }
        guard hooks == .perVif else {
            return (wanted.filter { !(old[$0].map(isHooked) ?? false) }, gone, memory)
        }
        return (memory.lacking(wanted), gone, memory)
    }

    /// Makes the table anew, as somebody else has changed it: in one transaction, so that what stands goes on until then.
    ///
    /// - Returns: what was found; nil where there is nothing to repair.
    public mutating func repairRates() throws(DrawbridgeError) -> String? {
        guard rates.isTakenOver, !rates.entries.isEmpty else { return nil }
        let isThere = try readFilter { access throws(NetlinkError) in
            try access.nftables.state(of: RateTable.table) != nil
        }
        let entries = rates.entries
        rates = RateMemory(inherited: rates.inherited)
        try replaceRates(by: entries, isThere: isThere)
        return isThere ? "it was changed" : "its table was gone"
    }

    /// Refuses where the kernel cannot lead frames from one device to another, before anything changes.
    public mutating func demandWays() throws(DrawbridgeError) {
        guard !rates.isTakenOver else { return }
        let table = Table(.netdev, "drawbridge-ways-probe")
        do throws(DrawbridgeError) {
            try change(about: "rate") { transaction in
                transaction.add(table)
                transaction.add(ChainDefinition("probe", in: table))
                transaction.add(
                    rule: [
                        .immediate([1, 0, 0, 0], destination: .first), .forward(device: .first),
                    ], to: "probe", of: table)
                transaction.delete(table)
            }
        } catch {
            throw DrawbridgeError(
                .unsupported, "rate", "the kernel cannot lead what a vif sends to a limit: \(error.cause)",
                advice: "it needs nf_tables with fwd in the family netdev (nft_fwd_netdev)")
        }
    }

    /// How many frames of a vif were beyond its limits.
    public mutating func packetDrops(
        of device: LinkName
    ) throws(DrawbridgeError) -> [(isFromGuest: Bool, packets: UInt64, bytes: UInt64)] {
        guard let entry = rates.entries[device] else { return [] }
        var directions: [(isFromGuest: Bool, mark: Mark)] = []
        if entry.packetsFromGuest != nil { directions.append((true, RateTable.fromGuest)) }
        if entry.packetsToGuest != nil { directions.append((false, RateTable.toGuest)) }
        guard !directions.isEmpty else { return [] }
        let keys = directions.map { RateTable.drops.key(device, $0.mark) }
        let elements = try readFilter { access throws(NetlinkError) in
            try access.nftables.elements(keys, of: RateTable.drops.definition.name, in: RateTable.table)
        }
        return zip(directions, keys).compactMap { direction, key in
            guard let counter = elements.first(where: { $0.key == key.octets })?.counter, counter.packets > 0
            else { return nil }
            return (direction.isFromGuest, counter.packets, counter.bytes)
        }
    }

    /// What an earlier process left in the table, as far as this version can read it.
    private mutating func ratesLeft() throws(DrawbridgeError) -> [LinkName: RateEntry] {
        var entries: [LinkName: RateEntry] = [:]
        for definition in [
            RateTable.ways.definition, RateTable.packetsFrom.definition, RateTable.packetsTo.definition,
        ] {
            // A table of another version may lack it.
            let elements = try? readFilter { access throws(NetlinkError) in
                try access.nftables.elements(of: definition.name, in: RateTable.table)
            }
            for element in elements ?? [] {
                guard let device = LinkName(String(decoding: element.key.prefix { $0 != 0 }, as: UTF8.self))
                else { continue }
                var entry = entries[device] ?? RateEntry(device: device, index: 0)
                let rate = element.limit.flatMap { limit in
                    UInt32(exactly: limit.rate).flatMap { perSecond in
                        PacketRate(perSecond: perSecond, credit: limit.burst)
                    }
                }
                switch definition.name {
                case RateTable.ways.definition.name:
                    guard case .value(let octets)? = element.data, octets.count == 4 else { continue }
                    let index = octets.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                    entry.shaper = Int32(bitPattern: UInt32(littleEndian: index))
                case RateTable.packetsFrom.definition.name: entry.packetsFromGuest = rate
                default: entry.packetsToGuest = rate
                }
                entries[device] = entry
            }
        }
        return entries.filter { $0.value.isLimited }
    }
}
