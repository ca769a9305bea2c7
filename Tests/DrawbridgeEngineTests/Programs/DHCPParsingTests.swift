import DrawbridgeModel
import Glibc
import Testing

@testable import DrawbridgeEngine

@Suite struct DHCPParsingTests {
    @Test func `udhcpc's command line is understood, however its options are written`() throws {
        let line = [
            "/sbin/udhcpc", "-bR", "-ieth1", "-p", "/run/u.pid", "-x", "hostname:web",
            "-x0x3d:0100163e5e6c00",
            "--request-option=33", "-C", "-V", "me", "-s/etc/x", "-r", "192.0.2.9", "-a", "-t", "5", "-S",
        ]
        let command = try #require(DHCPClientCommand(line))
        #expect(command.kind == .udhcpc)
        #expect(command.interfaces == ["eth1"])
        #expect(command.pidFile == "/run/u.pid")
        #expect(command.releasesAtExit)
        #expect(
            command.inherited == [
                "-x", "hostname:web", "-x", "0x3d:0100163e5e6c00", "-O", "33", "-C", "-V", "me", "-a", "-t",
                "5",
                "-S",
            ])
        #expect(DHCPClientCommand(["busybox", "udhcpc"])?.interfaces == ["eth0"])
        #expect(DHCPClientCommand(["/bin/busybox", "udhcpc", "-i", "e"])?.handles("e") == true)
        #expect(DHCPClientCommand(["busybox", "ls"]) == nil)
        #expect(DHCPClientCommand(["udhcpcd", "-i", "eth0"]) == nil)
        #expect(DHCPClientCommand([]) == nil)
        #expect(DHCPClientCommand(["udhcpc", "-i"])?.interfaces == ["eth0"])
    }

    @Test func `dhclient's command line is understood`() throws {
        let line = [
            "/sbin/dhclient", "-4", "-v", "-i", "-pf", "/run/dhclient.eth0.pid", "-lf",
            "/var/lib/dhcp/dhclient.eth0.leases", "-I", "-df", "/var/lib/dhcp/dhclient6.eth0.leases", "-H",
            "web",
            "-C", "id", "-sf", "/x", "-e", "IF_METRIC=100", "eth0",
        ]
        let command = try #require(DHCPClientCommand(line))
        #expect(command.kind == .dhclient)
        #expect(command.interfaces == ["eth0"])
        #expect(command.pidFile == "/run/dhclient.eth0.pid")
        #expect(command.leaseFile == "/var/lib/dhcp/dhclient.eth0.leases")
        #expect(
            command.inherited == ["-4", "-i", "-I", "-H", "web", "-C", "id", "-e", "IF_METRIC=100"])
        #expect(!command.isIPv6)
        #expect(DHCPClientCommand(["dhclient", "-6", "eth0"])?.isIPv6 == true)
        #expect(DHCPClientCommand(["dhclient"])?.handles("whatever") == true)
        #expect(DHCPClientCommand(["dhclient", "eth1"])?.handles("eth0") == false)
    }

    @Test func `Other clients are known by name and refused with advice`() async throws {
        var client = try #require(Self.client(["dhcpcd", "-b", "eth0"]))
        func refusal() -> DrawbridgeError? {
            do throws(DrawbridgeError) {
                try client.checkHandover(from: "eth0")
                return nil
            } catch { return error }
        }
        #expect(refusal()?.kind == .unsupported)
        #expect(refusal()?.advice?.contains("dhcp-client: ignore") == true)
        client = try #require(Self.client(["dhclient", "-6", "eth0"]))
        #expect(refusal()?.cause.contains("DHCPv6") == true)
        client = try #require(Self.client(["dhclient", "eth0", "eth1"]))
        #expect(refusal()?.cause.contains("other interfaces") == true)
        client = try #require(Self.client(["udhcpc"]))
        #expect(refusal() == nil)
    }

    static func client(_ line: [String]) -> RunningDHCPClient? {
        guard let command = DHCPClientCommand(line) else { return nil }
        return RunningDHCPClient(
            reference: ProcessReference(process: 1, startTime: 1), command: command,
            executable: "/bin/busybox",
            environment: [], directory: "/", standardFiles: [], cgroup: nil)
    }

    let leases = """
        default-duid "\\000\\001";
        lease {
          interface "eth0";
          fixed-address 192.0.2.7;
          option host-name "a } b; expire never";
          renew 2 2026/11/24 10:20:30;
          expire 2 2026/11/24 10:20:30;
        }
        lease {
          interface "eth1";
          fixed-address 192.0.2.8;
          expire never;
        }
        lease {
          interface "eth0";
          fixed-address 192.0.2.9;
          expire epoch 1795515630; # Tue Nov 24
        }
        lease {
          interface "eth0";

        """

    @Test func `Of dhclient's leases the last whole one of the interface counts`() throws {
        let file = DHCPLeaseFile(leases)
        #expect(file.leases.map(\.address) == ["192.0.2.7", "192.0.2.8", "192.0.2.9"])
        #expect(file.leases.map(\.expiry) == [1_795_515_630, nil, 1_795_515_630])
        #expect(file.current(for: "eth0")?.address == "192.0.2.9")
        #expect(file.current(for: "eth2") == nil)
    }

    @Test func `Leases and configuration get the bridge's name where the uplink's stands`() {
        let text = DHCPLeaseFile.renamed(leases, from: "eth0", to: "xenbr0")
        #expect(DHCPLeaseFile(text).current(for: "xenbr0")?.address == "192.0.2.9")
        #expect(DHCPLeaseFile(text).current(for: "eth1")?.address == "192.0.2.8")
        #expect(text.contains("default-duid"))
        let configuration = "interface \"eth0\" {\n  send host-name \"eth0\";\n}\ninterface \"eth01\" {}\n"
        #expect(
            DHCPLeaseFile.renamed(configuration, from: "eth0", to: "b0")
                == "interface \"b0\" {\n  send host-name \"eth0\";\n}\ninterface \"eth01\" {}\n")
    }

    @Test func `A process is found with all that starting it again needs, root's alone`() async throws {
        let directory = try TestDirectory()
        let runner = try ProgramRunner()
        // The name is all that makes it a client: sleep under another.
        symlink("/bin/sleep", directory.path + "/dhclient")
        func start(_ user: String) async throws -> RunningProgram {
            var program = Program(
                .path("/usr/bin/setpriv"),
                arguments: [
                    "setpriv", "--reuid", user, "--clear-groups", directory.path + "/dhclient", "1000",
                ], environment: ["X=1", "Y=a b"])
            program.directory = "/usr"
            return try await runner.start(program)
        }
        chmod(directory.path, 0o755)
        let ours = try await start("0")
        let theirs = try await start("65534")
        defer {
            ours.kill()
            theirs.kill()
        }
        var found: [RunningDHCPClient] = []
        for _ in 0..<200 where found.isEmpty {
            found = RunningDHCPClient.all(on: "1000", inNamespaceOf: "/proc/\(runner.thread)")
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(found.map(\.reference) == [ours.reference])
        #expect(found.first?.environment == ["X=1", "Y=a b"])
        #expect(found.first?.directory == "/usr")
        #expect(found.first?.executable.hasSuffix("/sleep") == true)
        #expect(found.first?.standardFiles.first == "/dev/null")
    }

    @Test func `What keeps ending is started again, with growing pauses, until it is stopped`() async throws {
        let runner = try ProgramRunner()
        let lines = Lines()
        let supervisor = Supervisor(
            name: "it", runner: runner,
            backoff: .init(first: .milliseconds(10), longest: .milliseconds(40), healthy: .seconds(60)),
            program: { () throws(DrawbridgeError) in Program(.path("/bin/false"), arguments: ["false"]) },
            changed: { lines.append($0 == nil ? "-" : "+") }, log: { _ in })
        try await supervisor.start()
        for _ in 0..<500 where await supervisor.starts < 4 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await supervisor.starts >= 4)
        await supervisor.stop()
        let starts = await supervisor.starts
        try await Task.sleep(for: .milliseconds(200))
        #expect(await supervisor.starts == starts)
        #expect(lines.all.prefix(4) == ["+", "-", "+", "-"])
    }

    @Test func `A program left by one daemon is taken up by the next, and not started twice`() async throws {
        let runner = try ProgramRunner()
        func supervisor() -> Supervisor {
            Supervisor(
                name: "it", runner: runner, backoff: .init(first: .milliseconds(10)),
                program: { () throws(DrawbridgeError) in
                    Program(.path("/bin/sleep"), arguments: ["sleep", "1000"])
                }, changed: { _ in }, log: { _ in })
        }
        let first = supervisor()
        try await first.start()
        let process = try #require(await first.process)
        await first.leave()
        let second = supervisor()
        try await second.start(adopting: process)
        #expect(await second.process == process)
        #expect(await second.starts == 0)
        process.signal(SIGKILL)
        for _ in 0..<500 where await second.starts == 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await second.starts == 1)
        await second.stop()
        #expect(await first.starts == 1)
    }
}
