import DrawbridgeModel
import Glibc
import NetworkTypes
import Testing

@testable import DrawbridgeEngine

@Suite struct ScriptTests {
    let directory: TestDirectory
    let runner: ProgramRunner
    let lines = Lines()

    init() throws {
        directory = try TestDirectory()
        runner = try ProgramRunner()
    }

    var context: CustomScript.Context {
        let lines = lines
        return CustomScript.Context(
            token: "cafe", socket: "/run/x.sock", timeLimit: .seconds(20), log: { lines.append($0) })
    }

    func refusal(_ path: String) -> DrawbridgeError? {
        do throws(DrawbridgeError) {
            _ = try ScriptFile(path: path)
            return nil
        } catch { return error }
    }

    @Test("§7-96: a network script is called with its operation before its arguments")
    func networkArguments() async throws {
        directory.write("my-network", "#!/bin/sh\nfor a; do echo \"<$a>\"; done; env | sort\n", mode: 0o755)
        let call = ScriptCall(name: "my-network", arguments: ["netdev=eth1", "bridge=$(id)"])
        let script = CustomScript(call, scriptDirectory: directory.path)
        try await script.runForNetwork("start", context, on: runner)
        let environment = [
            "DRAWBRIDGE_EVENT=cafe", "DRAWBRIDGE_SOCKET=/run/x.sock", "LANG=C", "LC_ALL=C",
            "PATH=\(CustomScript.searchPath)", "PWD=/",
        ]
        #expect(lines.all == ["<start>", "<netdev=eth1>", "<bridge=$(id)>"] + environment)
    }

    @Test("§7-97: an absolute path is taken as it is")
    func absolutePath() async throws {
        let script = CustomScript(ScriptCall(name: "/bin/true"), scriptDirectory: directory.path)
        #expect(script.networkArguments("start") == ["/bin/true", "start"])
        try await script.runForNetwork("start", context, on: runner)
        let failing = CustomScript(ScriptCall(name: "/bin/false"), scriptDirectory: directory.path)
        await #expect(throws: DrawbridgeError(.script, "/bin/false", "exited with status 1")) {
            try await failing.runForNetwork("stop", context, on: runner)
        }
    }

    @Test
    func `A launcher gets the time limit, the checked file and the arguments, and its end is the script's`()
        async throws
    {
        directory.write("launch", "#!/bin/sh\necho \"limit $1\"\nshift\nexec \"$@\"\n", mode: 0o755)
        directory.write(
            "mine", "#!/bin/sh\necho \"$*\"; echo \"$DRAWBRIDGE_EVENT\"; ls \"$(dirname \"$0\")\"; exit 4\n",
            mode: 0o755)
        let script = CustomScript(
            ScriptCall(name: "mine", arguments: ["a=$(id)"]), scriptDirectory: directory.path)
        var context = context
        context.launcher = "\(directory.path)/launch"
        context.timeLimit = .milliseconds(19_500)
        await #expect(
            throws: DrawbridgeError(.script, "\(directory.path)/mine", "exited with status 4: mine")
        ) {
            try await script.runForNetwork("start", context, on: runner)
        }
        #expect(lines.all == ["limit 20", "start a=$(id)", "cafe", "launch", "mine"])
    }

    @Test func `A vif script gets the variables of the driver and of libxl, and what is known of the vif`()
        async throws
    {
        directory.write("my-vif", "#!/bin/sh -e\necho \"$@\"\nenv | sort\n", mode: 0o755)
        var request = VifRequest(id: VifID(domain: 3, device: 1), source: .existing(LinkName("vif3.1")!))
        request.bridge = LinkName("xenbr0")
        request.mac = MACAddress("00:16:3e:5e:6c:00")
        request.addresses = [Prefix("192.0.2.7")!, Prefix("2001:db8::/64")!]
        request.mtu = 1400
        request.vifName = LinkName("web0")
        let event = try event("online", "vif", request)
        let script = CustomScript(
            ScriptCall(name: "my-vif", arguments: ["bridge=b1"]), scriptDirectory: directory.path)
        try await script.runForVif(event, gatewayDevice: "eth1", context, on: runner)
        #expect(
            lines.all == [
                "online type_if=vif bridge=b1", "DRAWBRIDGE_EVENT=cafe", "DRAWBRIDGE_SOCKET=/run/x.sock",
                "LANG=C", "LC_ALL=C", "PATH=\(CustomScript.searchPath)", "PWD=/", "XENBUS_BASE_PATH=backend",
                "XENBUS_PATH=backend/vif/3/1", "XENBUS_TYPE=vif", "bridge=xenbr0",
                "ip=192.0.2.7 2001:db8::/64",
                "mac=00:16:3e:5e:6c:00", "mtu=1400", "netdev=eth1", "script=\(directory.path)/my-vif",
                "vif=vif3.1", "vifname=web0",
            ])

        // What a wrapper hands on to a built-in is read as what was asked for.
        let variables = script.vifEnvironment(event, context).map { line in
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), String(parts[1]))
        }
        let read = try VifEvent.read(
            script: "vif-bridge", arguments: ["online", "type_if=vif"],
            environment: Dictionary(uniqueKeysWithValues: variables))
        guard case .event(let again) = read else {
            Issue.record("no event was read")
            return
        }
        #expect(again.request == request)
    }

    @Test func `A tap's script finds both devices`() throws {
        var request = VifRequest(id: VifID(domain: 3, device: 0), source: .existing(LinkName("vif3.0-emu")!))
        request.vifName = LinkName("web0-emu")
        let script = CustomScript(ScriptCall(name: "my-vif"), scriptDirectory: "/s")
        let event = try event("add", "tap", request)
        let variables = script.vifEnvironment(event, context)
        #expect(variables.contains("vif=vif3.0"))
        #expect(variables.contains("INTERFACE=vif3.0-emu"))
        #expect(variables.contains("vifname=web0"))
        #expect(variables.contains("netdev="))
        #expect(script.vifArguments(event) == ["/s/my-vif", "add", "type_if=tap"])
    }

    func event(_ command: String, _ interface: String, _ request: VifRequest) throws -> VifEvent {
        let read = try VifEvent.read(
            script: "t", arguments: [command, "type_if=\(interface)"],
            environment: [
                "vif": "\(request.id)", "INTERFACE": "\(request.id)-emu",
                "XENBUS_PATH": "backend/vif/\(request.id.domain)/\(request.id.device)",
            ])
        guard case .event(var event) = read else { throw TestDirectory.Failure(what: "no event") }
        event.request = request
        return event
    }

    @Test func `A wrapper finds its neighbours beside itself, and a script its own path`() async throws {
        directory.write("network-bridge", "#!/bin/sh\necho \"built-in: $*\"\n", mode: 0o755)
        directory.write(
            "two-uplinks",
            "#!/bin/sh\ndir=$(dirname \"$0\")\n\"$dir/network-bridge\" \"$@\" vifnum=0\n\"$dir/network-bridge\" \"$@\" vifnum=1\n",
            mode: 0o755)
        let script = CustomScript(ScriptCall(name: "two-uplinks"), scriptDirectory: directory.path)
        try await script.runForNetwork("start", context, on: runner)
        #expect(lines.all == ["built-in: start vifnum=0", "built-in: start vifnum=1"])
    }

    @Test func `What runs is what was opened and checked, whatever the path leads to by then`() async throws {
        directory.write("script", "#!/bin/sh\necho checked\n", mode: 0o755)
        mkdir(directory.path + "/sub", 0o755)
        rename(directory.path + "/script", directory.path + "/sub/script")
        let interpreted = try ScriptFile(path: directory.path + "/sub/script")
        let binary = try ScriptFile(path: "/bin/true")
        #expect(interpreted.isInterpreted)
        #expect(!binary.isInterpreted)
        // Another directory takes the place of the one that was checked.
        rename(directory.path + "/sub", directory.path + "/away")
        mkdir(directory.path + "/sub", 0o777)
        directory.write("sub/script", "#!/bin/sh\necho swapped\n", mode: 0o777)
        var program = Program(.script(interpreted), arguments: ["script"])
        let lines = lines
        program.log = { lines.append($0) }
        #expect(try await runner.run(program).succeeded)
        #expect(lines.all == ["checked"])
        #expect(try await runner.run(Program(.script(binary), arguments: ["/bin/true"])).succeeded)
    }

    @Test func `A script that others could change is refused with the part that is to blame`() throws {
        mkdir(directory.path + "/a", 0o755)
        directory.write("a/script", "#!/bin/sh\n", mode: 0o755)
        let path = directory.path + "/a/script"
        #expect(refusal(path) == nil)
        #expect(refusal(directory.path + "//a/./script") == nil)
        for mode: mode_t in [0o757, 0o775] {
            chmod(path, mode)
            #expect(refusal(path)?.cause.contains("'script' can be written by others") == true)
        }
        chmod(path, 0o755)
        chmod(directory.path + "/a", 0o777)
        #expect(refusal(path)?.cause.contains("'a' can be written by others (mode 0777)") == true)
        // A sticky directory keeps others from removing a file, but not from making one.
        chmod(directory.path + "/a", 0o1777)
        #expect(refusal(path)?.kind == .script)
        chmod(directory.path + "/a", 0o755)
        chown(directory.path + "/a", 65534, 0)
        #expect(refusal(path)?.cause.contains("'a' belongs to user 65534") == true)
        chown(directory.path + "/a", 0, 0)
        chown(path, 65534, 0)
        #expect(refusal(path)?.cause.contains("'script' belongs to user 65534") == true)
        chown(path, 0, 0)
        chmod(path, 0o644)
        #expect(refusal(path)?.cause.contains("cannot be executed") == true)
        #expect(refusal(directory.path + "/a")?.cause.contains("not a file") == true)
        #expect(refusal(directory.path + "/none")?.kind == .notFound)
        #expect(refusal("relative/script")?.cause.contains("absolute") == true)
        #expect(refusal("/tmp/script")?.cause.contains("'tmp' can be written by others") == true)
    }

    @Test func `A link is followed, and what it leads through is checked as well`() throws {
        mkdir(directory.path + "/real", 0o755)
        directory.write("real/script", "#!/bin/sh\n", mode: 0o755)
        symlink("real", directory.path + "/d")
        symlink("../d/script", directory.path + "/real/link")
        symlink("loop", directory.path + "/loop")
        let path = directory.path + "/d/link"
        #expect(refusal(path) == nil)
        #expect(refusal(directory.path + "/loop")?.cause.contains("too many links") == true)
        lchown(directory.path + "/d", 65534, 0)
        #expect(refusal(path)?.cause.contains("'d' belongs to user 65534") == true)
        lchown(directory.path + "/d", 0, 0)
        chmod(directory.path + "/real", 0o777)
        #expect(refusal(path)?.cause.contains("'real' can be written by others") == true)
    }

    @Test func `A script that fails, hangs or is ended is told in one line with its last words`() async throws
    {
        directory.write("fails", "#!/bin/sh\necho 'no such bridge' >&2\nexit 3\n", mode: 0o755)
        directory.write("hangs", "#!/bin/sh\necho waiting\nsleep 1000\n", mode: 0o755)
        directory.write("dies", "#!/bin/sh\nkill -SEGV $$\n", mode: 0o755)
        directory.write("odd", "#!/no/such/interpreter\n", mode: 0o755)
        func error(_ name: String, _ limit: Duration = .seconds(20)) async -> DrawbridgeError? {
            var context = context
            context.timeLimit = limit
            do throws(DrawbridgeError) {
                try await CustomScript(ScriptCall(name: name), scriptDirectory: directory.path)
                    .runForNetwork("start", context, on: runner)
                return nil
            } catch { return error }
        }
        #expect(
            await error("fails")?.description
                == "\(directory.path)/fails: exited with status 3: no such bridge")
        let slow = await error("hangs", .milliseconds(500))
        #expect(slow?.kind == .timeout)
        #expect(slow?.cause == "took longer than 0.5 s and was ended: waiting")
        #expect(await error("dies")?.cause == "was ended by signal 11")
        #expect(await error("odd")?.cause.contains("cannot be started: No such file") == true)
    }

    @Test func `A token is good while its event runs, and cannot be guessed from another`() {
        let tokens = EventTokens<String>()
        let first = tokens.issue(for: "start xenbr0")
        let second = tokens.issue(for: "vif3.1 online")
        #expect(first.count == 32 && second.count == 32 && first != second)
        #expect(tokens.event(for: first) == "start xenbr0")
        #expect(tokens.event(for: second) == "vif3.1 online")
        #expect(tokens.event(for: "") == nil)
        #expect(tokens.event(for: String(first.dropLast())) == nil)
        tokens.revoke(first)
        #expect(tokens.event(for: first) == nil)
        #expect(tokens.count == 1)
    }
}
