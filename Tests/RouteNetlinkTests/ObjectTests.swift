import LinuxHeaders
import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

/// A veth pair that is up, with addresses, in the thread's namespace.
private func prepare() throws {
    try makePairs(("eth0", "far0"))
    try run("ip", "addr", "add", "192.0.2.10/24", "dev", "eth0")
    try addIPv6("2001:db8::10/64", to: "eth0")
}

private func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

@Suite("Rules, nexthops, neighbours and qdiscs that are read and made again are the same to ip and tc")
struct ObjectTests {
    @Test(
        "a rule",
        arguments: [
            "priority 50 iif eth0 lookup 300", "priority 51 oif eth0 lookup 7",
            "priority 52 from 10.0.0.0/8 to 192.168.0.0/16 tos 0x10 lookup main",
            "priority 53 fwmark 0x5/0xff lookup 1000", "priority 54 from 10.1.0.0/16 blackhole",
            "priority 55 not from 10.2.0.0/16 lookup 300", "priority 56 iif nowhere0 prohibit",
            "priority 57 lookup 300 suppress_prefixlength 0", "priority 58 uidrange 10-20 lookup 300",
            "priority 59 ipproto tcp dport 80 lookup 300", "priority 60 goto 32766",
        ])
    func rule(_ text: String) async throws {
        try await withTestNamespace {
            try prepare()
            var socket = try RouteSocket()
            let before = try socket.rules(.ipv4)
            let added = try execute(["ip", "rule", "add"] + words(text))
            try #require(added.status == 0, "\(added.output)")
            let shown = try run("ip", "-d", "-j", "rule", "show")
            let rule = try #require(try socket.rules(.ipv4).first { !before.contains($0) })
            try socket.commit { $0.remove(rule) }
            #expect(try socket.rules(.ipv4) == before)
            try socket.commit { $0.add(rule) }
            #expect(try run("ip", "-d", "-j", "rule", "show") == shown)
            #expect(try socket.rules(.ipv4).contains(rule))
        }
    }

    @Test(
        "a nexthop object or group",
        arguments: [
            "id 20 via 192.0.2.1 dev eth0 protocol static", "id 20 via 203.0.113.9 dev eth0 onlink",
            "id 20 via 2001:db8::1 dev eth0", "id 20 dev eth0", "id 20 blackhole", "id 20 group 7,3/8,200",
            "id 20 group 7/8 type resilient buckets 32 idle_timer 60 unbalanced_timer 90",
            "id 20 via 192.0.2.1 dev eth0 encap ip id 5 dst 10.9.9.9",
        ])
    func nexthop(_ text: String) async throws {
        try await withTestNamespace {
            try prepare()
            try run("ip", "nexthop", "add", "id", "7", "via", "192.0.2.1", "dev", "eth0")
            try run("ip", "nexthop", "add", "id", "8", "via", "192.0.2.2", "dev", "eth0")
            let added = try execute(["ip", "nexthop", "add"] + words(text))
            try #require(added.status == 0, "\(added.output)")
            var socket = try RouteSocket()
            let shown = try run("ip", "-d", "-j", "nexthop", "show")
            let nexthop = try #require(try socket.nexthops().first { $0.id == 20 })
            try socket.commit { $0.removeNexthop(20) }
            #expect(try socket.nexthops().map(\.id) == [7, 8])
            try socket.commit { $0.replace(nexthop) }
            let unbalanced = /"unbalanced_time":[0-9.]+/
            #expect(
                try run("ip", "-d", "-j", "nexthop", "show").replacing(unbalanced, with: "")
                    == shown.replacing(unbalanced, with: ""))
            #expect(try socket.nexthops().first { $0.id == 20 } == nexthop)
        }
    }

    @Test("a nexthop object moves to another device without losing the routes that use it")
    func movedNexthop() async throws {
        try await withTestNamespace {
            try prepare()
            try run("ip", "nexthop", "add", "id", "7", "via", "192.0.2.1", "dev", "eth0", "onlink")
            try run("ip", "route", "add", "10.0.0.0/8", "nhid", "7")
            try run("ip", "link", "add", "br0", "type", "bridge")
            try run("ip", "link", "set", "br0", "up")
            var socket = try RouteSocket()
            var nexthop = try #require(try socket.nexthops().first)
            nexthop.device = try socket.link(named: "br0")?.index
            let moved = nexthop
            try socket.commit { $0.replace(moved) }
            #expect(try run("ip", "route", "show", "10.0.0.0/8").contains("dev br0"))
        }
    }

    @Test(
        "a neighbour",
        arguments: [
            "192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
            "192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0 nud noarp protocol static",
            "2001:db8::2 lladdr 02:00:00:00:00:03 dev eth0 nud permanent router",
            "proxy 192.0.2.99 dev eth0", "proxy 2001:db8::99 dev eth0 protocol static",
            "192.0.2.3 dev eth0 managed extern_learn",
        ])
    func neighbor(_ text: String) async throws {
        try await withTestNamespace {
            try prepare()
            let isProxy = text.hasPrefix("proxy")
            let added = try execute(["ip", "neigh", "add"] + words(text))
            if text.contains("managed"), added.status != 0 { return }
            try #require(added.status == 0, "\(added.output)")
            var socket = try RouteSocket()
            let eth0 = try #require(try socket.link(named: "eth0")?.index)
            let destination = try #require(IPAddress(words(text)[isProxy ? 1 : 0]))
            let chosen: (Neighbor<Int32>) -> Bool = { $0.destination == destination }
            let neighbor = try #require(try socket.neighbors(of: eth0, proxies: isProxy).first(where: chosen))
            let shown = try run("ip", "-d", "neigh", "show", "\(neighbor.destination)", "nud", "all")
            try socket.commit { $0.remove(neighbor) }
            #expect(try socket.neighbors(of: eth0, proxies: isProxy).first(where: chosen) == nil)
            try socket.commit { $0.replace(neighbor) }
            #expect(try run("ip", "-d", "neigh", "show", "\(neighbor.destination)", "nud", "all") == shown)
            #expect(try socket.neighbors(of: eth0, proxies: isProxy).first(where: chosen) == neighbor)
        }
    }

    @Test("entries of a forwarding database: static, of a VLAN, and of a VXLAN device with its endpoint")
    func forwarding() async throws {
        try await withTestNamespace {
            try prepare()
            // A kernel without VLAN filtering has no entries of VLANs.
            let hasVLANs = try execute(words("ip link add br0 type bridge vlan_filtering 1")).status == 0
            if !hasVLANs { try run("ip", "link", "add", "br0", "type", "bridge") }
            try run("ip", "link", "set", "far0", "master", "br0")
            try run("ip", "link", "add", "vx0", "type", "vxlan", "id", "9", "dstport", "4789")
            try run("ip", "link", "set", "vx0", "master", "br0")
            if hasVLANs { try run("bridge", "vlan", "add", "vid", "5", "dev", "far0") }
            let vlan = hasVLANs ? ["vlan", "5"] : []
            let added = try execute(words("bridge fdb add 02:00:00:00:00:09 dev far0 master static") + vlan)
            try #require(added.status == 0, "\(added.output)")
            try run("bridge", "fdb", "add", "02:00:00:00:00:0a", "dev", "vx0", "dst", "10.0.0.7", "self")
            var socket = try RouteSocket()
            let br0 = try #require(try socket.link(named: "br0")?.index)
            let shown = try run("bridge", "fdb", "show", "br", "br0")
            for address in ["02:00:00:00:00:09", "02:00:00:00:00:0a"] {
                let entries = try socket.forwardingEntries(bridge: br0).filter {
                    $0.address == MACAddress(address)
                }
                try #require(entries.count == 1, "\(shown)")
                try socket.commit { $0.remove(entries[0]) }
                #expect(try !run("bridge", "fdb", "show", "br", "br0").contains(address))
                try socket.commit { $0.replace(entries[0]) }
                #expect(try socket.forwardingEntries(bridge: br0).contains(entries[0]))
            }
            let again = try run("bridge", "fdb", "show", "br", "br0")
            #expect(Set(again.split(separator: "\n")) == Set(shown.split(separator: "\n")))
        }
    }

    @Test(
        "a token bucket is as deep after it was set again as before, and as tc says",
        arguments: [
            "rate 8kbit burst 1600 limit 3000", "rate 10mbit burst 10kb limit 20kb",
            "rate 100mbit burst 16000 limit 100000", "rate 1gbit burst 125000 limit 1mb",
            "rate 9999999bit burst 15001 limit 40001", "rate 40gbit burst 5mb limit 10mb",
            "rate 10mbit burst 10kb latency 50ms peakrate 12mbit mtu 1540",
            "rate 10mbit burst 10kb limit 20kb overhead 24",
        ])
    func tokenBucket(_ text: String) async throws {
        try await withTestNamespace {
            try prepare()
            let added = try execute(
                ["tc", "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "tbf"] + words(text))
            try #require(added.status == 0, "\(added.output)")
            var socket = try RouteSocket()
            let eth0 = try #require(try socket.link(named: "eth0")?.index)
            let shown = try run("tc", "-d", "qdisc", "show", "dev", "eth0")
            let qdisc = try #require(try socket.qdiscs(of: eth0).first)
            try socket.commit { $0.remove(qdisc) }
            #expect(try run("tc", "-d", "qdisc", "show", "dev", "eth0") != shown)
            try socket.commit { $0.replace(qdisc) }
            #expect(try run("tc", "-d", "qdisc", "show", "dev", "eth0") == shown)
            #expect(try socket.qdiscs(of: eth0).first == qdisc, "\(text)")
        }
    }

    @Test(
        "a qdisc of another kind",
        arguments: [
            "htb default 0x10", "pfifo limit 77", "prio bands 4", "fq_codel limit 500 target 6ms", "ingress",
        ])
    func opaqueQdisc(_ text: String) async throws {
        try await withTestNamespace {
            try prepare()
            let place = text == "ingress" ? [] : ["root", "handle", "1:"]
            let added = try execute(["tc", "qdisc", "add", "dev", "eth0"] + place + words(text))
            // A kernel without this kind has nothing to show.
            if added.status != 0, added.output.contains("unknown") { return }
            try #require(added.status == 0, "\(added.output)")
            var socket = try RouteSocket()
            let eth0 = try #require(try socket.link(named: "eth0")?.index)
            // How many packets htb passed by its classes is no setting.
            let show = {
                try run("tc", "-d", "qdisc", "show", "dev", "eth0")
                    .replacing(/direct_packets_stat \d+/, with: "")
            }
            let shown = try show()
            let qdisc = try #require(try socket.qdiscs(of: eth0).first { text.hasPrefix($0.kind.name) })
            try socket.commit { $0.remove(qdisc) }
            #expect(try show() != shown)
            try socket.commit { $0.replace(qdisc) }
            #expect(try show() == shown)
        }
    }
}
