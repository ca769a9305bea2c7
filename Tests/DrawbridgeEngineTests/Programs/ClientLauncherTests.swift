import Testing

@testable import DrawbridgeEngine

@Suite struct ClientLauncherTests {
    func client(_ arguments: [String], from executable: String) throws -> RunningDHCPClient {
        RunningDHCPClient(
            reference: ProcessReference(process: 7, startTime: 1),
            command: try #require(DHCPClientCommand(arguments)), executable: executable,
            environment: ["A=1"], directory: "/", standardFiles: [], cgroup: nil)
    }

    @Test(
        "A file that holds several programs is told which one to be",
        arguments: [
            (["udhcpc", "-i", "eth0"], "/usr/bin/busybox", ["/usr/bin/busybox", "udhcpc", "-i", "eth0"]),
            (["busybox", "udhcpc", "-f"], "/usr/bin/busybox", ["/usr/bin/busybox", "udhcpc", "-f"]),
            (["dhclient", "eth0"], "/usr/sbin/dhclient", ["/usr/sbin/dhclient", "eth0"]),
        ])
    func words(arguments: [String], executable: String, expected: [String]) throws {
        #expect(ClientLauncher.words(try client(arguments, from: executable), arguments) == expected)
    }

    @Test(
        "A client that stays in the foreground is waited for otherwise than one that does not",
        arguments: [(["dhclient", "eth0"], "forking"), (["dhclient", "-d", "eth0"], "exec")])
    func types(arguments: [String], type: String) throws {
        let program = ClientLauncher.program(
            "/run-client", restarting: try client(arguments, from: "/usr/sbin/dhclient"), on: "eth0")
        #expect(program.arguments.prefix(5) == ["/run-client", "host", "eth0", type, "/"])
        #expect(program.environment == ["A=1"])
    }

    @Test("A client started again is the same call, whatever name it has; one for another lease is not")
    func successors() throws {
        let old = try #require(DHCPClientCommand(["/sbin/dhclient", "-4", "-lf", "/l", "eth0"]))
        let same = try #require(DHCPClientCommand(["/usr/sbin/dhclient", "-4", "-lf", "/l", "eth0"]))
        let other = try #require(DHCPClientCommand(["/sbin/dhclient", "-4", "-lf", "/m", "eth0"]))
        #expect(old.isSame(as: same))
        #expect(!old.isSame(as: other))
    }
}
