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
}

extension HostAccess {
    /// Has the groups of vifs hold as laid out: only what differs is changed, in one transaction, but for the second hook
    /// of a vif that comes. What is under way goes on, unless something that passed passes no longer: then it has to begin
    /// anew. A table of an earlier process is replaced, with what is under way.
    ///
    /// - Throws: `kernel`; `unsupported` where the kernel cannot hook devices that are not there yet.
    public mutating func applyGroups(_ layout: GroupLayout) throws(DrawbridgeError) {
        guard securityGroups.layout != layout || !securityGroups.isTakenOver else { return }
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
        guard filterLayout().hooks == .shared else {
            throw DrawbridgeError(
                .unsupported, "groups", "this kernel cannot hook devices that are not there yet",
                advice: "use Linux 6.16 or later, or take the vifs out of their groups")
        }
        if securityGroups.isTakenOver {
            try changeGroups(to: layout)
        } else {
            let flags = filterLayout().tableFlags
            let flows = isThere ? try flowsUnderWay() : []
            try change { transaction in
                if isThere { transaction.delete(table) }
                transaction.addGroups(layout, flags: flags, keeping: flows)
            }
        }
        securityGroups = GroupMemory(layout: layout, isTakenOver: true)
    }

    private mutating func changeGroups(to new: GroupLayout) throws(DrawbridgeError) {
        let (table, old) = (GroupTable.table, securityGroups.layout)
        let leaving = old.combinations.filter { new.combinations[$0.key] != $0.value }
        let coming = new.combinations.filter { old.combinations[$0.key] != $0.value }
        let gone = leaving.keys.filter { new.combinations[$0] == nil }.map(\.rawValue).sorted()
        let come = coming.keys.filter { old.combinations[$0] == nil }.map(\.rawValue).sorted()
        let kept = old.numbers.intersection(new.numbers)
        var isLess = leaving.contains { new.combinations[$0.key] != nil }
        try change { transaction in
            for chain in [GroupTable.from, GroupTable.to] where !gone.isEmpty {
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
            transaction.add(devices: come, to: GroupTable.to)
        }
        // The kernel takes a device that comes to two chains in one transaction for one that comes twice.
        if !come.isEmpty { try change { $0.add(devices: come, to: GroupTable.from) } }
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
