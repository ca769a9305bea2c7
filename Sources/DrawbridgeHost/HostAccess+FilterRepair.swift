public import DrawbridgeModel
import DrawbridgePlanning
import Netlink
public import NetworkTypes
import Nftables
import RouteNetlink

/// What was found wrong with the filter, and put right.
public struct FilterRepair: Hashable, Sendable {
    /// What it was, in people's words.
    public var found: [String]
    /// Whether vifs were not filtered meanwhile: without their hook nothing is dropped, while most of what can be taken
    /// away besides only has more dropped.
    public var wasOpen: Bool

    public init(found: [String], wasOpen: Bool) {
        self.found = found
        self.wasOpen = wasOpen
    }
}

extension HostAccess {
    /// Compares the filter with what this process put there, and puts right what differs, in one transaction.
    ///
    /// - Parameters:
    ///   - renewsPins: Forgets what vifs have pinned, which is no longer to be trusted; they pin again.
    ///   - takesDown: Where vifs are not filtered, takes them down first, and up again once they are: what cannot be
    ///     repaired stays down.
    /// - Returns: nil where nothing was wrong.
    public mutating func repairFilter(
        renewsPins: Bool = false, takesDown: Bool = false
    ) throws(DrawbridgeError) -> FilterRepair? {
        guard filter.isTakenOver else { return nil }
        let (table, layout) = (FilterTable.table, filterLayout())
        let state = try readFilter { access throws(NetlinkError) in try access.nftables.state(of: table) }
        let chains = try readFilter { access throws(NetlinkError) in
            state == nil ? [] : try access.nftables.chains(of: table)
        }
        let hooked = Set(chains.flatMap(\.devices))
        let wanted = filter.vifs.keys.sorted()
        let unhooked = wanted.filter { !hooked.contains($0.rawValue) && !filter.unhooked.contains($0) }
        let isGuarding = chains.allSatisfy { $0.hook == nil || $0.dropsByDefault }
        let isOpen = !wanted.isEmpty && (state == nil || !unhooked.isEmpty || !isGuarding)
        let closed = isOpen && takesDown ? setLinks(wanted, up: false) : []
        var found: [String] = []
        if state == nil {
            _ = try prepareFilter()
            found = ["its table was gone"]
        } else if state?.comment != FilterTable.comment(layout.hooks) || state?.flags != layout.tableFlags {
            try replaceFilter(layout, keepingElements: false)
            found = ["its table was another one"]
        } else if !isGuarding {
            try replaceFilter(layout, keepingElements: false)
            found = ["its chain let through what no rule names"]
        } else if try !isWhole() {
            try replaceFilter(layout, keepingElements: false)
            found = ["chains or sets were changed"]
        } else {
            found = try repairParts(unhooked, renewsPins: renewsPins)
        }
        _ = setLinks(closed, up: true)
        return found.isEmpty ? nil : FilterRepair(found: found, wasOpen: isOpen)
    }

    /// Repairs a table that has all chains and sets: rules, hooks and elements.
    private mutating func repairParts(
        _ unhooked: [LinkName], renewsPins: Bool
    ) throws(DrawbridgeError) -> [String] {
        let (table, hooks) = (FilterTable.table, filterLayout().hooks)
        let (rules, areHooksOurs) = try sharedRules()
        let (missing, foreign) = try compareElements()
        let areRulesOurs = rules == filter.rules && areHooksOurs
        var found: [String] = []
        if !areRulesOurs { found.append("rules were changed") }
        if !unhooked.isEmpty { found.append("unhooked: \(unhooked.map(\.rawValue).joined(separator: ", "))") }
        found += missing.map { "\($0.elements.count) missing in \($0.set)" }
        found += foreign.map { "\($0.elements.count) added to \($0.set)" }
        if renewsPins { found.append("pinned addresses were changed") }
        guard !found.isEmpty else { return [] }
        let devices = hookable(areRulesOurs ? unhooked : filter.vifs.keys.sorted(), hooks)
        try change { transaction in
            for group in foreign {
                transaction.delete(group.elements, of: group.set, of: table)
            }
            for group in missing { transaction.add(group.elements, to: group.set, of: table) }
            if renewsPins {
                for set in FilterTable.filledByPackets.sorted() { transaction.flush(set: set, of: table) }
            }
            if !areRulesOurs { transaction.renewFilterRules(hooks) }
            transaction.hook(devices, hooks)
        }
        if !areRulesOurs { try rememberRules() }
        return found
    }

    /// Compares what the sets hold with what they are to hold.
    ///
    /// - Returns: what is missing, and what is there besides; what leads elsewhere is both.
    mutating func compareElements() throws(DrawbridgeError) -> (
        missing: [FilterElements], foreign: [FilterElements]
    ) {
        let wanted = filter.elements
        var (missing, foreign): ([FilterElements], [FilterElements]) = ([], [])
        for set in FilterTable.sets where !FilterTable.filledByPackets.contains(set.name) {
            let held = try readFilter { access throws(NetlinkError) in
                try access.nftables.elements(of: set.name, in: FilterTable.table)
            }
            // What is found is taken out, so that what is left is missing.
            var less = Dictionary(identifying: wanted[set.name] ?? [])
            let more = held.filter { element in
                let key = SetElementKey(element)
                guard let wanted = less[key], wanted.data == element.data else { return true }
                less[key] = nil
                return false
            }
            if !less.isEmpty { missing.append(FilterElements(set: set.name, elements: Array(less.values))) }
            if !more.isEmpty { foreign.append(FilterElements(set: set.name, elements: more)) }
        }
        return (missing, foreign)
    }

    /// Remembers the rules as the kernel tells them, just made.
    mutating func rememberRules() throws(DrawbridgeError) {
        filter.rules = try sharedRules().rules
    }

    /// The rules that all vifs share, and whether those of the vifs' own chains are as they should be.
    private mutating func sharedRules() throws(DrawbridgeError) -> (
        rules: [Nftables.Rule], areHooksOurs: Bool
    ) {
        let all = try readFilter { access throws(NetlinkError) in
            try access.nftables.rules(of: FilterTable.table)
        }
        let guests = [Expression.verdict(.goto(FilterTable.guests.name))]
        return (
            all.filter { !$0.chain.hasPrefix(FilterTable.hookPrefix) },
            all.allSatisfy { !$0.chain.hasPrefix(FilterTable.hookPrefix) || $0.expressions == guests }
        )
    }

    /// Sets links up or down, those that are there and are not.
    /// - Returns: those that were set.
    mutating func setLinks(_ links: [LinkName], up: Bool) -> [LinkName] {
        links.filter { name in
            guard let (index, link) = (try? link(named: name)) ?? nil, link.flags.contains(.up) != up
            else { return false }
            return (try? set(index, up: up)) != nil
        }
    }

    /// Sets a link up or down.
    mutating func set(_ index: Int32, up: Bool) throws(DrawbridgeError) {
        var batch = RouteBatch()
        var settings = LinkSettings()
        settings.set(up: up)
        batch.set(index, settings)
        traffic.sends += 1
        traffic.changes += 1
        do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
            throw DrawbridgeError(error, about: "interface \(index)", doing: "cannot be set")
        }
    }

    /// Takes a link down.
    public mutating func takeDown(_ index: Int32) throws(DrawbridgeError) { try set(index, up: false) }

    /// Brings a link up.
    public mutating func bringUp(_ index: Int32) throws(DrawbridgeError) { try set(index, up: true) }

    /// Follows a device that somebody else renamed: it is taken down, and its filter goes over to its new name in one
    /// transaction.
    ///
    /// - Parameter old: The name by which it was permitted.
    /// - Returns: its name, where it has another one now; nil where there is nothing to follow. It stays down until
    ///   it is brought up.
    public mutating func followRename(
        of index: Int32, from old: LinkName
    ) throws(DrawbridgeError) -> LinkName? {
        guard let known = filter.vifs[old], let link = try link(index: index), link.name != old.rawValue
        else { return nil }
        if let name = LinkName(link.name), filter.vifs[name]?.id == known.id { return nil }
        try set(index, up: false)
        guard let name = LinkName(link.name) else {
            throw DrawbridgeError(
                .kernel, link.name, "no filter can go by this name, so that \(known.id) stays down")
        }
        var moved = known
        moved.device = name
        try permit(moved, insteadOf: known)
        return name
    }
}

extension [SetElementKey: SetElement] {
    init(identifying elements: [SetElement]) {
        self.init(elements.map { (SetElementKey($0), $0) }) { first, _ in first }
    }
}

/// What tells elements of a set apart.
struct SetElementKey: Hashable {
    var key: [UInt8]
    var end: [UInt8]

    init(_ element: SetElement) {
        key = element.key
        end = element.keyEnd ?? element.key
    }

    func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
