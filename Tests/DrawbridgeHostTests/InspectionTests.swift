import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

/// What speaks against taking an uplink, found beside real programs.
@Suite struct InspectionTests {
    private func inspect(_ world: borrowing TestHost) async throws -> UplinkInspection {
        let name = try #require(LinkName("eth0"))
        return try await world.host.transact { access throws(DrawbridgeError) in
            guard let device = try access.link(named: name) else {
                throw DrawbridgeError(.notFound, "eth0", "is gone")
            }
            return try access.inspect(uplink: device.index)
        }
    }

    @Test("a device that nobody uses has nothing against it")
    func nothing() async throws {
        let world = try TestHost()
        #expect(try await inspect(world) == UplinkInspection())
        await #expect(throws: DrawbridgeError(.notFound, "interface 9999", "there is no such interface")) {
            _ = try await world.host.transact { access throws(DrawbridgeError) in
                try access.inspect(uplink: 9999)
            }
        }
    }

    @Test("firewall rules that name it are told as nft finds them")
    func references() async throws {
        let world = try TestHost()
        try on(
            world.namespace,
            "nft 'table inet filter { set wan { type ifname; elements = { \"eth0\" }; }; chain input { type filter hook input priority 0; iifname \"lo\" accept; iif \"eth0\" drop; oifname @wan accept; }; }'"
        )
        let handles = try on(
            world.namespace,
            "nft -a list chain inet filter input | sed -n 's/.*\\(eth0\\|@wan\\).*handle \\([0-9]*\\)/\\2/p'"
        ).split(separator: "\n")
        #expect(handles.count == 2)
        #expect(
            try await inspect(world).facts.firewallReferences == [
                "nftables table inet filter chain input rule handle \(handles[0]) (iif)",
                "nftables table inet filter chain input rule handle \(handles[1]) (oifname in @wan)",
            ])
    }

    @Test("a program whose socket is bound to it is named")
    func sockets() async throws {
        let world = try TestHost()
        let bound = try inNamespace(world.namespace) {
            let bound = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard setsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4) == 0 else {
                throw TestFailure("SO_BINDTODEVICE: errno \(errno)")
            }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(12345).bigEndian
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(bound, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else { throw TestFailure("bind: errno \(errno)") }
            return bound
        }
        let found = try await inspect(world)
        close(bound)
        #expect(found.facts.boundSockets.count == 1)
        #expect(found.facts.boundSockets.first?.hasSuffix("(process \(getpid()))") == true)
        #expect(found.facts.dhcpClient == nil)
        #expect(try await inspect(world).facts.boundSockets == [])
    }

    @Test("udhcpc is known for a DHCP client while it asks, and while it waits without a socket")
    func udhcpc() async throws {
        let world = try TestHost()
        let script = "/tmp/udhcpc-\(getpid()).sh"
        let file = try #require(fopen(script, "w"))
        fputs(
            "#!/bin/sh\n[ \"$1\" = bound ] && ip addr replace $ip/24 dev $interface valid_lft $lease preferred_lft $lease\nexit 0\n",
            file)
        fclose(file)
        chmod(script, 0o755)
        defer { unlink(script) }
        let client = try inNamespace(world.namespace) {
            try Listener("busybox udhcpc -f -i eth0 -s \(script) -t 50 -T 1")
        }
        try await eventually { try await inspect(world).clients.count == 1 }
        let asking = try await inspect(world)
        #expect(asking.clients.first?.process == client.identifier)
        #expect(asking.facts.dhcpClient?.hasSuffix("(process \(client.identifier))") == true)
        #expect(asking.facts.boundSockets == [])
        #expect(!asking.hasFiniteLifetimes)

        let server = try inNamespace(world.router) {
            try Listener(
                "dnsmasq -k --port=0 --conf-file=/dev/null --pid-file= --user=root --interface=router0 --bind-interfaces "
                    + "--leasefile-ro --dhcp-range=192.0.2.50,192.0.2.60,120s")
        }
        #expect(server.identifier > 0)
        try await eventually { try await inspect(world).hasFiniteLifetimes }
        let bound = try await inspect(world)
        #expect(bound.clients.map(\.process) == [client.identifier])
        #expect(bound.clients.first?.arguments.contains("eth0") == true)
    }

    @Test("dhclient is known by its packet socket though its arguments do not name the device last")
    func dhclient() async throws {
        let world = try TestHost()
        let client = try inNamespace(world.namespace) {
            try Listener(
                "dhclient -d -1 -cf /dev/null -lf /dev/null -pf /tmp/dhclient-\(getpid()).pid -sf /bin/true eth0"
            )
        }
        try await eventually { try await inspect(world).clients.map(\.process) == [client.identifier] }
        #expect(try await inspect(world).facts.dhcpClient == "dhclient (process \(client.identifier))")
        unlink("/tmp/dhclient-\(getpid()).pid")
    }

    @Test("a device's changes are told as they happen, and those of another namespace are not")
    func changes() async throws {
        let world = try TestHost()
        let events = try await world.host.transact { access throws(DrawbridgeError) in
            try access.changes()
        }
        try on(world.router, "ip addr add 203.0.113.1/24 dev router0")
        try on(world.namespace, "ip addr add 192.0.2.44/24 dev eth0")
        var addresses: [String] = []
        for await event in events {
            guard case .address(let address) = event, address.prefix.family == .ipv4 else { continue }
            addresses.append(address.prefix.description)
            break
        }
        #expect(addresses == ["192.0.2.44/24"])
    }

    @Test("a tap is made with its owner and options, and deleted again")
    func tap() async throws {
        let world = try TestHost()
        let name = try #require(LinkName("vif5.0"))
        var settings = TunSettings()
        settings.isPersistent = true
        settings.owner = 1234
        settings.isMultiQueue = true
        settings.hasVirtioHeader = true
        let made = settings
        let index = try await world.host.transact { access throws(DrawbridgeError) in
            try access.createTap(name, made)
        }
        #expect(
            try on(world.namespace, "ip -d link show vif5.0").contains(
                "tun type tap pi off vnet_hdr on multi_queue"))
        #expect(try on(world.namespace, "ip -d link show vif5.0").contains("user 1234"))
        #expect(try on(world.namespace, "ip -j link show vif5.0 | jq .[0].ifindex") == "\(index)")
        await #expect(throws: DrawbridgeError.self) {
            try await world.host.transact { access throws(DrawbridgeError) in
                _ = try access.createTap(name, made)
            }
        }
        try await world.host.transact { access throws(DrawbridgeError) in try access.deleteTap(name, made) }
        #expect(try on(world.namespace, "ip link show vif5.0 2>&1 || true").contains("does not exist"))
    }

    @Test("the offload features are those that ethtool prints")
    func features() async throws {
        let world = try TestHost()
        let features = try await world.host.transact { access in access.features(ofLink: "eth0") }
        let told = try on(
            world.namespace,
            "ethtool -k eth0 | sed -n 's/^\\t*\\(tx-scatter-gather\\|tx-tcp-segmentation\\): \\(on\\|off\\).*/\\1 \\2/p'"
        )
        .split(separator: "\n").map(String.init)
        #expect(told.count == 2)
        for line in told {
            let words = line.split(separator: " ")
            #expect(features[String(words[0])] == (words[1] == "on"), "\(line)")
        }
        #expect(features.count > 30)
    }
}
