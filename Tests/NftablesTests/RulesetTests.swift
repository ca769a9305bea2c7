import Netlink
import TestSupport
import Testing

@testable import Nftables

/// Rulesets made by nft(8) itself, read by our code.
@Suite struct RulesetTests {
    /// What names `eth0` after nft has loaded `rules` in a namespace with that device.
    private func references(_ rules: String, device: String = "eth0") async throws -> [String] {
        try await withTestNamespace {
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other0")
            try run("nft", rules)
            let line = try run("ip", "-o", "link", "show", "dev", device)
            let number = try #require(Int32(line.prefix { $0 != ":" }))
            var socket = try NftablesSocket()
            return try socket.ruleset()
                .layer3References(to: DeviceIdentity(name: device, index: number)).map(\.description)
        }
    }

    /// A chain that drops nothing, with one rule.
    private func chain(_ rule: String, before: String = "") -> String {
        "table inet filter { \(before) chain guests { }; chain input { type filter hook input priority 0; \(rule); }; }"
    }

    @Test(
        "a rule that names the device is found, whatever way it does",
        arguments: [
            ("iifname \"eth0\" accept", "iifname"), ("iif \"eth0\" accept", "iif"),
            ("oifname != \"eth0\" accept", "oifname"), ("oif \"eth0\" accept", "oif"),
            ("iifname \"eth*\" accept", "iifname"), ("iifname { \"lo\", \"eth0\" } accept", "iifname"),
            ("iif { \"lo\", \"eth0\" } accept", "iif"),
            ("meta iifname . tcp dport { \"eth0\" . 22 } accept", "iifname"),
            ("tcp dport . iifname { 22 . \"eth0\" } accept", "iifname"),
            ("ip saddr . iif { 192.0.2.1 . \"eth0\" } accept", "iif"),
            ("iifname vmap { \"eth0\" : jump guests, \"lo\" : accept }", "iifname"),
            ("ip saddr 192.0.2.0/24 tcp dport 22 oifname \"eth0\" counter drop", "oifname"),
            ("fib saddr . iif oif \"eth0\" accept", "fib oif"),
        ])
    func rules(rule: String, how: String) async throws {
        let found = try await references(chain(rule))
        #expect(found.count == 1)
        let first = try #require(found.first)
        #expect(first.hasPrefix("table inet filter chain input rule handle "))
        #expect(first.hasSuffix(" (\(how))"))
    }

    @Test(
        "a rule that names another device is not",
        arguments: [
            "iifname \"eth1\" accept", "iif \"other0\" accept", "iifname \"eth0.100\" accept",
            "iifname \"veth*\" accept",
            "iifname { \"lo\", \"other0\" } accept", "tcp dport . iifname { 22 . \"eth1\" } accept",
            "ip saddr 192.0.2.1 accept", "meta mark 2 accept",
        ])
    func others(rule: String) async throws {
        #expect(try await references(chain(rule)) == [])
    }

    @Test("named sets and maps are found by what they hold, and told with the rule that uses them")
    func sets() async throws {
        let used = try await references(
            chain(
                "iifname @wan accept",
                before: "set wan { type ifname; elements = { \"eth0\" }; };"))
        #expect(used.count == 1)
        #expect(used.first?.hasSuffix(" (iifname in @wan)") == true)
        let unused = try await references(
            chain(
                "accept",
                before: "set wan { type ifname; elements = { \"eth0\" }; }; "
                    + "map zones { type ipv4_addr . ifname : verdict; elements = { 192.0.2.1 . \"eth0\" : accept }; };"
            ))
        #expect(
            Set(unused) == [
                "table inet filter set wan (element eth0)", "table inet filter map zones (element eth0)",
            ])
        let empty = try await references(
            chain("iifname @wan accept", before: "set wan { type ifname; elements = { \"eth1\" }; };"))
        #expect(empty == [])
    }

    @Test("chains at the device's own hook and on bridges see it as before, and are left out")
    func layer2() async throws {
        let found = try await references(
            "table netdev edge { chain in { type filter hook ingress device \"eth0\" priority 0; iifname \"eth0\" accept; }; }; "
                + "table bridge guests { chain in { type filter hook prerouting priority 0; iifname \"eth0\" accept; }; }; "
                + "table inet filter { chain in { type filter hook ingress device \"eth0\" priority 0; iifname \"eth0\" accept; }; }"
        )
        #expect(found == [])
    }

    @Test("the tables, chains and devices are those that nft lists")
    func decoding() async throws {
        let ruleset = try await withTestNamespace {
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other0")
            try run(
                "nft",
                "table netdev edge { chain in { type filter hook ingress devices = { eth0, other0 } priority 0; }; }; "
                    + "table ip nat { chain post { type nat hook postrouting priority 100; masquerade; }; }")
            var socket = try NftablesSocket()
            return try socket.ruleset()
        }
        #expect(Set(ruleset.tables.map(\.description)) == ["table netdev edge", "table ip nat"])
        #expect(ruleset.chains.first { $0.name == "in" }.map { Set($0.devices) } == ["eth0", "other0"])
        #expect(ruleset.chains.first { $0.name == "post" }?.hook == 4)
        #expect(ruleset.rules.map(\.chain) == ["post"])
    }

    @Test("a namespace without rules has an empty ruleset")
    func empty() async throws {
        let ruleset = try await withTestNamespace {
            var socket = try NftablesSocket()
            return try socket.ruleset()
        }
        #expect(ruleset == Ruleset())
    }
}
