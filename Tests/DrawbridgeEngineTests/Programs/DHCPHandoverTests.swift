import DrawbridgeModel
import Glibc
import Synchronization
import Testing

@testable import DrawbridgeEngine

/// Real clients and a real server: each test takes as long as its leases.
@Suite struct DHCPHandoverTests {
    func delegate(_ lab: DHCPLab, _ log: Lines) -> DHCPHandover.Delegate {
        DHCPHandover.Delegate(
            recordChanged: { _ in },
            leaseBegan: { lease in
                let lifetime = lease.remaining.map { "valid_lft \($0) preferred_lft \($0)" } ?? ""
                log.append("lease of \(lease.address) on \(lease.interface)")
                _ = try? await lab.inHost(
                    "ip -4 addr change \(lease.address)/24 dev \(lease.interface) \(lifetime)")
            }, log: { log.append($0) })
    }

    func startUdhcpc(_ lab: DHCPLab) async throws {
        // Debian's own script, but for the machine's resolver, which is not the test's to change.
        _ = try await lab.inHost(
            "sed 's|^RESOLV_CONF=.*|RESOLV_CONF=\(lab.directory.path)/resolv.conf|' /etc/udhcpc/default.script > \(lab.directory.path)/script; chmod +x \(lab.directory.path)/script"
        )
        var program = Program(
            .path("/usr/sbin/udhcpc"),
            arguments: [
                "udhcpc", "-b", "-i", "eth0", "-s", "\(lab.directory.path)/script", "-p",
                "\(lab.directory.path)/udhcpc.pid", "-x", "hostname:web",
            ], environment: ["PATH=\(CustomScript.searchPath)", "MARK=1"])
        program.outlivesRunner = true
        _ = try await lab.inside.run(program)
    }

    func startDhclient(_ lab: DHCPLab) async throws {
        var program = Program(
            .path("/usr/sbin/dhclient"),
            arguments: [
                "/sbin/dhclient", "-4", "-pf", "\(lab.directory.path)/dhclient.pid", "-lf",
                "\(lab.directory.path)/dhclient.leases", "eth0",
            ], environment: ["PATH=\(CustomScript.searchPath)", "MARK=1"])
        program.outlivesRunner = true
        _ = try await lab.inside.run(program)
    }

    enum Kind: String, CaseIterable { case udhcpc, dhclient }

    @Test(arguments: Kind.allCases)
    func `A lease is renewed twice on the bridge and once after, and the address never goes`(
        kind: Kind
    ) async throws {
        // udhcpc takes no lease for shorter than 16 s.
        try await DHCPLab.with(lease: kind == .udhcpc ? 16 : 12) { try await handOver(kind, in: $0) }
    }

    func handOver(_ kind: Kind, in lab: DHCPLab) async throws {
        let log = Lines()
        switch kind {
        case .udhcpc: try await startUdhcpc(lab)
        case .dhclient: try await startDhclient(lab)
        }
        #expect(try await lab.wait { try await lab.leased(on: "eth0") != nil })
        let address = try #require(try await lab.leased(on: "eth0"))
        try await lab.inHost(
            "ip addr add 198.51.100.7/24 dev eth0; ip route add 203.0.113.0/24 via 192.0.2.1")
        let before = try await lab.inHost("ip -4 route; ip -4 -o addr show eth0 | awk '{print $4, $6}'")

        let clients = RunningDHCPClient.all(on: "eth0", inNamespaceOf: "/proc/\(lab.inside.thread)")
        #expect(clients.count == 1)
        let client = try #require(clients.first)
        #expect(client.command.kind.rawValue == kind.rawValue)
        #expect(client.environment.contains("MARK=1"))
        let handover = try DHCPHandover(
            of: client, uplink: "eth0", bridge: lab.bridge, address: String(address.prefix { $0 != "/" }),
            stateDirectory: lab.directory.path, runner: lab.inside, delegate: delegate(lab, log))

        try await handover.rest()
        #expect(client.reference.isStopped)
        try await lab.moveToBridge()
        let lines = lab.addresses.all.count
        let confirmed = lab.confirmations
        try await handover.raise()
        // One for the client's start, and two renewals.
        #expect(try await lab.wait { lab.confirmations >= confirmed + 3 }, "\(lab.server.all) \(log.all)")
        #expect(try await lab.leased(on: lab.bridge) == address)
        #expect(client.reference.isStopped)

        // A client that dies is there again.
        let substitute = try #require(await handover.record.substitute)
        #expect(substitute.signal(SIGKILL))
        #expect(
            try await lab.wait {
                let now = await handover.record.substitute
                return now != nil && now != substitute
            })
        let again = lab.confirmations
        #expect(try await lab.wait { lab.confirmations > again })
        #expect(try await lab.leased(on: lab.bridge) == address)
        // Nothing ever took the address away.
        #expect(
            lab.addresses.all.dropFirst(lines).filter { $0.contains("Deleted") && $0.contains(lab.bridge) }
                == [])

        await handover.lower()
        #expect(await handover.record.substitute == nil)
        #expect(
            RunningDHCPClient.all(on: lab.bridge, inNamespaceOf: "/proc/\(lab.inside.thread)")
                .filter { $0.command.interfaces == [lab.bridge] } == [])
        try await lab.moveBack()
        let after = lab.addresses.all.count
        let woken = lab.confirmations
        try await handover.wake()
        #expect(try await lab.wait { lab.confirmations >= woken + 2 }, "\(lab.server.all) \(log.all)")
        #expect(try await lab.leased(on: "eth0") == address)
        #expect(
            lab.addresses.all.dropFirst(after).filter { $0.contains("Deleted") && $0.contains("eth0") } == [])
        #expect(
            try await lab.inHost("ip -4 route; ip -4 -o addr show eth0 | awk '{print $4, $6}'").sorted()
                == before.sorted())
        let now = RunningDHCPClient.all(on: "eth0", inNamespaceOf: "/proc/\(lab.inside.thread)")
        #expect(now.map(\.command.arguments) == [client.command.arguments])
        #expect(now.first?.environment == client.environment || kind == .dhclient)
        #expect(!lab.server.all.contains { $0.uppercased().contains("RELEASE") })
        #expect(try await lab.inHost("ls /var/lib/dhcp | grep -F drawbridge-\(lab.bridge)- || true") == [])
    }

    @Test func `A dhclient whose lease still lasts is woken, not started anew`() async throws {
        try await DHCPLab.with(lease: 600) { try await wakeEarly($0) }
    }

    func wakeEarly(_ lab: DHCPLab) async throws {
        let log = Lines()
        try await startDhclient(lab)
        #expect(try await lab.wait { try await lab.leased(on: "eth0") != nil })
        let client = try #require(
            RunningDHCPClient.all(on: "eth0", inNamespaceOf: "/proc/\(lab.inside.thread)").first)
        let handover = try DHCPHandover(
            of: client, uplink: "eth0", bridge: lab.bridge, address: nil, stateDirectory: lab.directory.path,
            runner: lab.inside, delegate: delegate(lab, log))
        try await handover.rest()
        // The next daemon goes on from what was remembered.
        let resumed = DHCPHandover(
            resuming: await handover.record, stateDirectory: lab.directory.path, runner: lab.inside,
            delegate: delegate(lab, log))
        try await resumed.wake()
        #expect(try await lab.wait { !client.reference.isStopped })
        #expect(client.reference.isRunning)
        #expect(
            RunningDHCPClient.all(on: "eth0", inNamespaceOf: "/proc/\(lab.inside.thread)").map(\.reference)
                == [client.reference])
    }
}
