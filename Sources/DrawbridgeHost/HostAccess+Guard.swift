public import DrawbridgeModel
import DrawbridgePlanning
import Netlink
public import NetworkTypes
import Nftables
import RouteNetlink

// The addresses that no guest may use: the host's and its gateways', and those of guests that are away.

extension HostAccess {
    /// Every address of the host but those that never leave it, and every gateway of its routes.
    public mutating func ownAddresses() throws(DrawbridgeError) -> Set<IPAddress> {
        traffic.reads += 3
        do throws(NetlinkError) {
            var own = Set(try route.addresses().filter { $0.scope != .host }.map(\.prefix.address))
            for family in [AddressFamily.ipv4, .ipv6] {
                for route in try route.routes(family) { own.formUnion(route.nexthops.compactMap(\.gateway)) }
            }
            return own
        } catch {
            throw DrawbridgeError(error, about: "host", doing: "its addresses cannot be read")
        }
    }

    /// Has the filter know what no vif of these networks may use unless it is given it; changes only what differs.
    public mutating func guardAddresses(_ guarded: [NetworkName: Set<Prefix>]) throws(DrawbridgeError) {
        let news = guardChanges(guarded)
        guard !news.isEmpty else { return }
        _ = try prepareFilter()
        try change { $0.apply(news) }
        remember(news)
    }

    /// What differs from what the filter guards.
    func guardChanges(_ guarded: [NetworkName: Set<Prefix>]) -> [GuardChange] {
        guarded.compactMap { name, wanted in
            let mark = FilterTable.number(of: name.rawValue)
            let known = filter.guarded[mark] ?? []
            guard wanted != known else { return nil }
            return GuardChange(network: mark, wanted: wanted, known: known)
        }
    }

    /// What is guarded after these changes although a vif that goes was given it: it goes with the vif and has to be made
    /// again.
    func guarded(besides gone: [VifFilter], _ changes: [GuardChange]) -> [FilterElements] {
        var kept: [Mark: Set<Prefix>] = [:]
        for one in gone {
            let mark = FilterTable.number(of: one.network.rawValue)
            var guarded = filter.guarded[mark] ?? []
            for change in changes where change.network == mark { guarded = change.wanted }
            for prefix in one.ownPrefixes where guarded.contains(prefix) {
                kept[mark, default: []].insert(prefix)
            }
        }
        return kept.flatMap { FilterTable.protection(of: $1, in: $0) }
    }

    mutating func remember(_ changes: [GuardChange]) {
        for change in changes {
            filter.guarded[change.network] = change.wanted.isEmpty ? nil : change.wanted
        }
    }
}

/// How what is guarded in a network changes.
struct GuardChange {
    var network: Mark
    var wanted: Set<Prefix>
    var known: Set<Prefix>
}

extension NftablesTransaction {
    /// What is let go is deleted first: what a vif is given now is added again in the same transaction.
    mutating func apply(_ changes: [GuardChange]) {
        let table = FilterTable.table
        for change in changes {
            for group in FilterTable.protection(
                of: change.known.subtracting(change.wanted), in: change.network)
            {
                // Made first, since somebody may have deleted it, and what is not there cannot be deleted.
                add(group.elements, to: group.set, of: table)
                delete(group.elements, of: group.set, of: table)
            }
            for group in FilterTable.protection(
                of: change.wanted.subtracting(change.known), in: change.network)
            {
                add(group.elements, to: group.set, of: table)
            }
        }
    }
}
