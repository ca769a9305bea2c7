import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import TestSupport
import Testing

/// What others do to the filter, and what becomes of it.
@Suite struct FilterRepairTests {
    static let layouts = [
        FilterLayout(hooks: .shared, isOwned: false), FilterLayout(hooks: .perVif, isOwned: false),
    ]

    /// Each with what a repair says of it.
    static let damages = [
        ("nft delete table netdev drawbridge", "gone"),
        ("nft flush ruleset", "gone"),
        ("nft flush table netdev drawbridge", "rules"),
        ("nft insert rule netdev drawbridge filtered accept", "rules"),
        (
            "nft delete element netdev drawbridge ipv4-sources '{ vif1.0 . 00:16:3e:00:00:01 . 10.0.0.1 }'",
            "missing in ipv4-sources"
        ),
        (
            "nft add element netdev drawbridge ipv4-sources '{ vif1.0 . 00:16:3e:00:00:01 . 10.0.0.99 }'",
            "added to ipv4-sources"
        ),
        ("nft flush map netdev drawbridge modes", "missing in modes"),
        (
            "nft delete element netdev drawbridge modes '{ vif1.0 }'; "
                + "nft add element netdev drawbridge modes '{ vif1.0 : accept }'", "missing in modes"
        ),
        ("nft add element netdev drawbridge pins '{ vif1.0 . fe80::99 }'", "pinned"),
    ]

    @Test("what others change is noticed, and repaired", arguments: layouts, damages)
    func repair(_ layout: FilterLayout, _ damage: (line: String, words: String)) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: layout)
        let guest = try TestGuest(test.namespace)
        let filter = try testFilter(1)
        let changes = try await host.transact { (access) throws(DrawbridgeError) in
            try access.permit(filter)
            return try access.filterChanges()
        }
        try on(test.namespace, damage.line)
        var noticed = changes.makeAsyncIterator()
        let change = await noticed.next()
        guard case .changed("nft", _, let pins, [.filter]) = change else {
            Issue.record("\(String(describing: change))")
            return
        }
        let repair = try await host.transact { (access) throws(DrawbridgeError) in
            try access.repairFilter(renewsPins: pins)
        }
        let found = try #require(repair)
        #expect(found.found.joined(separator: ", ").contains(damage.words), "\(found.found)")
        #expect(found.wasOpen == (damage.words == "gone"))
        try guest.count()
        try guest.send(TestGuest.forged, TestGuest.own)
        #expect(try guest.passed() == 1)
        let more = try await host.transact { (access) throws(DrawbridgeError) in try access.repairFilter() }
        #expect(more == nil)
    }

    @Test(
        "what cannot be repaired stays down where vifs fail closed, and up where they do not",
        arguments: [false, true])
    func failsClosed(_ takesDown: Bool) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: Self.layouts[0])
        let guest = try TestGuest(test.namespace)
        defer { withExtendedLifetime(guest) {} }
        let (filter, other) = (try testFilter(1), try testFilter(2))
        try await host.transact { (access) throws(DrawbridgeError) in try access.permit(filter) }
        try on(test.namespace, "ip link set vif1.0 up && nft delete table netdev drawbridge")
        // Somebody else's table of this name, which only he may change.
        let stranger = try Host(
            namespace: test.namespace, filterLayout: FilterLayout(hooks: .shared, isOwned: true))
        try await stranger.transact { (access) throws(DrawbridgeError) in try access.permit(other) }
        await #expect(throws: DrawbridgeError.self) {
            try await host.transact { (access) throws(DrawbridgeError) in
                try access.repairFilter(takesDown: takesDown)
            }
        }
        #expect(try on(test.namespace, "ip -o link show up dev vif1.0").isEmpty == takesDown)
        try await stranger.transact { (access) throws(DrawbridgeError) in try access.removeFilter() }
        guard takesDown else { return }
        let repair = try await host.transact { (access) throws(DrawbridgeError) in
            try access.repairFilter(takesDown: true)
        }
        #expect(repair?.wasOpen == true)
        try on(test.namespace, "ip link set vif1.0 up")
        try on(test.namespace, "nft delete table netdev drawbridge")
        let again = try await host.transact { (access) throws(DrawbridgeError) in
            try access.repairFilter(takesDown: true)
        }
        #expect(again?.wasOpen == true)
        #expect(try on(test.namespace, "ip -o link show up dev vif1.0") != "")
    }

    @Test("what packets pin and count, and what this process does, is nothing to repair", arguments: layouts)
    func nothing(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: layout)
        let guest = try TestGuest(test.namespace)
        let (one, two) = (try testFilter(1), try testFilter(2))
        try await host.transact { (access) throws(DrawbridgeError) in
            try access.permit(one)
            try access.permit(two)
            try access.guardAddresses([two.network: Set(two.addresses)])
        }
        try guest.send(TestGuest.forged, TestGuest.own, TestGuest.localFrame("05"))
        let found = try await host.transact { (access) throws(DrawbridgeError) in try access.repairFilter() }
        #expect(found == nil, "\(String(describing: found))")
    }

    @Test(
        "while a guest forges, somebody renames its vif: once it is up under the new name nothing forged comes",
        arguments: [FilterLayout(hooks: .shared, isOwned: true)] + layouts)
    func rename(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: layout)
        let guest = try TestGuest(test.namespace)
        let filter = try testFilter(1)
        let index = try #require(Int32(on(test.namespace, "ip -j link show vif1.0 | jq .[].ifindex")))
        let changes = try await host.transact { (access) throws(DrawbridgeError) in
            try access.permit(filter)
            return try access.changes()
        }
        let flood = try guest.flood()
        try on(
            test.namespace,
            "ip link set vif1.0 name forged0 2>/dev/null || (ip link set vif1.0 down && ip link set vif1.0 name"
                + " forged0 && ip link set forged0 up)")
        for await change in changes {
            if case .link(index, let link) = change, link.name == "forged0" { break }
        }
        let name = try await host.transact { (access) throws(DrawbridgeError) in
            let name = try access.followRename(of: index, from: filter.device)
            try access.bringUp(index)
            return name
        }
        #expect(name?.rawValue == "forged0")
        #expect(try on(test.namespace, "ip -o link show up dev forged0") != "")
        try guest.count(on: "forged0")
        try guest.send(TestGuest.own, TestGuest.forged, TestGuest.forged)
        withExtendedLifetime(flood) {}
        #expect(try guest.passed() == 1)
        let again = try await host.transact { (access) throws(DrawbridgeError) in
            (try access.followRename(of: index, from: filter.device), access.permitted(filter.device))
        }
        #expect(again.0 == nil && again.1 == nil)
    }
}
