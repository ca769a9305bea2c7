import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import TestSupport
import Testing

/// What a vif of these tests may send: the mode of addresses, with one address of each family.
func testFilter(_ number: UInt32, device: String? = nil) throws -> VifFilter {
    let id = VifID(domain: number, device: 0)
    return VifFilter(
        id, device: try #require(LinkName(device ?? "\(id)")), network: try #require(NetworkName("xenbr0")),
        mode: .addresses, mac: MACAddress(value: 0x0016_3e00_0000 + UInt64(number)),
        addresses: try ["10.0.\(number / 256).\(number % 256)", "2001:db8:1::\(number)"].map {
            try #require(Prefix($0))
        })
}

/// A guest in a namespace of its own behind `vif1.0` of the test's host.
final class TestGuest: Sendable {
    let namespace: Int32
    let host: Int32

    init(_ host: Int32, device: String = "vif1.0") throws {
        self.host = host
        namespace = try makeNamespace()
        try on(
            host,
            "ip link add \(device) type veth peer name p0 && ip link set p0 address 00:16:3e:00:00:01"
                + " && sysctl -qw net/ipv6/conf/\(device)/disable_ipv6=1"
                + " && ip link set p0 netns /proc/\(getpid())/fd/\(namespace) && ip link set \(device) up")
        try on(namespace, "sysctl -qw net/ipv6/conf/p0/disable_ipv6=1 && ip link set p0 up")
    }

    deinit { close(namespace) }

    /// An Ethernet frame of the guest's with an IPv4 packet from an address, in hexadecimal digits.
    static func frame(from source: String) -> String {
        "ffffffffffff" + "00163e000001" + "0800" + "4500001c0001000040110000" + source + "c0000201"
            + "0035003500080000"
    }

    /// One from its link-local address with this last octet.
    static func localFrame(_ last: String) -> String {
        "333300000001" + "00163e000001" + "86dd" + "60000000000811ff" + "fe8000000000000000000000000000"
            + last
            + "ff020000000000000000000000000001" + "0035003500080000"
    }

    static let own = frame(from: "0a000001")
    static let forged = frame(from: "0a000063")

    func send(_ frames: String...) throws {
        try on(
            namespace,
            "python3 -c 'import socket, sys\ns = socket.socket(17, 3)\ns.bind((\"p0\", 0))\n"
                + "for f in sys.argv[1:]: s.send(bytes.fromhex(f))' " + frames.joined(separator: " "))
    }

    /// Sends forged frames as fast as it can, until what is returned goes. Its link may be down at times.
    func flood() throws -> Listener {
        try inNamespace(namespace) {
            try Listener(
                "python3 -c 'import socket\ns = socket.socket(17, 3)\ns.bind((\"p0\", 0))\n"
                    + "f = bytes.fromhex(\"\(Self.forged)\")\nwhile True:\n try: s.send(f)\n"
                    + " except OSError: pass'")
        }
    }

    /// How many packets came past the filter, as an ingress chain of the administrator's behind it counts them.
    func passed() throws -> Int {
        let text = try on(
            host, "nft -j list counter netdev witness passed | jq '.nftables[].counter.packets | values'")
        return try #require(Int(text))
    }

    /// Counts what comes by a device and is past the filter.
    func count(on device: String = "vif1.0") throws {
        try on(
            host,
            "nft 'table netdev witness { counter passed { }; chain c { type filter hook ingress device \(device)"
                + " priority 0; counter name passed; }; }'")
    }
}

@Suite struct FilterTakeoverTests {
    static let layouts = [
        FilterLayout(hooks: .shared, isOwned: true), FilterLayout(hooks: .shared, isOwned: false),
        FilterLayout(hooks: .perVif, isOwned: false),
    ]

    @Test(
        "the administrator's nft lists the whole ruleset as JSON while a vif has pinned a link-local address")
    func json() async throws {
        let test = try TestHost()
        let filter = try testFilter(1)
        try await test.host.transact { (access) throws(DrawbridgeError) in try access.permit(filter) }
        let guest = try TestGuest(test.namespace)
        try guest.send(TestGuest.localFrame("05"))
        let pins =
            try on(
                test.namespace,
                "nft -j list ruleset | jq -r '"
                    + ".nftables[].set | values | select(.name == \"pins\") | .elem[0].concat | join(\" \")'")
        #expect(pins == "vif1.0 fe80::5")
        let rules = try on(
            test.namespace,
            "nft -j list ruleset | jq '[.nftables[].rule | values | .expr[] | strings] | length'")
        #expect(rules == "0", "rules that are no JSON")
    }

    @Test(
        "a table that a killed daemon left is taken over as it is, but for rules that somebody changed",
        arguments: layouts)
    func takeover(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let filter = try testFilter(1)
        let guest = try TestGuest(test.namespace)
        try await leave(test.namespace, layout, filter)
        try guest.send(TestGuest.localFrame("05"))
        try on(test.namespace, "nft insert rule netdev drawbridge filtered accept")
        let heir = try Host(namespace: test.namespace, filterLayout: layout)
        let wasMade = try await heir.transact { (access) throws(DrawbridgeError) in try access.prepareFilter()
        }
        #expect(!wasMade)
        try guest.count()
        try guest.send(
            TestGuest.forged, TestGuest.localFrame("06"), TestGuest.own, TestGuest.localFrame("05"))
        #expect(try guest.passed() == 2)
        if layout.isOwned {
            #expect(
                try on(test.namespace, "nft flush table netdev drawbridge 2>&1 || true").contains(
                    "not permitted"))
        }
    }

    @Test(
        "a table of another version is replaced with what it holds, and no forged frame comes through meanwhile",
        arguments: layouts)
    func versions(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let guest = try TestGuest(test.namespace)
        // As an older version may have left it: fewer sets, one that is no more, and other rules.
        try on(
            test.namespace,
            """
            nft 'table netdev drawbridge {
                comment "drawbridge 1"
                map modes { type ifname : verdict; elements = { "vif1.0" : goto filtered }; }
                map networks { type ifname : mark; elements = { "vif1.0" : 7 }; }
                set senders { type ifname . ether_addr; elements = { "vif1.0" . 00:16:3e:00:00:01 }; }
                set ipv4-sources {
                    type ifname . ether_addr . ipv4_addr
                    elements = { "vif1.0" . 00:16:3e:00:00:01 . 10.0.0.1 }
                }
                set pinning { type ifname; elements = { "vif1.0" }; }
                set choosers { type ifname; size 65536; flags dynamic; elements = { "vif1.0" }; }
                set pins { type ifname . ipv6_addr; size 65536; flags dynamic; elements = { "vif1.0" . fe80::5 }; }
                set formerly { type ifname; elements = { "vif1.0" }; }
                chain filtered { drop; }
                chain guests {
                    type filter hook ingress devices = { vif1.0 } priority -500; policy drop
                    iifname vmap @modes
                }
            }'
            """)
        try guest.count()
        let flood = try guest.flood()
        for _ in 0..<3 {
            let heir = try Host(namespace: test.namespace, filterLayout: layout)
            _ = try await heir.transact { (access) throws(DrawbridgeError) in try access.prepareFilter() }
        }
        withExtendedLifetime(flood) {}
        #expect(try guest.passed() == 0)
        try guest.send(TestGuest.own, TestGuest.localFrame("05"), TestGuest.localFrame("06"))
        #expect(try guest.passed() == 2)
        #expect(
            try on(test.namespace, "nft list table netdev drawbridge").contains("comment \"drawbridge 1\"")
                == false)
    }

    /// Makes a filter and lets go of it, as a daemon that is killed.
    private func leave(_ namespace: Int32, _ layout: FilterLayout, _ filter: VifFilter) async throws {
        let host = try Host(namespace: namespace, filterLayout: layout)
        try await host.transact { (access) throws(DrawbridgeError) in try access.permit(filter) }
    }

    @Test("one dump tells what was dropped of all vifs, in people's words")
    func drops() async throws {
        let test = try TestHost()
        let filters = try (1...40).map { try testFilter(UInt32($0)) }
        try await test.host.transact { (access) throws(DrawbridgeError) in
            for filter in filters { try access.permit(filter) }
        }
        let guest = try TestGuest(test.namespace)
        try guest.send(
            TestGuest.forged, TestGuest.forged, TestGuest.localFrame("05"), TestGuest.localFrame("06"))
        let (drops, reads) = try await test.host.transact { (access) throws(DrawbridgeError) in
            let before = access.traffic
            return (try access.drops(), access.traffic.reads - before.reads)
        }
        #expect(reads == 1)
        #expect(drops.keys.map(\.rawValue) == ["vif1.0"])
        let words = drops.values.flatMap { $0.map { "\($0.packets) \($0.reason.text)" } }
        #expect(words == ["2 spoofed IPv4", "1 spoofed IPv6"])
    }

    @Test("attaching and detaching ask as often with hundreds of vifs as with one", arguments: layouts)
    func count(_ layout: FilterLayout) async throws {
        let test = try TestHost()
        let host = try Host(namespace: test.namespace, filterLayout: layout)
        let others = try (2...300).map { try testFilter(UInt32($0)) }
        let one = try testFilter(1)
        func asked() async throws -> KernelTraffic {
            try await host.transact { (access) throws(DrawbridgeError) in
                let before = access.traffic
                try access.permit(one)
                try access.forbid(one)
                var traffic = access.traffic
                traffic.changes -= before.changes
                traffic.sends -= before.sends
                traffic.reads -= before.reads
                return traffic
            }
        }
        _ = try await asked()
        let alone = try await asked()
        try await host.transact { (access) throws(DrawbridgeError) in
            for filter in others { try access.permit(filter) }
        }
        #expect(try await asked() == alone)
        #expect(alone.changes > 0)
    }
}
