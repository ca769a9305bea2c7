import DrawbridgeModel
import NetworkTypes
import Testing

@testable import DrawbridgePlanning

@Suite("What groups let pass") struct GroupLayoutTests {
    static func group(_ name: String, _ rules: String...) throws -> SecurityGroup {
        SecurityGroup(name: try #require(GroupName(name)), rules: try rules.map { try GroupRule($0) })
    }

    static func member(_ device: String, _ groups: [String], _ addresses: String...) throws -> GroupMember {
        GroupMember(
            device: try #require(LinkName(device)), groups: groups.compactMap { GroupName($0) },
            addresses: addresses.compactMap { Prefix($0) })
    }

    /// Whether a layout lets a packet pass, as the kernel's sets do.
    static func passes(
        _ layout: GroupLayout, _ device: String, _ direction: GroupRule.Direction, _ upperLayer: UInt8,
        _ port: UInt16, _ peer: String
    ) throws -> Bool {
        let peer = try #require(IPAddress(peer))
        let number = layout.combinations[try #require(LinkName(device))]
        let boxes = layout.boxes[GroupLayout.Side(direction, peer.family)] ?? []
        let found = boxes.filter {
            $0.combination == number && $0.upperLayer.contains(upperLayer) && $0.ports.contains(port)
                && $0.peers.contains(peer)
        }
        #expect(found.count <= 1, "boxes overlap")
        return !found.isEmpty
    }

    @Test(
        "What comes in passes where a rule says so, and what goes out where none is said for that direction")
    func directions() throws {
        let layout = GroupLayout(
            groups: [
                try Self.group("web", "in tcp 80,443,8000-8080", "in icmp 8", "in any from 10.1.0.0/16"),
                try Self.group("strict", "in tcp 22", "out udp 53 to 10.0.0.53", "out icmpv6"),
            ],
            sets: [],
            members: [
                try Self.member("vif1.0", ["web"], "10.0.0.5"),
                try Self.member("vif2.0", ["strict", "web"], "10.0.0.6"),
            ])
        func expect(
            _ isPassing: Bool, _ device: String, _ direction: GroupRule.Direction, _ layer: UInt8,
            _ port: UInt16, _ peer: String, _ location: SourceLocation = #_sourceLocation
        ) throws {
            #expect(
                try Self.passes(layout, device, direction, layer, port, peer) == isPassing,
                sourceLocation: location)
        }
        try expect(true, "vif1.0", .in, 6, 80, "192.0.2.1")
        try expect(true, "vif1.0", .in, 6, 8080, "2001:db8::1")
        try expect(false, "vif1.0", .in, 6, 8081, "192.0.2.1")
        try expect(false, "vif1.0", .in, 17, 80, "192.0.2.1")
        try expect(true, "vif1.0", .in, 1, 8 << 8, "192.0.2.1")
        try expect(false, "vif1.0", .in, 1, 13 << 8, "192.0.2.1")
        try expect(false, "vif1.0", .in, 58, 8 << 8, "2001:db8::1")
        try expect(true, "vif1.0", .in, 47, 0, "10.1.255.255")
        try expect(true, "vif1.0", .in, 6, 9999, "10.1.0.0")
        try expect(false, "vif1.0", .in, 6, 9999, "10.2.0.0")
        try expect(true, "vif1.0", .out, 6, 25, "192.0.2.1")
        try expect(true, "vif1.0", .out, 132, 1, "2001:db8::1")
        try expect(true, "vif2.0", .in, 6, 22, "192.0.2.1")
        try expect(true, "vif2.0", .in, 6, 443, "192.0.2.1")
        try expect(true, "vif2.0", .out, 17, 53, "10.0.0.53")
        try expect(false, "vif2.0", .out, 17, 53, "10.0.0.54")
        try expect(false, "vif2.0", .out, 6, 25, "192.0.2.1")
        try expect(true, "vif2.0", .out, 58, 1 << 8, "2001:db8::1")
        try expect(false, "vif2.0", .out, 58, 1 << 8, "192.0.2.1")
    }

    @Test("A rule that names a group means its members' addresses, one that names a set what is in it")
    func names() throws {
        let office = AddressSet(
            name: try #require(GroupName("office")),
            prefixes: ["192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32"].compactMap { Prefix($0) })
        let groups = [
            try Self.group("db", "in tcp 5432 from web", "in tcp 22 from office"), try Self.group("web"),
        ]
        let database = try Self.member("vif1.0", ["db"], "10.0.0.5")
        let empty = GroupLayout(groups: groups, sets: [office], members: [database])
        #expect(try !Self.passes(empty, "vif1.0", .in, 6, 5432, "10.0.0.6"))
        let layout = GroupLayout(
            groups: groups, sets: [office],
            members: [database, try Self.member("vif2.0", ["web"], "10.0.0.6", "2001:db8:1::/64")])
        #expect(try Self.passes(layout, "vif1.0", .in, 6, 5432, "10.0.0.6"))
        #expect(try Self.passes(layout, "vif1.0", .in, 6, 5432, "2001:db8:1::99"))
        #expect(try !Self.passes(layout, "vif1.0", .in, 6, 5432, "10.0.0.7"))
        #expect(try Self.passes(layout, "vif1.0", .in, 6, 22, "192.0.2.200"))
        // Two halves are one range.
        #expect(layout.boxes[GroupLayout.Side(.in, .ipv4)]?.count { $0.ports == 22...22 } == 1)
        #expect(try !Self.passes(layout, "vif2.0", .in, 6, 22, "192.0.2.200"))
    }

    @Test("How many boxes there are does not depend on how many vifs are in the groups")
    func sizes() throws {
        let groups = [try Self.group("web", "in tcp 80", "in tcp 22 from 192.0.2.0/24")]
        func count(_ vifs: Int) throws -> Int {
            let layout = GroupLayout(
                groups: groups, sets: [],
                members: try (1...vifs).map { try Self.member("vif\($0).0", ["web"]) })
            #expect(layout.combinations.count == vifs)
            return layout.boxes.values.reduce(0) { $0 + $1.count }
        }
        #expect(try count(1) == count(500))
    }

    @Test(
        "Whatever the rules: the boxes hold what the rules hold, nothing else, and no two overlap",
        arguments: 0..<200)
    func random(_ seed: UInt64) throws {
        var generator = SplitMix(state: seed)
        func pick<T>(_ values: [T], _ generator: inout SplitMix) -> T {
            values[Int(generator.next() % UInt64(values.count))]
        }
        let layers = ["tcp", "udp", "any", "47", "icmp"]
        let ports = ["", " 1", " 2-5", " 4-9", " 0-65535", " 3,7-8", " 65535"]
        let peers = [
            "", " from 10.0.0.0/30", " from 10.0.0.2/31 10.0.0.9", " from 0.0.0.0/0", " from 10.0.0.3",
        ]
        var rules: [GroupRule] = []
        for _ in 0..<(1 + generator.next() % 6) {
            let layer = pick(layers, &generator)
            var port = layer == "any" || layer == "47" ? "" : pick(ports, &generator)
            if layer == "icmp", port.contains("65535") { port = " 255" }
            rules.append(try GroupRule("in \(layer)\(port)\(pick(peers, &generator))"))
        }
        let name = try #require(GroupName("g"))
        let layout = GroupLayout(
            groups: [SecurityGroup(name: name, rules: rules)], sets: [],
            members: [try Self.member("vif1.0", ["g"])])
        for _ in 0..<300 {
            let layer: UInt8 = pick([6, 17, 47, 1, 0, 255], &generator)
            let number: UInt16 = pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 254, 255], &generator)
            let port: UInt16 =
                layer == 1 ? number << 8 : layer == 6 || layer == 17 ? pick([number, 65535], &generator) : 0
            let peer = "10.0.0.\(generator.next() % 12)"
            let address = try #require(IPAddress(peer))
            let isWanted = rules.contains { rule in
                (rule.upperLayer ?? layer) == layer
                    && (rule.ports.isEmpty
                        || rule.ports.contains { $0.contains(layer == 1 ? port >> 8 : port) })
                    && (rule.peers.isEmpty
                        || rule.peers.contains {
                            if case .prefix(let prefix) = $0 { prefix.contains(address) } else { false }
                        })
            }
            #expect(
                try Self.passes(layout, "vif1.0", .in, layer, port, peer) == isWanted,
                "\(rules.map(\.description)): \(layer) \(port) \(peer)")
        }
    }

    @Test("What is no rule is refused with what is wrong with it; what is one is written as it is read")
    func rules() throws {
        for text in [
            "in tcp 80,443,8000-8080 from 192.0.2.0/24 office", "out any", "in icmp 0-8",
            "in 46 from 2001:db8::/32",
            "out udp 53 to 10.0.0.53/32", "in sctp",
        ] { #expect(try "\(GroupRule(text))" == text) }
        for (text, word) in [
            ("", "neither in nor out"), ("tcp 80", "neither in nor out"), ("in", "no protocol"),
            ("in tpc 80", "'tpc'"), ("in tcp 0-65536", "'0-65536'"), ("in tcp 90-80", "'90-80'"),
            ("in tcp 80,", "''"), ("in tcp 80 to 10.0.0.1", "'to'"), ("out tcp 80 from 10.0.0.1", "'from'"),
            ("in any 80", "no ports"), ("in 47 80", "no ports"), ("in icmp 256", "'256'"),
            ("in tcp from", "from whom"),
            ("in tcp from 10.0.0.1/24", "10.0.0.0/24"), ("in tcp from 10.0.0.1.2", "no prefix"),
            ("in 256", "'256'"), ("in tcp 80 office", "'office'"),
        ] {
            do {
                let rule = try GroupRule(text)
                Issue.record("'\(text)' is \(rule)")
            } catch { #expect("\(error)".contains(word), "\(error)") }
        }
    }
}

/// Steele, Lea and Flood: Fast splittable pseudorandom number generators (2014).
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
