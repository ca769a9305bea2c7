import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

@Suite struct LinkTests {
    @Test("several links are read in one round trip, whatever is missing among them")
    func severalLinks() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "br0", "type", "bridge")
            try run("ip", "link", "property", "add", "dev", "br0", "altname", "a-name-that-is-rather-long")
            var socket = try RouteSocket()
            let index = try #require(try socket.link(named: "br0")?.index)
            let before = socket.roundTrips
            let read = try socket.links([
                .named("none0"), .named("br0"), .index(99_999), .index(index),
                .named("a-name-that-is-rather-long"), .named("none1"),
            ])
            #expect(read.map { $0?.index } == [nil, index, nil, index, index, nil])
            #expect(read[1]?.link.name == "br0")
            #expect(socket.roundTrips == before + 1)
            #expect(try socket.links([]).isEmpty)
        }
    }

    @Test("a bridge, a pair and their settings are made as asked, and read back")
    func links() async throws {
        try await withTestNamespace {
            var socket = try RouteSocket()
            var settings = BridgeSettings()
            settings.spanningTree = 0
            settings.forwardDelay = 0
            settings.multicastSnooping = false
            settings.callIPTables = false
            var bridge = Link<Int32>(name: "xenbr0")
            bridge.kind = .bridge(settings)
            bridge.address = MACAddress("02:00:00:00:00:01")
            bridge.alias = "drawbridge bridge xenbr0"
            bridge.addressGeneration = AddressGeneration.none
            let made = try socket.commit { $0.create(bridge) }
            let index = try #require(made[0])

            let guest = try makeNamespace()
            var vif = Link<Int32>(name: "vif1.0")
            vif.kind = .veth
            vif.master = index
            vif.group = 70000
            try socket.commit {
                $0.create(
                    vif,
                    peer: VethPeer(name: "eth0", address: MACAddress("00:16:3e:00:00:01"), namespace: guest))
            }
            let read = try #require(try socket.link(named: "vif1.0"))
            #expect(read.link.master == index)
            #expect(read.link.group == 70000)
            #expect(read.link.portKind == "bridge")
            let peer = try inNamespace(guest) { try run("ip", "-o", "link", "show", "eth0") }
            #expect(peer.contains("00:16:3e:00:00:01"))
            let shown = try run("ip", "-d", "-o", "link", "show", "xenbr0")
            #expect(shown.contains("stp_state 0") && shown.contains("forward_delay 0"))
            #expect(shown.contains("mcast_snooping 0") && shown.contains("nf_call_iptables 0"))
            #expect(shown.contains("addrgenmode none"))
            let back = try #require(try socket.link(index: index))
            #expect(back.link.addressGeneration == AddressGeneration.none)
            #expect(back.link.alias == "drawbridge bridge xenbr0")
            guard case .bridge(let is_) = back.link.kind else { throw TestFailure("not a bridge") }
            #expect(is_.multicastSnooping == false && is_.forwardDelay == 0 && is_.spanningTree == 0)
            #expect(try socket.links(master: index).count == 1)
            #expect(try socket.links(kind: "bridge").keys.sorted() == [index])
            #expect(try socket.link(named: "nosuch")?.index == nil)
        }
    }

    @Test(
        "what rtnetlink refuses is told with its place and the kernel's words, and the rest of the batch happens"
    )
    func refusals() async throws {
        try await withTestNamespace {
            var socket = try RouteSocket()
            var first = Link<Int32>(name: "br1")
            first.kind = .bridge(BridgeSettings())
            var last = Link<Int32>(name: "br2")
            last.kind = .bridge(BridgeSettings())
            do throws(NetlinkError) {
                try socket.commit {
                    $0.create(first)
                    $0.create(first)
                    $0.create(last)
                }
                Issue.record("the second of the same name was made")
            } catch {
                #expect(error.index == 1)
                #expect(error.errno == 17)
            }
            #expect(try socket.link(named: "br2")?.index != nil)
        }
    }
}
