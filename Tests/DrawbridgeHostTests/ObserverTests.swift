import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import TestSupport
import Testing

/// What is observed is what `ip` tells.
@Suite struct ObserverTests {
    @Test("the state of a network holds what ip tells of its uplink")
    func network() async throws {
        let world = try TestHost()
        try on(
            world.namespace,
            "ip addr add 192.0.2.10/24 brd + dev eth0; ip addr add 192.0.2.11/24 dev eth0 label eth0:1; "
                + "ip addr add 198.51.100.1 peer 198.51.100.2 dev eth0; "
                + "ip -6 addr add 2001:db8::10/64 dev eth0 nodad; ip route add default via 192.0.2.1; "
                + "ip route add 203.0.113.0/24 via 192.0.2.1 metric 7 table 100; "
                + "ip neigh add 192.0.2.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent; "
                + "ip neigh add proxy 192.0.2.77 dev eth0; ip rule add iif eth0 table 100 priority 900; "
                + "ip link property add dev eth0 altname enp0s1; sysctl -q net.ipv4.conf.eth0.rp_filter=2")
        let network = try #require(theNetwork)
        let observation = try await world.host.transact { access throws(DrawbridgeError) in
            try access.observe(network)
        }
        let state = observation.state
        let uplink = LinkKey.uplink(network.name)
        let link = try #require(state.links[uplink])
        #expect(link.name == "eth0")
        #expect(link.alternativeNames == ["enp0s1"])
        #expect(link.address?.description == "02:00:00:00:00:01")
        #expect(
            "\(try #require(observation.bindings.indexes[uplink]))"
                == (try on(world.namespace, "ip -j link show eth0 | jq .[0].ifindex")))
        let addresses = (state.addresses[uplink] ?? []).map { "\($0.prefix)" }
        let told = try on(
            world.namespace,
            "ip -j addr show eth0 | jq -r '.[0].addr_info[] | select(.scope != \"link\") | \"\\(.local)/\\(.prefixlen)\"'"
        ).split(separator: "\n").map(String.init)
        #expect(addresses.filter { !$0.hasPrefix("fe80") } == told)
        #expect(told.count == 4)
        #expect(state.addresses[uplink]?.first { $0.label == "eth0:1" }?.flags.contains(.secondary) == true)
        #expect(
            state.routes.contains { $0.destination == nil && $0.family == .ipv4 && $0.devices == [uplink] })
        #expect(state.routes.contains { $0.table == 100 && $0.metric == 7 })
        #expect(state.neighbors.contains { $0.destination.description == "192.0.2.99" })
        #expect(state.neighbors.contains { $0.isProxy && $0.destination.description == "192.0.2.77" })
        #expect(state.rules.contains { $0.inputName == "eth0" && $0.priority == 900 })
        #expect(state.setting(.reversePathFilter, of: uplink) == "2")
        #expect(state.globals[.promotesSecondaries] == "0")
        let count = try on(world.namespace, "find /proc/sys/net/ipv*/*/eth0 -type f -perm -200 | wc -l")
        #expect(state.setting(.largeReceiveOffload, of: uplink) != nil)
        let read = state.settings[uplink]?.keys.filter { $0 != .largeReceiveOffload }.count ?? 0
        // A secret that is not set cannot be read, and the mode of address generation is the link's.
        #expect(read == Int(count).map { $0 - 2 })
    }

    @Test("an uplink is found by its alternative name, by its index, and not by another's address")
    func references() async throws {
        let world = try TestHost()
        try on(world.namespace, "ip link property add dev eth0 altname enp0s1")
        let network = try #require(theNetwork)
        let index = try #require(Int32(try on(world.namespace, "ip -j link show eth0 | jq .[0].ifindex")))
        let name = try #require(LinkName("enp0s1"))
        let found = try await world.host.transact { access throws(DrawbridgeError) in
            try [
                UplinkReference.name(name), .identity(index: index, permanentAddress: nil),
                .identity(index: index, permanentAddress: MACAddress(value: 7)),
                .identity(index: index + 1000, permanentAddress: nil), .none,
            ].map { reference throws(DrawbridgeError) in
                try access.observe(.network(network, uplink: reference)).bindings
                    .indexes[.uplink(network.name)]
            }
        }
        #expect(found == [index, index, nil, nil, nil])
    }

    @Test("§7-20: a bridge and a vif are bound by their marks whatever they are called")
    func marks() async throws {
        let world = try TestHost()
        try on(
            world.namespace,
            "ip link add odd type bridge; ip link set odd alias 'drawbridge bridge xenbr0'; "
                + "ip link add strange master odd type veth peer name p0; ip link set strange alias 'drawbridge uses vif3.1'; "
                + "ip link add vif7.0 type veth peer name p1; ip link set vif7.0 alias 'drawbridge uses vif9.9'"
        )
        let network = try #require(theNetwork)
        let observation = try await world.host.transact { access throws(DrawbridgeError) in
            try access.observe(network)
        }
        #expect(observation.bindings.names[.bridge(network.name)] == "odd")
        let vif = LinkKey.vif(VifID(domain: 3, device: 1))
        #expect(observation.bindings.names[vif] == "strange")
        #expect(observation.state.links[vif]?.master == .bridge(network.name))

        let name = try #require(LinkName("vif7.0"))
        let others = try await world.host.transact { access throws(DrawbridgeError) in
            try access.observe(
                .vifs(
                    [VifDevice(id: VifID(domain: 7, device: 0), names: [name])], bridges: [:]))
        }
        #expect(others.state.links.isEmpty)
    }

    @Test("a vif is observed with a handful of look-ups, however many there are")
    func vifs() async throws {
        let world = try TestHost()
        try on(
            world.namespace,
            "ip link add xenbr0 type bridge; for i in $(seq 1 40); do echo link add vif$i.0 type veth peer name p$i; done | ip -batch -; "
                + "ip addr add 192.0.2.5/32 dev vif7.0")
        let network = try #require(theNetwork)
        let vif = VifID(domain: 7, device: 0)
        let name = try #require(LinkName(vif.description))
        let gone = VifDevice(id: VifID(domain: 99, device: 0), names: [try #require(LinkName("vif99.0"))])
        let (observation, reads) = try await world.host.transact { access throws(DrawbridgeError) in
            let before = access.traffic.reads
            let observation = try access.observe(
                .vifs([VifDevice(id: vif, names: [name]), gone], bridges: [network.name: network.bridge]))
            return (observation, access.traffic.reads - before)
        }
        #expect(Set(observation.state.links.keys) == [.bridge(network.name), .vif(vif)])
        #expect(observation.state.addresses[.vif(vif)]?.first?.prefix.description == "192.0.2.5/32")
        #expect(observation.state.settings[.vif(vif)]?[.disableIPv6] == "0")
        // Each vif: the device, what limits it, its two places for a limit, its addresses.
        #expect(reads <= 8)
    }

    @Test("the identity of the namespace is its own, and no link is in the group that is given")
    func identity() async throws {
        let world = try TestHost()
        let other = try TestHost()
        let one = try await world.host.identity()
        #expect(one != (try await other.host.identity()))
        #expect(one.bootID == (try on(world.namespace, "cat /proc/sys/kernel/random/boot_id")))
        let (group, members) = try await world.host.transact { access throws(DrawbridgeError) in
            let group = try access.freeGroup()
            return (group, try access.links(inGroup: group))
        }
        #expect(group > 0xffff)
        #expect(members.isEmpty)
        try on(world.namespace, "ip link set eth0 group \(group)")
        let taken = try await world.host.transact { access throws(DrawbridgeError) in
            try access.links(inGroup: group)
        }
        #expect(Array(taken.values) == ["eth0"])
    }
}
