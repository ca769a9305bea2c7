import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import TestSupport
import Testing

/// A daemon that starts takes over what an earlier one permitted, and writes only what is not there.
@Suite struct FilterAdoptionTests {
    private static let layouts = [
        FilterLayout(hooks: .shared, isOwned: true), FilterLayout(hooks: .shared, isOwned: false),
    ]

    /// Two vifs that a killed daemon permitted, one of them with a guest, and what its host is to be taken over by.
    private struct Left {
        let test: TestHost
        let guest: TestGuest
        let filters: [VifFilter]
        let guarded: [NetworkName: Set<Prefix>]
        let heir: Host

        init(_ layout: FilterLayout, damage: String = "true") async throws {
            test = try TestHost()
            guest = try TestGuest(test.namespace)
            let filters = [try testFilter(1), try testFilter(2)]
            let guarded = [filters[0].network: Set([try #require(Prefix("10.0.9.1/32"))])]
            (self.filters, self.guarded) = (filters, guarded)
            try await Host(namespace: test.namespace, filterLayout: layout).transact {
                (access) throws(DrawbridgeError) in
                try access.permit(filters.map { FilterChange(from: nil, to: $0) }, guarding: guarded)
            }
            try on(test.namespace, damage)
            heir = try Host(namespace: test.namespace, filterLayout: layout)
        }

        /// - Returns: the vifs that count as permitted, and whether all is known to be there.
        func takeOver() async throws -> (known: Int, isWhole: Bool) {
            let (filters, guarded) = (filters, guarded)
            return try await heir.transact { (access) throws(DrawbridgeError) in
                try access.takeOver(filters, guarding: guarded)
                return (
                    filters.count { access.permitted($0.device) != nil }, access.isFilterKnownWhole
                )
            }
        }

        /// Permits them as an attach does after a start.
        /// - Returns: how many changes were sent.
        func permitAgain() async throws -> Int {
            let (filters, guarded) = (filters, guarded)
            return try await heir.transact { (access) throws(DrawbridgeError) in
                let before = access.traffic.sends
                try access.permit(filters.map { FilterChange(from: $0, to: $0) }, guarding: guarded)
                return access.traffic.sends - before
            }
        }

        func repair() async throws -> [String]? {
            try await heir.transact { (access) throws(DrawbridgeError) in try access.repairFilter()?.found }
        }
    }

    @Test("what is whole is not written again", arguments: layouts)
    func whole(_ layout: FilterLayout) async throws {
        let left = try await Left(layout)
        let (known, isWhole) = try await left.takeOver()
        #expect(known == 2 && isWhole)
        #expect(try await left.permitAgain() == 0)
        #expect(try await left.repair() == nil)
        try left.guest.count()
        try left.guest.send(TestGuest.own, TestGuest.forged)
        #expect(try left.guest.passed() == 1)
    }

    @Test(
        "where an element or a hook is missing, the vifs are permitted anew",
        arguments: layouts,
        [
            "nft delete element netdev drawbridge ipv4-sources '{ \"vif1.0\" . 00:16:3e:00:00:01 . 10.0.0.1 }'",
            "nft 'flush chain netdev drawbridge guests; delete chain netdev drawbridge guests;"
                + " add chain netdev drawbridge guests"
                + " { type filter hook ingress devices = { vif2.0 } priority -500; policy drop; }'",
        ])
    func missing(_ layout: FilterLayout, _ damage: String) async throws {
        let left = try await Left(layout, damage: damage)
        let (known, isWhole) = try await left.takeOver()
        #expect(known == 0 && !isWhole)
        #expect(try await left.permitAgain() > 0)
        #expect(try await left.repair() == nil)
        try left.guest.count()
        try left.guest.send(TestGuest.own, TestGuest.forged)
        #expect(try left.guest.passed() == 1)
    }

    @Test("what somebody added while no daemon ran is found by the repair", arguments: layouts)
    func foreign(_ layout: FilterLayout) async throws {
        let added = "{ \"vif1.0\" . 00:16:3e:00:00:01 . 10.0.0.99 }"
        let left = try await Left(
            layout, damage: "nft add element netdev drawbridge ipv4-sources '\(added)'")
        let (known, isWhole) = try await left.takeOver()
        #expect(known == 2 && !isWhole)
        #expect(try await left.repair() == ["1 added to ipv4-sources"])
        try left.guest.count()
        try left.guest.send(TestGuest.own, TestGuest.forged)
        #expect(try left.guest.passed() == 1)
    }

    @Test("a change of this process's own makes unknown whether all is there")
    func change() async throws {
        let left = try await Left(Self.layouts[0])
        _ = try await left.takeOver()
        let other = try testFilter(3)
        let isWhole = try await left.heir.transact { (access) throws(DrawbridgeError) in
            try access.permit(other)
            return access.isFilterKnownWhole
        }
        #expect(!isWhole)
    }
}
