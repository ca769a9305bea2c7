import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import TestSupport
import Testing

/// Plans carried out on a real kernel, judged by `ip`.
@Suite struct ApplierTests {
    static let configuration =
        "ip addr add 192.0.2.10/24 brd + dev eth0; ip addr add 192.0.2.11/24 dev eth0 label eth0:1; "
        + "ip -6 addr add 2001:db8::10/64 dev eth0 nodad; ip route add default via 192.0.2.1; "
        + "ip route add 198.51.100.0/24 via 192.0.2.1 metric 7 src 192.0.2.11 mtu 1400; "
        + "ip route add 203.0.113.0/24 via 192.0.2.1 table 100; ip -6 route add default via 2001:db8::1; "
        + "ip neigh add 192.0.2.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent; "
        + "sysctl -q net.ipv4.conf.eth0.rp_filter=2 net.ipv6.conf.eth0.accept_ra=0"

    @Test(
        "§7-3: a bridge takes the uplink's place, and gives it back as it was", arguments: ["0", "1"])
    func thereAndBack(promote: String) async throws {
        let world = try TestHost()
        try on(world.namespace, Self.configuration + " net.ipv4.conf.all.promote_secondaries=\(promote)")
        // The link-local address is still tentative for a second.
        try await Task.sleep(for: .milliseconds(2500))
        let network = BridgeNetwork(try #require(theNetwork), group: 0x1_2345)
        let before = try dump(world.namespace)
        let baseline = try await world.host.transact { access throws(DrawbridgeError) in
            try access.observe(network.network)
        }
        let slice = baseline.state.slice(of: network.scope)
        let raised = try network.raised(from: slice)
        let (applied, sends) = try await world.host.transact { access throws(DrawbridgeError) in
            let before = access.traffic.sends
            let applied = try access.reach(raised, of: network, from: baseline)
            return (applied, access.traffic.sends - before)
        }
        try applied.get()
        #expect(applied.warnings == [])
        // Three of them are for the way round the uplink.
        #expect(sends <= 13)
        #expect(
            try on(world.namespace, "ip -j link show eth0 | jq -r '.[0].master'") == "xenbr0")
        #expect(
            try on(
                world.namespace, "ip -j -4 addr show xenbr0 | jq -c '[.[0].addr_info[] | [.local, .label]]'")
                == #"[["192.0.2.10","xenbr0"],["192.0.2.11","xenbr0:1"]]"#)
        #expect(try on(world.namespace, "ip -4 addr show eth0 | grep -c inet || true") == "0")
        #expect(
            try on(world.namespace, "ip -j route get 203.0.113.9 | jq -r '.[0].dev'") == "xenbr0")
        #expect(
            try on(world.namespace, "ip route show table 100") == "203.0.113.0/24 via 192.0.2.1 dev xenbr0 ")
        #expect(
            try on(
                world.namespace,
                "ip -d -j link show xenbr0 | jq -r '.[0] | [.address, .ifalias, .group, .mtu] | @csv'")
                == #""02:00:00:00:00:01","drawbridge bridge xenbr0","74565",1500"#)
        #expect(try on(world.namespace, "sysctl -n net.ipv4.conf.xenbr0.rp_filter") == "2")
        try on(world.namespace, "ping -c 1 -W 1 192.0.2.1")

        let second = try await world.host.transact { access throws(DrawbridgeError) in
            let observation = try access.observe(network.network)
            let plan = try? difference(from: observation.state.slice(of: network.scope), to: raised)
            return plan?.lines(from: observation.state, to: raised)
        }
        #expect(second == [])

        let back = try await world.host.transact { access throws(DrawbridgeError) in
            try access.reach(slice, of: network, from: try access.observe(network.network))
        }
        try back.get()
        let after = try dump(world.namespace)
        for (left, right) in zip(before, after) { #expect(left == right) }
        #expect(try on(world.namespace, "ip -br link show xenbr0 2>&1 || true").contains("does not exist"))
    }

    @Test("a step that the kernel refuses is told with its object, the kernel's text, and how far it came")
    func refusal() async throws {
        let world = try TestHost()
        let network = try #require(theNetwork)
        let applied = try await world.host.transact { access throws(DrawbridgeError) in
            let observation = try access.observe(network)
            let key = LinkKey.uplink(network.name)
            var change = LinkChange()
            change.mtu = 1400
            var wrong = LinkChange()
            wrong.mtu = 10
            var late = LinkChange()
            late.mtu = 1300
            let plan = Plan(steps: [
                Step(.settings, .setLink(key, change)), Step(.port, .setLink(key, wrong)),
                Step(.up, .setLink(key, late)),
            ])
            return access.apply(plan, bindings: observation.bindings)
        }
        #expect(applied.steps == 1)
        #expect(applied.failedStep == 1)
        #expect(applied.failure?.kind == .kernel)
        #expect(applied.failure?.object == "eth0")
        #expect(applied.failure?.cause.contains("Invalid argument: mtu less than device minimum") == true)
        #expect(
            try on(world.namespace, "cat /proc/self/net/dev >/dev/null; ip -j link show eth0 | jq .[0].mtu")
                == "1400")
    }

    @Test("a setting that the kernel refuses is told with its name and the exact cause")
    func settings() async throws {
        let world = try TestHost()
        let network = try #require(theNetwork)
        let key = LinkKey.uplink(network.name)
        func set(_ setting: SettingKey, _ value: String) async throws -> Applied {
            try await world.host.transact { access throws(DrawbridgeError) in
                let observation = try access.observe(network)
                return access.apply(
                    Plan(steps: [Step(.settings, .setSetting(key, setting, value))]),
                    bindings: observation.bindings)
            }
        }
        #expect(try await set(.reversePathFilter, "1").failure == nil)
        #expect(try on(world.namespace, "sysctl -n net.ipv4.conf.eth0.rp_filter") == "1")
        #expect(try await set(.reversePathFilter, "many").failure?.cause.contains("Invalid argument") == true)
        #expect(
            try await set(SettingKey(.ipv4Conf, "no_such"), "1").failure?.cause.contains("No such file")
                == true)
        #expect(
            try await set(SettingKey(.ipv4Conf, "../all/forwarding"), "1").failure?.kind == .invalidArgument)
        #expect(try on(world.namespace, "sysctl -n net.ipv4.conf.all.forwarding") == "0")
    }

    @Test(
        "§7-21: a pair is made with its other end in the guest's namespace, by one request and its mark by another"
    )
    func pair() async throws {
        let world = try TestHost()
        let guest = try makeNamespace()
        let id = VifID(domain: 3, device: 1)
        let network = try #require(theNetwork)
        let peerName = try #require(LinkName("eth0"))
        try on(world.namespace, "ip link add xenbr0 type bridge")
        let (applied, changes) = try await world.host.transact { access throws(DrawbridgeError) in
            var link = Link<LinkKey>(name: "vif3.1")
            link.kind = .veth
            link.master = .bridge(network.name)
            link.alias = "drawbridge vif3.1"
            link.addressGeneration = AddressGeneration.none
            link.address = .xenVif
            let observation = try access.observe(.vifs([], bridges: [network.name: network.bridge]))
            let peer = PeerLink(name: peerName, address: MACAddress(value: 0x16_3e00_0001), mtu: nil)
            var up = LinkChange()
            up.isUp = true
            let plan = Plan(steps: [
                Step(.create, .createLink(.vif(id), link, peer: peer)), Step(.up, .setLink(.vif(id), up)),
            ])
            let before = access.traffic.changes
            let applied = access.apply(plan, bindings: observation.bindings, peers: [.vif(id): guest])
            return (applied, access.traffic.changes - before)
        }
        try applied.get()
        #expect(applied.steps == 2)
        #expect(changes == 3)
        #expect(
            try on(guest, "ip -j link show eth0 | jq -r '.[0].address'") == "00:16:3e:00:00:01")
        #expect(
            try on(
                world.namespace,
                "ip -d -j link show vif3.1 | jq -r '.[0] | [.ifalias, .master, .inet6_addr_gen_mode] | @csv'")
                == #""drawbridge vif3.1","xenbr0","none""#)
        #expect(
            try "\(#require(applied.bindings.indexes[.vif(id)]))"
                == on(world.namespace, "ip -j link show vif3.1 | jq .[0].ifindex"))
    }

    @Test("a carrier that does not come is a warning after the time that was given, not a failure")
    func carrier() async throws {
        let world = try TestHost()
        let network = try #require(theNetwork)
        try on(
            world.namespace,
            "ip link add xenbr0 type bridge; ip link add idle master xenbr0 up type veth peer name off0; ip link set xenbr0 up"
        )
        func wait(_ key: LinkKey, _ seconds: UInt32) async throws -> Applied {
            try await world.host.transact { access throws(DrawbridgeError) in
                let observation = try access.observe(network)
                return access.apply(
                    Plan(steps: [Step(.up, .awaitCarrier(key, seconds))]), bindings: observation.bindings)
            }
        }
        // The kernel looks after a bridge's carrier at leisure.
        try await eventually { try on(world.namespace, "ip link show xenbr0").contains("NO-CARRIER") }
        let without = try await wait(.bridge(network.name), 1)
        #expect(without.failure == nil)
        #expect(without.warnings == ["xenbr0: no carrier after 1 s"])
        #expect(try await wait(.uplink(network.name), 60).warnings == [])
        // The wait ends when the carrier comes, long before the limit.
        async let waiting = wait(.bridge(network.name), 60)
        try await Task.sleep(for: .milliseconds(200))
        try on(world.namespace, "ip link set eth0 master xenbr0")
        #expect(try await waiting.warnings == [])
    }

    @Test("every group is reported and routers are solicited, as a listener beyond the wire sees")
    func reports() async throws {
        let world = try TestHost()
        try on(
            world.namespace, "ip addr add 192.0.2.10/24 dev eth0; ip addr add 239.1.2.3/32 dev eth0 autojoin")
        try await Task.sleep(for: .milliseconds(2500))
        let capture = try inNamespace(world.router) {
            try Listener(
                "timeout 4 tcpdump -l -n -v -i router0 -Q in '(igmp or ip6) and ether src 02:00:00:00:00:01'"
            )
        }
        try await Task.sleep(for: .milliseconds(1200))
        let network = try #require(theNetwork)
        let applied = try await world.host.transact { access throws(DrawbridgeError) in
            let observation = try access.observe(network)
            let key = LinkKey.uplink(network.name)
            return access.apply(
                Plan(steps: [Step(.repair, .reportMulticast(key)), Step(.repair, .solicitRouters(key))]),
                bindings: observation.bindings)
        }
        try applied.get()
        #expect(applied.warnings == [])
        let seen = capture.text()
        #expect(seen.contains("gaddr 239.1.2.3 to_ex"))
        #expect(seen.contains("gaddr ff02::1:ff00:1 to_ex"))
        #expect(seen.contains("> ff02::2: [icmp6 sum ok] ICMP6, router solicitation"))
    }
}
