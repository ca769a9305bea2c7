import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

/// What `ip` made is read, removed, made again from what was read, and read again: the two must be equal.
@Suite struct RoundTripTests {
    private static func prepare() throws {
        try makePairs(("eth0", "far0"), ("eth1", "far1"))
        try run("ip", "addr", "add", "192.0.2.10/24", "brd", "+", "dev", "eth0", "label", "eth0:x")
        try run("ip", "addr", "add", "198.51.100.10/24", "dev", "eth1")
        try addIPv6("2001:db8::10/64", to: "eth0")
    }

    @Test(
        "a route survives being read and made again",
        arguments: [
            "10.1.0.0/16 via 192.0.2.1 dev eth0",
            "10.2.0.0/16 via 192.0.2.1 dev eth0 metric 77 src 192.0.2.10 proto static mtu 1400 advmss 1300",
            "10.3.0.0/16 via 203.0.113.1 dev eth0 onlink table 1234",
            "10.4.0.0/16 nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 198.51.100.1 dev eth1 weight 5",
            "10.5.0.0/16 dev eth0 scope link tos 0x10",
            "blackhole 10.6.0.0/16", "unreachable 10.7.0.0/16 metric 9",
            "10.8.0.0/16 via inet6 2001:db8::1 dev eth0",
            "10.9.0.0/16 via 192.0.2.1 dev eth0 congctl reno",
            "2001:db8:1::/48 via 2001:db8::1 dev eth0 metric 50 pref high",
            "2001:db8:2::/48 via 2001:db8::1 dev eth0 expires 600",
            "2001:db8:3::/48 nexthop via 2001:db8::1 dev eth0 nexthop via 2001:db8::2 dev eth0",
            "10.10.0.0/16 nhid 7", "2001:db8:4::/48 dev eth0 table 300",
        ])
    func routes(text: String) async throws {
        try await withTestNamespace {
            try Self.prepare()
            try run("ip", "nexthop", "add", "id", "7", "via", "192.0.2.1", "dev", "eth0")
            let family: AddressFamily = text.contains("2001:db8:") && !text.contains("inet6") ? .ipv6 : .ipv4
            let flag = family == .ipv4 ? "-4" : "-6"
            var socket = try RouteSocket()
            let before = try socket.routes(family)
            let words = text.split(separator: " ").map(String.init)
            let added = try execute(["ip", flag, "route", "add"] + words)
            try #require(added.status == 0, "\(added.output)")
            let shown = try run("ip", "-d", flag, "route", "show", "table", "all")
            let new = try socket.routes(family).filter { !before.contains($0) }
            let route = try #require(new.first)
            try #require(new.count == 1, "\(new)")
            try socket.commit { $0.remove(route) }
            #expect(try socket.routes(family) == before)
            try socket.commit { $0.add(route) }
            let again = try run("ip", "-d", flag, "route", "show", "table", "all")
            // A second may have gone by in between.
            let lifetime = /expires \d+sec/
            #expect(
                again.replacing(lifetime, with: "") == shown.replacing(lifetime, with: ""),
                "\(text): \(route)")
        }
    }

    @Test(
        "an address survives being read and made again",
        arguments: [
            "192.0.2.20/24 dev eth0", "192.0.2.21/24 brd 192.0.2.255 dev eth0 label eth0:1",
            "10.0.0.1 peer 10.0.0.2/32 dev eth0", "203.0.113.5/28 dev eth0 noprefixroute scope link",
            "203.0.113.6/28 dev eth0 valid_lft 900 preferred_lft 800 metric 42",
            "2001:db8:5::1/64 dev eth0 nodad noprefixroute",
            "2001:db8:6::1/64 dev eth0 nodad valid_lft 700 preferred_lft 0",
            "2001:db8:7::1 peer 2001:db8:7::2/128 dev eth0 nodad",
        ])
    func addresses(text: String) async throws {
        try await withTestNamespace {
            try Self.prepare()
            var socket = try RouteSocket()
            let before = try socket.addresses()
            let added = try execute(["ip", "addr", "add"] + text.split(separator: " ").map(String.init))
            try #require(added.status == 0, "\(added.output)")
            let shown = try run("ip", "-d", "addr", "show", "eth0")
            let address = try #require(try socket.addresses().first { !before.contains($0) })
            try socket.commit { $0.remove(address) }
            #expect(try socket.addresses() == before)
            try socket.commit { $0.add(address) }
            #expect(try run("ip", "-d", "addr", "show", "eth0") == shown)
        }
    }

    @Test("neighbours, proxies, nexthop groups, rules and qdiscs are read as ip shows them")
    func others() async throws {
        try await withTestNamespace {
            try Self.prepare()
            try run(
                "ip", "neigh", "add", "192.0.2.1", "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud",
                "permanent")
            try run("ip", "neigh", "add", "proxy", "192.0.2.99", "dev", "eth0")
            try run("ip", "nexthop", "add", "id", "7", "via", "192.0.2.1", "dev", "eth0")
            try run("ip", "nexthop", "add", "id", "8", "blackhole")
            try run("ip", "nexthop", "add", "id", "9", "group", "7,3")
            try run("ip", "rule", "add", "iif", "eth0", "lookup", "300", "priority", "50")
            try run(
                "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "10mbit", "burst", "10kb",
                "limit", "20kb")
            var socket = try RouteSocket()
            let eth0 = try #require(try socket.link(named: "eth0")?.index)
            let neighbors = try socket.neighbors(of: eth0).filter { $0.state == .permanent }
            #expect(neighbors.map(\.destination) == [IPAddress("192.0.2.1")])
            #expect(try socket.neighbors(proxies: true).map(\.destination) == [IPAddress("192.0.2.99")])
            let nexthops = try socket.nexthops()
            #expect(nexthops.map(\.id) == [7, 8, 9])
            #expect(nexthops.last?.group.first?.hops == 2)
            let rule = try #require(try socket.rules(.ipv4).first { $0.priority == 50 })
            #expect(rule.inputName == "eth0" && rule.table == 300)
            let qdisc = try #require(try socket.qdiscs(of: eth0).first)
            guard case .tokenBucket(let bucket) = qdisc.kind else { throw TestFailure("\(qdisc.kind)") }
            #expect(bucket.rate == 1_250_000)
            #expect(bucket.limit == 20480)
            let shown = try run("tc", "qdisc", "show", "dev", "eth0")
            try socket.commit { $0.remove(qdisc) }
            try socket.commit { $0.replace(qdisc) }
            #expect(try run("tc", "qdisc", "show", "dev", "eth0") == shown)
            let group = try #require(nexthops.last)
            try socket.commit {
                $0.removeNexthop(9)
                $0.replace(group)
            }
            #expect(try run("ip", "nexthop", "show", "id", "9").contains("group 7,3"))
        }
    }
}
