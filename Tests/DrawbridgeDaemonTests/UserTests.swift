import DrawbridgeAPI
import DrawbridgeModel
import Glibc
import TestSupport
import Testing

/// Other users, by their real credentials (setpriv(1)).
@Suite("Users other than root", .ownThread)
struct UserTests {
    private func command(
        _ test: TestDaemon, user: UInt32, groups: UInt32?, _ arguments: String...
    ) throws -> ProgramResult {
        try execute(
            [
                "setpriv", "--reuid", "\(user)", "--regid", "\(user)",
                groups.map { "--groups=\($0)" } ?? "--clear-groups", "\(TestDaemon.programs)/drawbridge",
            ] + arguments + ["--socket", test.socket])
    }

    /// The client under one of its names, with arguments.
    private func client(
        _ test: TestDaemon, user: UInt32, groups: String, _ call: String
    ) throws -> ProgramResult {
        let words = call.split(separator: " ", maxSplits: 1)
        return try execute([
            "setpriv", "--reuid", "\(user)", "--regid", "\(user)", groups, "env",
            "DRAWBRIDGE_SOCKET=\(test.socket)", "bash", "-c",
            "exec -a \(words[0]) \(TestDaemon.programs)/drawbridge-hotplug \(words[1])",
        ])
    }

    @Test("the socket belongs to the group, whose members look and connect vifs of their own, and no more")
    func member() async throws {
        let test = try await TestDaemon()
        var status = stat()
        #expect(stat(test.socket, &status) == 0)
        #expect(status.st_gid == TestDaemon.group && status.st_mode & 0o777 == 0o660)

        let namespace = try await onThread { try makeNamespace() }
        defer { close(namespace) }
        // A name that others may open, as /run/netns has them.
        let name = "\(test.directory)/netns"
        try TestDaemon.write("", to: name)
        try run("mount", "--bind", "/proc/\(getpid())/fd/\(namespace)", name)
        defer { _ = umount2(name, Int32(MNT_DETACH)) }

        let group = TestDaemon.group
        #expect(try command(test, user: 1000, groups: group, "vif", "list").status == 0)
        let added = try command(test, user: 1000, groups: group, "vif", "add", "3.1", "--netns", name)
        #expect(added.output == "vif3.1: connected\n")
        #expect(await test.engine.requests.last?.owner == 1000)
        #expect(try test.call(GetVif(id: "vif3.1")).vif.owner == 1000)

        for (user, arguments) in [
            (1001, ["vif", "remove", "3.1"]), (1001, ["vif", "add", "3.1", "--netns", name]),
            (1000, ["vif", "add", "--device", "vif4.0"]), (1000, ["network", "start", "xenbr0"]),
            (1000, ["network", "stop", "xenbr0", "--dry-run"]), (1000, ["daemon", "stop"]),
            (1000, ["daemon", "reload"]),
        ] as [(UInt32, [String])] {
            let result = try execute(
                [
                    "setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--groups=\(group)",
                    "\(TestDaemon.programs)/drawbridge",
                ] + arguments + ["--socket", test.socket])
            #expect(result.status == 4, "\(arguments): \(result.output)")
        }
        let script = try execute([
            "setpriv", "--reuid", "1000", "--regid", "1000", "--groups=\(group)", "env",
            "DRAWBRIDGE_SOCKET=\(test.socket)", "bash", "-c",
            "exec -a vif-bridge \(TestDaemon.programs)/drawbridge-hotplug online",
        ])
        #expect(script.status == 4, "\(script.output)")
        let ifup = try client(test, user: 1000, groups: "--groups=\(group)", "qemu-ifup tap0")
        #expect(ifup.status == 4, "\(ifup.output)")
        // A tap of their own they may have; this engine has no kernel to make it.
        let helper = try client(
            test, user: 1000, groups: "--groups=\(group)", "qemu-bridge-helper --br=xenbr0 --fd=7")
        #expect(helper.status == 9, "\(helper.output)")
        let stranger = try client(
            test, user: 1002, groups: "--clear-groups", "qemu-bridge-helper --br=xenbr0 --fd=7")
        #expect(stranger.status == 4, "\(stranger.output)")
        #expect(
            await test.engine.calls.filter { $0 != "startUp" && $0 != "started" } == [
                "attach vif3.1 dryRun=false"
            ])
        #expect(await test.engine.invocations.isEmpty)
        #expect(try command(test, user: 1000, groups: group, "vif", "remove", "3.1").status == 0)
        try await test.stop()
    }

    @Test("others cannot even connect, and are told so")
    func stranger() async throws {
        let test = try await TestDaemon()
        let result = try command(test, user: 1000, groups: nil, "vif", "list")
        #expect(result.status == 4)
        #expect(result.output.contains("permission denied"))
        try await test.stop()
    }
}
