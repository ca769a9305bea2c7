import Glibc
import LinuxHeaders
import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

@Suite("Links of every kind")
struct KindTests {
    @Test(
        "a link that ip made is read, deleted, made again and is the same to ip",
        arguments: [
            "br0 type bridge forward_delay 0 stp_state 1 ageing_time 20000 priority 4096 hello_time 300",
            "br0 type bridge mcast_snooping 0", "br0 type bridge nf_call_iptables 0 nf_call_arptables 1",
            "ifb7 type ifb",
            "vx0 type vxlan id 42 local 192.0.2.10 remote 192.0.2.11 dstport 4790 nolearning",
            "vx0 type vxlan id 43 group 239.1.1.1 dev eth0 dstport 4789",
            "vx0 type vxlan id 44 local 2001:db8::10 remote 2001:db8::11 dstport 4789",
            "mv0 link eth0 type macvlan mode private", "mv0 link eth0 type macvlan mode bridge",
            "mv0 link eth0 type macvlan mode vepa",
        ])
    func kind(_ text: String) async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
            try run("ip", "addr", "add", "192.0.2.10/24", "dev", "eth0")
            let added = try execute(["ip", "link", "add"] + text.split(separator: " ").map(String.init))
            try #require(added.status == 0, "\(added.output)")
            let name = String(text.prefix { $0 != " " })
            // The address of an ifb is given at its birth only.
            if name != "ifb7" { try run("ip", "link", "set", name, "address", "02:00:00:00:00:77") }
            try run("ip", "link", "set", name, "mtu", "1400", "group", "70000")
            try run("ip", "link", "set", name, "alias", "a vif", "txqueuelen", "77")
            var socket = try RouteSocket()
            let (index, link) = try #require(try socket.link(named: name))
            // What is counted or depends on the time is no setting.
            let reported = /"(gc_timer|hello_timer|tcn_timer|topology_change_timer|ifindex)":[0-9.]+,?/
            let show = { try run("ip", "-d", "-j", "link", "show", name).replacing(reported, with: "") }
            let shown = try show()
            try socket.commit { $0.deleteLink(index) }
            #expect(try socket.link(index: index) == nil)
            let made = try socket.commit { $0.create(link) }
            #expect(try show() == shown, "\(text)")
            let again = try #require(try socket.link(named: name))
            #expect(made[0] == again.index)
            #expect(again.link == link, "\(text)")
        }
    }

    @Test("a tap is read with its owner, its group and how long it lives")
    func tap() async throws {
        try await withTestNamespace {
            try run("ip", "tuntap", "add", "tap0", "mode", "tap", "user", "33", "group", "44", "multi_queue")
            try run("ip", "tuntap", "add", "tun0", "mode", "tun")
            var socket = try RouteSocket()
            guard case .tun(let tap) = try #require(try socket.link(named: "tap0")).link.kind,
                case .tun(let tun) = try #require(try socket.link(named: "tun0")).link.kind
            else { throw TestFailure("no tap") }
            #expect(tap.isTap && tap.isPersistent && tap.isMultiQueue && !tap.hasVirtioHeader)
            #expect(tap.owner == 33 && tap.group == 44)
            #expect(!tun.isTap && tun.owner == nil && tun.group == nil)
        }
    }

    @Test("a pair's other end is born in the guest's namespace, with its name, address and MTU")
    func vethInNamespace() async throws {
        try await withTestNamespace {
            let guest = try makeNamespace()
            defer { close(guest) }
            var socket = try RouteSocket()
            var bridge = Link<Int32>(name: "xenbr0")
            bridge.kind = .bridge(BridgeSettings())
            let made = try socket.commit { $0.create(bridge) }
            var vif = Link<Int32>(name: "vif3.1")
            vif.kind = .veth
            vif.master = made[0]
            vif.group = 70001
            vif.alias = "drawbridge vif3.1"
            let peer = VethPeer(
                name: "eth0", address: MACAddress("00:16:3e:00:00:01"), mtu: 1400, namespace: guest)
            try socket.commit { $0.create(vif, peer: peer) }
            let host = try run("ip", "-d", "link", "show", "vif3.1")
            #expect(host.contains("master xenbr0") && host.contains("group 70001"))
            #expect(host.contains("alias drawbridge vif3.1") && !host.contains("UP"))
            let inside = try inNamespace(guest) { try run("ip", "link", "show", "eth0") }
            #expect(inside.contains("00:16:3e:00:00:01") && inside.contains("mtu 1400"))
            let link = try #require(try socket.link(named: "vif3.1")).link
            #expect(link.kind == .veth && link.parentNamespace != nil && link.master == made[0])
        }
    }

    @Test("a link moves to another namespace by descriptor and keeps its name")
    func move() async throws {
        try await withTestNamespace {
            let guest = try makeNamespace()
            defer { close(guest) }
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
            var socket = try RouteSocket()
            let far = try #require(try socket.link(named: "far0")).index
            var settings = LinkSettings()
            settings.namespace = guest
            let change = settings
            try socket.commit { $0.set(far, change) }
            #expect(try socket.link(named: "far0") == nil)
            #expect(try inNamespace(guest) { try RouteSocket.find("far0") })
        }
    }

    @Test("a group is deleted in one request, and nothing else")
    func group() async throws {
        try await withTestNamespace {
            var socket = try RouteSocket()
            try socket.commit { batch in
                for number in 0..<5 {
                    var link = Link<Int32>(name: "ifbx\(number)")
                    link.kind = .ifb
                    link.group = number < 3 ? 70002 : 0
                    batch.create(link)
                }
            }
            try socket.commit { $0.deleteLinks(inGroup: 70002) }
            #expect(try socket.links().values.map(\.name).sorted() == ["ifbx3", "ifbx4", "lo"])
        }
    }

    @Test("alternative names are added, found however long, read in order, and removed")
    func alternativeNames() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "br0", "type", "bridge")
            var socket = try RouteSocket()
            let index = try #require(try socket.link(named: "br0")).index
            let long = "an-alternative-name-of-more-than-fifteen-octets"
            try socket.commit {
                $0.addAlternativeName("enp9s0", to: index)
                $0.addAlternativeName(long, to: index)
            }
            #expect(try socket.link(named: long)?.index == index)
            #expect(try socket.link(named: "enp9s0")?.index == index)
            #expect(try socket.link(index: index)?.link.alternativeNames == ["enp9s0", long])
            #expect(try run("ip", "link", "show", "br0").contains("altname \(long)"))
            try socket.commit { $0.removeAlternativeName("enp9s0", from: index) }
            #expect(try socket.link(named: "enp9s0") == nil)
            #expect(try socket.link(index: index)?.link.alternativeNames == [long])
        }
    }

    @Test("every setting of a port is set as asked, and the others stay")
    func port() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "br0", "type", "bridge")
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
            try run("ip", "link", "set", "eth0", "master", "br0")
            var socket = try RouteSocket()
            let index = try #require(try socket.link(named: "eth0")).index
            let before = try #require(try socket.link(index: index)?.link.port)
            var wanted = BridgePortSettings()
            wanted.cost = 77
            wanted.priority = 9
            (wanted.hairpin, wanted.bpduGuard, wanted.rootBlock) = (true, true, true)
            (wanted.learning, wanted.unicastFlood, wanted.multicastFlood) = (false, false, false)
            (wanted.broadcastFlood, wanted.isolated, wanted.neighbourSuppression) = (false, true, true)
            (wanted.proxyARP, wanted.locked) = (true, false)
            var settings = LinkSettings()
            settings.port = wanted
            let change = settings
            try socket.commit { $0.set(index, change) }
            var read = try #require(try socket.link(index: index)?.link.port)
            read.state = nil
            #expect(read == wanted)
            let shown = try run("bridge", "-d", "link", "show", "dev", "eth0")
            for text in ["hairpin on", "guard on", "root_block on", "learning off", "isolated on", "cost 77"]
            {
                #expect(shown.contains(text), "\(text): \(shown)")
            }
            #expect(shown.contains(" flood off"))
            var back = LinkSettings()
            back.port = before
            let restore = back
            try socket.commit { $0.set(index, restore) }
            #expect(try socket.link(index: index)?.link.port == before)
        }
    }

    @Test("of a link are set: name, MTU, address, group, queue, alias, flags, address generation, no master")
    func settings() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "br0", "type", "bridge")
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
            try run("ip", "link", "set", "eth0", "master", "br0")
            var socket = try RouteSocket()
            let index = try #require(try socket.link(named: "eth0")).index
            var settings = LinkSettings()
            settings.name = "peth0"
            settings.mtu = 1300
            settings.address = MACAddress("fe:ff:ff:ff:ff:ff")
            settings.group = 9
            settings.transmitQueueLength = 33
            settings.alias = "x"
            settings.master = 0
            settings.addressGeneration = AddressGeneration.none
            settings.flagMask = [.up, .noARP, .multicast]
            settings.flags = [.up, .noARP]
            let change = settings
            try socket.commit { $0.set(index, change) }
            let shown = try run("ip", "-d", "link", "show", "peth0")
            for text in [
                "mtu 1300", "fe:ff:ff:ff:ff:ff", "group 9", "qlen 33", "alias x", "addrgenmode none", "NOARP",
            ] {
                #expect(shown.contains(text), "\(text): \(shown)")
            }
            #expect(!shown.contains("master") && !shown.contains("MULTICAST"))
            let link = try #require(try socket.link(index: index)).link
            #expect(link.flags.contains([.up, .noARP]) && !link.flags.contains(.multicast))
            #expect(link.addressGeneration == AddressGeneration.none)
            #expect(link.master == nil)
        }
    }

    @Test("dumps filter by master and by kind")
    func filters() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "br0", "type", "bridge")
            try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
            try run("ip", "link", "set", "eth0", "master", "br0")
            var socket = try RouteSocket()
            let bridge = try #require(try socket.link(named: "br0")).index
            #expect(try socket.links(master: bridge).values.map(\.name) == ["eth0"])
            #expect(try socket.links(kind: "bridge").values.map(\.name) == ["br0"])
            #expect(try socket.links(kind: "veth").values.map(\.name).sorted() == ["eth0", "far0"])
        }
    }
}

extension RouteSocket {
    /// Whether the thread's namespace has a link of this name.
    fileprivate static func find(_ name: String) throws -> Bool {
        var socket = try RouteSocket()
        return try socket.link(named: name) != nil
    }
}
