public import DrawbridgeModel
public import DrawbridgePlanning
import Netlink
public import NetworkTypes
import Nftables

/// What the table of the groups holds, as far as this process has put it there.
struct GroupMemory: Sendable {
    var layout = GroupLayout()
    /// Whether the table is this process's.
    var isTakenOver = false
    /// The devices with chains of their own, for each of the two hooks.
    var from = OwnChains()
    var to = OwnChains()

    /// Whether devices are to have chains of their own once they are there.
    var awaitsDevices: Bool { !from.awaited.isEmpty || !to.awaited.isEmpty }
}

extension HostAccess {
    /// Has the groups of vifs hold as laid out: only what differs is changed, in one transaction, but for the second hook
    /// of a vif that comes. What is under way goes on, unless something that passed passes no longer: then it has to begin
    /// anew. A table of an earlier process is replaced, with what is under way.
    ///
    /// - Throws: `kernel`.
    public mutating func applyGroups(_ layout: GroupLayout) throws(DrawbridgeError) {
        guard securityGroups.layout != layout || !securityGroups.isTakenOver else {
            return try hookGroupedDevices()
        }
        let table = GroupTable.table
        var isThere = securityGroups.isTakenOver
        if !isThere {
            isThere = try readFilter { access throws(NetlinkError) in
                try access.nftables.state(of: table) != nil
            }
        }
        guard !layout.combinations.isEmpty else {
            if isThere { try change { $0.delete(table) } }
            securityGroups = GroupMemory()
            return
        }
        guard !securityGroups.isTakenOver else { return try changeGroups(to: layout) }
        try replaceGroups(by: layout, isThere: isThere)
    }

    private mutating func replaceGroups(by layout: GroupLayout, isThere: Bool) throws(DrawbridgeError) {
        let lies = filterLayout()
        let flows = isThere ? try flowsUnderWay() : []
        var memory = GroupMemory(layout: layout, isTakenOver: true)
        let devices = layout.combinations.keys.sorted()
        let owners =
            lies.hooks == .perVif ? (memory.from.lacking(devices), memory.to.lacking(devices)) : ([], [])
        try change(about: "groups") { transaction in
            if isThere { transaction.delete(GroupTable.table) }
            transaction.addGroups(layout, flags: lies.tableFlags, lies.hooks, keeping: flows)
            transaction.addOwn(GroupTable.from, of: owners.0)
            transaction.addOwn(GroupTable.to, of: owners.1)
        }
        memory.from.note(owners.0)
        memory.to.note(owners.1)
        securityGroups = memory
    }

    /// Gives devices in groups chains of their own that have none, where the kernel knows no chains for devices that are
    /// not there yet: those that were made since, while they are down still.
    mutating func hookGroupedDevices() throws(DrawbridgeError) {
        guard securityGroups.isTakenOver, filterLayout().hooks == .perVif else { return }
        let devices = securityGroups.layout.combinations.keys.sorted()
        let from = securityGroups.from.lacking(devices)
        let to = securityGroups.to.lacking(devices)
        guard !from.isEmpty || !to.isEmpty else { return }
        try change(about: "groups") { transaction in
            transaction.addOwn(GroupTable.from, of: from)
            transaction.addOwn(GroupTable.to, of: to)
        }
        securityGroups.from.note(from)
        securityGroups.to.note(to)
    }

    /// Makes the table anew, as somebody else has changed it: in one transaction, so that what stands goes on until then.
    /// What is under way goes on as far as the table tells it.
    ///
    /// - Parameter takesDown: Where vifs are not held to their groups, takes them down first, and up again after.
    /// - Returns: what was found, and whether vifs were not held; nil where there is nothing to repair.
    public mutating func repairGroups(takesDown: Bool = false) throws(DrawbridgeError) -> FilterRepair? {
        guard securityGroups.isTakenOver else { return nil }
        let layout = securityGroups.layout
        let wanted = layout.combinations.keys.sorted()
        let chains = try readFilter { access throws(NetlinkError) in
            guard try access.nftables.state(of: GroupTable.table) != nil else { return [Chain]?.none }
            return try access.nftables.chains(of: GroupTable.table)
        }
        let hooked = chains.map { chains in
            wanted.allSatisfy { device in
                let own = chains.filter { $0.devices.contains(device.rawValue) && $0.dropsByDefault }
                return own.count == 2
            }
        }
        let isOpen = !(hooked ?? false)
        let closed = isOpen && takesDown ? setLinks(wanted, up: false) : []
        securityGroups.isTakenOver = false
        try replaceGroups(by: layout, isThere: chains != nil)
        _ = setLinks(closed, up: true)
        return FilterRepair(
            found: [chains == nil ? "its table was gone" : "it was changed"], wasOpen: isOpen)
    }

    private mutating func changeGroups(to new: GroupLayout) throws(DrawbridgeError) {
        let (table, old) = (GroupTable.table, securityGroups.layout)
        let leaving = old.combinations.filter { new.combinations[$0.key] != $0.value }
        let coming = new.combinations.filter { old.combinations[$0.key] != $0.value }
        let gone = leaving.keys.filter { new.combinations[$0] == nil }.map(\.rawValue).sorted()
        let come = coming.keys.filter { old.combinations[$0] == nil }.map(\.rawValue).sorted()
        let kept = old.numbers.intersection(new.numbers)
        var isLess = leaving.contains { new.combinations[$0.key] != nil }
        let isShared = filterLayout().hooks == .shared
        try change(about: "groups") { transaction in
            for chain in [GroupTable.from, GroupTable.to] where !gone.isEmpty && isShared {
                transaction.delete(devices: gone, from: chain)
            }
            for number in new.numbers.subtracting(kept) { transaction.addCombination(number, of: new) }
            transaction.deleteMembers(leaving)
            transaction.addMembers(coming)
            for number in old.numbers.subtracting(kept) { transaction.deleteCombination(number) }
            for side in GroupLayout.Side.all {
                for number in kept {
                    let was = Set(old.permits(side, number))
                    let wanted = Set(new.permits(side, number))
                    let (less, more) = (was.subtracting(wanted), wanted.subtracting(was))
                    let set = GroupTable.name(side, number)
                    if !less.isEmpty { transaction.delete(less.map(\.element), of: set, of: table) }
                    if !more.isEmpty { transaction.add(more.map(\.element), to: set, of: table) }
                    if !less.isEmpty { isLess = true }
                }
            }
            if isLess {
                for set in GroupTable.flows { transaction.flush(set: set.name, of: table) }
            }
            if isShared { transaction.add(devices: come, to: GroupTable.to) }
        }
        securityGroups.layout = new
        guard isShared else {
            let former = gone.compactMap { LinkName($0) }
            securityGroups.from.forget(former)
            securityGroups.to.forget(former)
            deleteOwn(GroupTable.from, of: former)
            deleteOwn(GroupTable.to, of: former)
            return try hookGroupedDevices()
        }
        // The kernel takes a device that comes to two chains in one transaction for one that comes twice.
        if !come.isEmpty {
            do throws(DrawbridgeError) {
                try change(about: "groups") { $0.add(devices: come, to: GroupTable.from) }
            } catch {
                // Half of it is there: what comes next is to make all of it anew.
                securityGroups.isTakenOver = false
                throw error
            }
        }
    }

    private mutating func flowsUnderWay() throws(DrawbridgeError) -> [FilterElements] {
        var flows: [FilterElements] = []
        for set in GroupTable.flows {
            // A table of another version may lack it.
            guard
                let elements = try? readFilter({ access throws(NetlinkError) in
                    try access.nftables.elements(of: set.name, in: GroupTable.table)
                }), !elements.isEmpty, elements.allSatisfy({ $0.key.count == set.keyLength })
            else { continue }
            let fresh = elements.map { element in
                var fresh = SetElement(key: element.key)
                fresh.timeout = element.timeout
                return fresh
            }
            flows.append(FilterElements(set: set.name, elements: fresh))
        }
        return flows
    }

    /// What the groups of a vif dropped: what was to come in, and what was to go out.
    public mutating func groupDrops(
        of device: LinkName
    ) throws(DrawbridgeError) -> [(direction: GroupRule.Direction, packets: UInt64, bytes: UInt64)] {
        guard securityGroups.layout.combinations[device] != nil else { return [] }
        let directions = GroupRule.Direction.allCases
        let keys = directions.map { GroupTable.drops.key(device, GroupTable.mark($0)) }
        let elements = try readFilter { access throws(NetlinkError) in
            try access.nftables.elements(keys, of: GroupTable.drops.definition.name, in: GroupTable.table)
        }
        return zip(directions, keys).compactMap { direction, key in
            guard let counter = elements.first(where: { $0.key == key.octets })?.counter, counter.packets > 0
            else { return nil }
            return (direction, counter.packets, counter.bytes)
        }
    }
}
