import Glibc
import LinuxHeaders
import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

/// Two pairs that carry, with addresses of both families.
private func prepare() throws {
    try makePairs(("eth0", "far0"), ("eth1", "far1"))
    for (name, number) in [("eth0", "2"), ("eth1", "3")] {
        try run("ip", "addr", "add", "192.0.\(number).10/24", "dev", name)
        try addIPv6("2001:db8:\(number)::10/64", to: name)
    }
}

@Suite("Routes of the harder kind")
struct ReplacementTests {
    @Test(
        "a route that is read, taken away and added again is the same route",
        arguments: [
            "-4 10.1.0.0/16 encap ip id 5 dst 10.9.9.9 ttl 9 dev eth0",
            "-4 10.1.0.0/16 nexthop encap ip id 5 dst 10.9.9.9 via 192.0.2.1 dev eth0 nexthop via 192.0.3.1 dev eth1",
            "-4 10.1.0.0/16 via 192.0.2.1 dev eth0 realm 5",
            "-4 10.1.0.0/16 nexthop via 192.0.2.1 dev eth0 onlink weight 256 nexthop dev eth1 weight 1",
            "-4 10.1.0.0/16 nexthop via inet6 2001:db8:2::1 dev eth0 nexthop via 192.0.3.1 dev eth1",
            "-4 local 10.1.0.0/16 dev eth0 table local", "-4 throw 10.1.0.0/16 table 70000",
            "-4 prohibit 10.1.0.0/16",
            "-4 10.1.0.0/16 via 192.0.2.1 dev eth0 proto 99 initcwnd 20 hoplimit 3",
            "-4 10.1.0.0/16 via 192.0.2.1 dev eth0 mtu lock 1400 rto_min 1s features ecn quickack 1",
            "-4 10.1.0.0/16 via 192.0.2.1 dev eth0 congctl lock reno",
            "-4 default via 192.0.2.1 dev eth0 metric 4294967295",
            "-6 blackhole 2001:db8:f::/48", "-6 unreachable 2001:db8:f::/48 metric 5",
            "-6 2001:db8:f::/48 from 2001:db8:e::/48 via 2001:db8:2::1 dev eth0",
            "-6 2001:db8:f::/48 via fe80::1 dev eth0 onlink src 2001:db8:2::10 mtu 1400 proto dhcp",
            "-6 2001:db8:f::/48 encap ip6 id 5 dst 2001:db8:9::9 dev eth0",
            "-6 2001:db8:f::/48 nexthop via 2001:db8:2::1 dev eth0 weight 5 nexthop via 2001:db8:3::1 dev eth1",
            "-6 2001:db8:f::/48 nhid 9", "-4 10.1.0.0/16 nhid 9 metric 7", "-4 10.1.0.0/16 nhid 10",
            "-6 default via 2001:db8:2::1 dev eth0 expires 300 pref low",
            "-6 2001:db8:f::/48 via 2001:db8:2::1 dev eth0 congctl reno advmss 1200",
        ])
    func roundTrip(_ text: String) async throws {
        try await withTestNamespace {
            try prepare()
            try run("ip", "nexthop", "add", "id", "7", "via", "2001:db8:2::1", "dev", "eth0")
            try run("ip", "nexthop", "add", "id", "8", "via", "2001:db8:3::1", "dev", "eth1")
            try run("ip", "nexthop", "add", "id", "9", "group", "7,2/8,5")
            try run("ip", "nexthop", "add", "id", "10", "blackhole")
            var words = text.split(separator: " ").map(String.init)
            let flag = words.removeFirst()
            let family: AddressFamily = flag == "-4" ? .ipv4 : .ipv6
            var socket = try RouteSocket()
            let before = try socket.routes(family)
            let added = try execute(["ip", flag, "route", "add"] + words)
            if added.output.contains("not supported") || added.output.contains("encap") { return }
            try #require(added.status == 0, "\(added.output)")
            let show = {
                try run("ip", "-d", flag, "route", "show", "table", "all")
                    .replacing(/expires \d+sec/, with: "expires")
            }
            let shown = try show()
            let new = try socket.routes(family).filter { !before.contains($0) }
            try #require(new.count == 1, "\(new)")
            let route = new[0]
            #expect((route.expires != nil) == text.contains("expires"))
            try socket.commit { $0.remove(route) }
            #expect(try socket.routes(family) == before)
            try socket.commit { $0.add(route) }
            #expect(try show() == shown, "\(route)")
            let again = try socket.routes(family)
            if route.expires == nil { #expect(again.contains(route)) }
            // Replacing it by itself changes nothing.
            try socket.commit { $0.add(route, existing: .replace) }
            #expect(try show() == shown, "\(route)")
        }
    }

    @Test("an IPv4 route is replaced in place: never absent, the same key, another device")
    func replaceIPv4() async throws {
        try await withTestNamespace {
            try prepare()
            try run("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "eth0", "metric", "5")
            var socket = try RouteSocket()
            var route = try #require(try socket.routes(.ipv4).first { $0.destination == nil })
            route.nexthops[0].device = try socket.link(named: "eth1")?.index
            route.nexthops[0].flags = 4
            let moved = route
            try socket.commit { $0.add(moved, existing: .replace) }
            #expect(
                try run("ip", "route", "show", "default").contains("via 192.0.2.1 dev eth1 metric 5 onlink"))
            #expect(try socket.routes(.ipv4).filter { $0.destination == nil } == [moved])
        }
    }

    @Test("an IPv6 multipath route is replaced as a whole, one leg staying elsewhere")
    func replaceIPv6Multipath() async throws {
        try await withTestNamespace {
            try prepare()
            try run(
                "ip", "-6", "route", "add", "2001:db8:f::/48", "nexthop", "via", "2001:db8:2::1", "dev",
                "eth0", "nexthop", "via", "2001:db8:3::1", "dev", "eth1")
            var socket = try RouteSocket()
            let destination = Prefix("2001:db8:f::/48")
            var route = try #require(try socket.routes(.ipv6).first { $0.destination == destination })
            #expect(route.nexthops.count == 2)
            let eth1 = try #require(try socket.link(named: "eth1")).index
            for place in route.nexthops.indices {
                route.nexthops[place].device = eth1
                route.nexthops[place].gateway = IPAddress("2001:db8:3::\(place + 5)")
            }
            let moved = route
            try socket.commit { $0.add(moved, existing: .replace) }
            let shown = try run("ip", "-6", "route", "show", "2001:db8:f::/48")
            #expect(!shown.contains("eth0"))
            #expect(shown.contains("2001:db8:3::5") && shown.contains("2001:db8:3::6"))
            let all = try socket.routes(.ipv6).filter { $0.destination == destination }
            #expect(all.count == 1)
            #expect(Set(all[0].nexthops) == Set(moved.nexthops))
        }
    }

    @Test("adding refuses what is there; appending puts it after")
    func existing() async throws {
        try await withTestNamespace {
            try prepare()
            try run("ip", "route", "add", "10.0.0.0/8", "via", "192.0.2.1", "dev", "eth0")
            var socket = try RouteSocket()
            let first = try #require(
                try socket.routes(.ipv4).first { $0.destination == Prefix("10.0.0.0/8") })
            var second = first
            second.nexthops[0].gateway = IPAddress("192.0.2.2")
            let other = second
            do throws(NetlinkError) {
                try socket.commit { $0.add(other) }
                Issue.record("a second route of the same key was made")
            } catch {
                #expect(error.errno == EEXIST)
            }
            try socket.commit { $0.add(other, existing: .append) }
            #expect(
                try socket.routes(.ipv4).filter { $0.destination == Prefix("10.0.0.0/8") } == [first, other])
        }
    }

    @Test("routes are filtered by device, a leg of several included")
    func filter() async throws {
        try await withTestNamespace {
            try prepare()
            try run(
                "ip", "route", "add", "10.0.0.0/8", "nexthop", "via", "192.0.2.1", "dev", "eth0", "nexthop",
                "via", "192.0.3.1", "dev", "eth1")
            var socket = try RouteSocket()
            let eth1 = try #require(try socket.link(named: "eth1")).index
            let routes = try socket.routes(.ipv4, device: eth1)
            #expect(routes.allSatisfy { $0.devices.contains(eth1) })
            #expect(routes.contains { $0.destination == Prefix("10.0.0.0/8") })
            #expect(routes.contains { $0.destination == Prefix("192.0.3.0/24") })
            #expect(!routes.contains { $0.destination == Prefix("192.0.2.0/24") })
        }
    }

    @Test("replacing an address changes its lifetimes in place and keeps the order")
    func replaceAddress() async throws {
        try await withTestNamespace {
            try prepare()
            try run("ip", "addr", "add", "192.0.2.11/24", "dev", "eth0")
            var socket = try RouteSocket()
            let eth0 = try #require(try socket.link(named: "eth0")).index
            var addresses = try socket.addresses(of: eth0)
            addresses[0].preferredLifetime = 500
            addresses[0].validLifetime = 1000
            let changed = addresses[0]
            try socket.commit { $0.add(changed, existing: .replace) }
            let shown = try run("ip", "addr", "show", "eth0")
            #expect(shown.contains("valid_lft 1000sec") || shown.contains("valid_lft 999sec"))
            let after = try socket.addresses(of: eth0)
            #expect(after.map(\.prefix) == addresses.map(\.prefix))
            #expect(after[1].flags.contains(.secondary))
        }
    }
}
