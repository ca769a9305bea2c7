import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import TestSupport
import Testing

/// The limits that nf_tables holds, with nft(8) as the witness and counted frames as the proof.
@Suite struct RateTableTests {
    static let layouts = FilterTakeoverTests.layouts

    private func entry(
        _ test: TestHost, from: String? = nil, to: String? = nil, shaper: Int32? = nil
    ) throws -> RateEntry {
        let index = try #require(Int32(on(test.namespace, "ip -j link show vif1.0 | jq .[].ifindex")))
        var entry = RateEntry(device: try #require(LinkName("vif1.0")), index: index)
        entry.packetsFromGuest = try from.flatMap { try PacketLimit(reading: $0).rate }
        entry.packetsToGuest = try to.flatMap { try PacketLimit(reading: $0).rate }
        entry.shaper = shaper
        return entry
    }

    /// Sends frames of the host's out by the vif, and counts how many the guest's end receives.
    private func sendOut(_ test: TestHost, _ guest: TestGuest, _ count: Int) throws -> Int {
        try on(
            guest.namespace,
            "nft 'table netdev witness { counter got { }; chain c { type filter hook ingress device p0 priority 0;"
                + " ether type 0x0800 counter name got; }; }'")
        try on(
            test.namespace,
            "python3 -c 'import socket\ns = socket.socket(17, 3)\ns.bind((\"vif1.0\", 0))\n"
                // A frame that is dropped on its way out is told as ENOBUFS.
                + "import contextlib\n"
                + "for n in range(\(count)):\n with contextlib.suppress(OSError):"
                + " s.send(bytes.fromhex(\"\(TestGuest.own)\"))'")
        let got = try on(
            guest.namespace,
            "nft -j list counter netdev witness got | jq '.nftables[].counter.packets | values'")
        return try #require(Int(got))
    }

    @Test(
        "packets beyond a limit are dropped and counted, in each direction by its own limit",
        arguments: layouts)
    func packets(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: layout)
        let guest = try TestGuest(test.namespace)
        // One a second, and ten at once.
        let limited = try entry(test, from: "1/s@10s", to: "1/s@20s")
        try await host.transact { (access) throws(DrawbridgeError) in try access.applyRates([limited]) }
        try guest.count()
        try guest.send(repeating: 100)
        let passed = try guest.passed()
        #expect((10...30).contains(passed), "\(passed) passed")
        let received = try sendOut(test, guest, 100)
        #expect((20...40).contains(received), "\(received) were received")
        let drops = try await host.transact { (access) throws(DrawbridgeError) in
            try access.packetDrops(of: limited.device).map { "\($0.isFromGuest) \($0.packets)" }
        }
        #expect(drops == ["true \(100 - passed)", "false \(100 - received)"])

        // Changed while it stands: by elements alone, and the counters go on.
        let before = try rules(test)
        let raised = try entry(test, from: "1K/s@1s", to: "1/s@20s")
        try await host.transact { (access) throws(DrawbridgeError) in try access.applyRates([raised]) }
        try guest.send(repeating: 100)
        #expect(try guest.passed() == passed + 100)
        #expect(try rules(test) == before)
        let after = try await host.transact { (access) throws(DrawbridgeError) in
            try access.packetDrops(of: limited.device).map(\.packets)
        }
        #expect(after == [UInt64(100 - passed), UInt64(100 - received)])

        try await host.transact { (access) throws(DrawbridgeError) in try access.applyRates([]) }
        #expect(!(try on(test.namespace, "nft list tables")).contains("drawbridge-rates"))
        try guest.send(repeating: 100)
        #expect(try guest.passed() == passed + 200)
    }

    private func rules(_ test: TestHost) throws -> String {
        try on(
            test.namespace,
            "nft -j list table netdev drawbridge-rates | jq -c '[.nftables[].rule | values | .handle]'")
    }

    @Test("the ruleset is the same for one vif and for many: a vif is elements, and a name among the devices")
    func fixed() async throws {
        let test = try TestHost()
        let host = try Host(
            namespace: test.namespace, filterLayout: FilterLayout(hooks: .shared, isOwned: false))
        let guest = try TestGuest(test.namespace)
        defer { withExtendedLifetime(guest) {} }
        var entries = [try entry(test, from: "10/s", to: "20/s")]
        try await host.transact { [entries] (access) throws(DrawbridgeError) in try access.applyRates(entries)
        }
        let one = try rules(test)
        for number in 2...40 {
            var other = entries[0]
            other.device = try #require(LinkName("vif\(number).0"))
            entries.append(other)
        }
        try await host.transact { [entries] (access) throws(DrawbridgeError) in try access.applyRates(entries)
        }
        #expect(try rules(test) == one)
        let text = try on(test.namespace, "nft list table netdev drawbridge-rates")
        #expect(text.contains("\"vif40.0\" limit rate over 10/second"))
    }

    @Test("what an earlier daemon left goes on until it is settled what stays", arguments: layouts)
    func inherited(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let guest = try TestGuest(test.namespace)
        defer { withExtendedLifetime(guest) {} }
        let left = try entry(test, from: "1/s@10s")
        do {
            let former = try Host(namespace: test.namespace, filterLayout: layout)
            try await former.transact { (access) throws(DrawbridgeError) in try access.applyRates([left]) }
        }
        // An owner's table is free once its socket is closed, a moment after its host has gone.
        let heir = try Host(namespace: test.namespace, filterLayout: layout)
        var other = left
        other.device = try #require(LinkName("eth0"))
        let news = other
        for attempt in 0... {
            do {
                try await heir.transact { (access) throws(DrawbridgeError) in
                    try access.applyRates([news], keepingInherited: true)
                }
                break
            } catch {
                guard attempt < 100 else { throw error }
                usleep(20_000)
            }
        }
        let listed = { try on(test.namespace, "nft list set netdev drawbridge-rates packets-from") }
        #expect(try listed().contains("\"vif1.0\" limit rate over 1/second burst 10 packets"))
        #expect(try listed().contains("eth0"))
        try await heir.transact { (access) throws(DrawbridgeError) in try access.applyRates([news]) }
        #expect(!(try listed()).contains("vif1.0"))
    }

    @Test(
        "what others take out of the table is noticed and made anew",
        arguments: FilterRepairTests.layouts,
        [
            "delete table netdev drawbridge-rates", "flush ruleset", "flush table netdev drawbridge-rates",
            "delete element netdev drawbridge-rates packets-from '{ vif1.0 }'",
        ])
    func repair(_ layout: FilterLayout, _ damage: String) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: layout)
        let guest = try TestGuest(test.namespace)
        let limited = try entry(test, from: "1/s@10s")
        let changes = try await host.transact { (access) throws(DrawbridgeError) in
            try access.applyRates([limited])
            return try access.filterChanges()
        }
        try on(test.namespace, "nft \(damage)")
        var noticed = changes.makeAsyncIterator()
        guard case .changed("nft", _, false, let tables) = await noticed.next(), tables == [.rates] else {
            Issue.record("it was not noticed")
            return
        }
        let found = try await host.transact { (access) throws(DrawbridgeError) in try access.repairRates() }
        #expect(found != nil)
        try guest.count()
        try guest.send(repeating: 100)
        let passed = try guest.passed()
        #expect((10...30).contains(passed), "\(passed) passed")
    }
}

/// The table of the security groups, where each vif has chains of its own and where all share one.
@Suite struct GroupTableTests {
    private func layout(_ device: LinkName) throws -> GroupLayout {
        let name = try #require(GroupName("sealed"))
        let rule = try GroupRule("out udp 9")
        return GroupLayout(
            groups: [SecurityGroup(name: name, rules: [rule])], sets: [],
            members: [GroupMember(device: device, groups: [name], addresses: [])])
    }

    @Test(
        "a vif is held to its groups from before its device is there, and so is the next device of its name",
        arguments: FilterTakeoverTests.layouts)
    func devices(_ lies: FilterLayout) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: lies)
        let device = try #require(LinkName("vif1.0"))
        let layout = try layout(device)
        try await host.transact { (access) throws(DrawbridgeError) in try access.applyGroups(layout) }
        for _ in 0..<2 {
            let guest = try TestGuest(test.namespace)
            // Before it is up, as an attach does it.
            try await host.transact { (access) throws(DrawbridgeError) in try access.applyGroups(layout) }
            try guest.count()
            try guest.send(TestGuest.own, TestGuest.own)
            #expect(try guest.passed() == 0)
            let drops = try await host.transact { (access) throws(DrawbridgeError) in
                try access.groupDrops(of: device).map(\.packets)
            }
            #expect((drops.first ?? 0) >= 2)
            try on(test.namespace, "nft delete table netdev witness; ip link delete vif1.0")
        }
        try await host.transact { (access) throws(DrawbridgeError) in try access.applyGroups(GroupLayout()) }
        #expect(!(try on(test.namespace, "nft list tables")).contains("drawbridge-groups"))
    }

    @Test(
        "what others take out of the groups is noticed and made anew", arguments: FilterRepairTests.layouts,
        ["delete table netdev drawbridge-groups", "flush ruleset", "flush table netdev drawbridge-groups"])
    func repair(_ lies: FilterLayout, _ damage: String) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: lies)
        let guest = try TestGuest(test.namespace)
        let layout = try layout(try #require(LinkName("vif1.0")))
        let changes = try await host.transact { (access) throws(DrawbridgeError) in
            try access.applyGroups(layout)
            return try access.filterChanges()
        }
        try on(test.namespace, "nft \(damage)")
        var noticed = changes.makeAsyncIterator()
        guard case .changed("nft", _, false, let tables) = await noticed.next(), tables == [.groups] else {
            Issue.record("it was not noticed")
            return
        }
        let repair = try await host.transact { (access) throws(DrawbridgeError) in
            try access.repairGroups(takesDown: true)
        }
        #expect(repair?.wasOpen == !damage.contains("flush table"))
        try guest.count()
        try guest.send(TestGuest.own)
        #expect(try guest.passed() == 0)
        #expect(try on(test.namespace, "ip -o link show up dev vif1.0") != "")
    }
}

extension TestGuest {
    /// Sends its own frame many times.
    func send(repeating count: Int) throws {
        try on(
            namespace,
            "python3 -c 'import socket\ns = socket.socket(17, 3)\ns.bind((\"p0\", 0))\n"
                + "for n in range(\(count)): s.send(bytes.fromhex(\"\(Self.own)\"))'")
    }
}
