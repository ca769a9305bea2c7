import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import NetworkTypes
import TestSupport
import Testing
import Varlink

/// Runs a program with an environment of its own; standard output and standard error apart.
private func runProgram(
    _ arguments: [String], called name: String? = nil, environment: [String: String]
) throws -> (status: Int32, output: String, error: String) {
    let files = try (0..<2).map { _ in
        var template = Array("/tmp/drawbridge-output-XXXXXX".utf8CString)
        let file = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { mkstemp($0) } ?? -1
        }
        guard file >= 0 else { throw TestFailure("mkstemp: errno \(errno)") }
        _ = template.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { unlink($0) } }
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        return file
    }
    defer { for file in files { close(file) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, files[0], 1)
    posix_spawn_file_actions_adddup2(&actions, files[1], 2)
    var words: [UnsafeMutablePointer<CChar>?] = ([name ?? arguments[0]] + arguments.dropFirst()).map {
        strdup($0)
    }
    words.append(nil)
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") }
    variables.append(nil)
    defer { for word in words + variables { free(word) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, arguments[0], &actions, nil, words, variables)
    guard code == 0 else { throw TestFailure("\(arguments[0]): cannot be run: errno \(code)") }
    var ended: Int32 = 0
    while waitpid(process, &ended, 0) < 0, errno == EINTR {}
    let texts = files.map { file in
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let count = pread(file, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
    return (ended & 0x7f == 0 ? ended >> 8 & 0xff : -(ended & 0x7f), texts[0], texts[1])
}

@Suite("The script client", .ownThread)
struct HotplugTests {
    private static let program = "\(TestDaemon.programs)/drawbridge-hotplug"

    private func script(
        _ name: String, _ arguments: String..., environment: [String: String] = [:], socket: String
    ) throws -> (status: Int32, output: String, error: String) {
        try runProgram(
            [Self.program] + arguments, called: name,
            environment: environment.merging(["DRAWBRIDGE_SOCKET": socket]) { $1 })
    }

    @Test("§7-4: arguments arrive as they were given, and nothing in them is evaluated")
    func arguments() async throws {
        let test = try await TestDaemon()
        let trap = "\(test.directory)/trap"
        let result = try script(
            "/etc/drawbridge/scripts/vif-bridge", "online", "", "a b  c", "x=$(touch \(trap))",
            "`touch \(trap)`",
            "y=;touch \(trap)", "*", "é", socket: test.socket)
        #expect(result.status == 0)
        #expect(result.output.isEmpty && result.error.isEmpty)
        let invocation = try #require(await test.engine.invocations.first)
        #expect(invocation.script == "vif-bridge")
        #expect(
            invocation.arguments == [
                "online", "", "a b  c", "x=$(touch \(trap))", "`touch \(trap)`", "y=;touch \(trap)", "*", "é",
            ])
        #expect(access(trap, F_OK) != 0)
        try await test.stop()
    }

    @Test("the documented variables are passed on, and no others")
    func variables() async throws {
        let test = try await TestDaemon()
        let passed = [
            "XENBUS_PATH": "backend/vif/3/1", "XENBUS_TYPE": "vif", "XENBUS_BASE_PATH": "backend",
            "vif": "vif3.1", "INTERFACE": "vif3.1-emu", "script": "/etc/xen/scripts/vif-bridge", "netdev": "",
            "UDEV_CALL": "1", "ACTION": "online", "bridge": "xenbr0", "ip": "10.0.0.5 10.0.0.6",
            "mac": "00:16:3e:00:00:01", "mtu": "1400", "vifname": "web0", "rate": "10Mb/s",
            "gatewaydev": "eth1",
            "vlan": "5", "DRAWBRIDGE_EVENT": "token",
        ]
        let others = [
            "PATH": "/bin", "HOME": "/root", "LD_PRELOAD": "", "BRIDGE": "x", "LC_ALL": "de_DE.UTF-8",
        ]
        let result = try script(
            "vif-bridge", "online", environment: passed.merging(others) { $1 }, socket: test.socket)
        #expect(result.status == 0)
        #expect(await test.engine.invocations.first?.environment == passed)
        try await test.stop()
    }

    @Test("output, line and exit code are passed on")
    func reply() async throws {
        let test = try await TestDaemon()
        await test.engine.set(
            reply: ScriptReply(exitCode: 42, output: "a page\nof text", message: "no such bridge"))
        let result = try script("network-bridge", "status", socket: test.socket)
        #expect(result.status == 42)
        #expect(result.output == "a page\nof text\n")
        #expect(result.error == "network-bridge: no such bridge\n")
        let long = (0..<10_000).map { "line \($0)" }.joined(separator: "\n") + "\n"
        await test.engine.set(reply: ScriptReply(exitCode: 0, output: long))
        #expect(try script("network-bridge", "status", socket: test.socket).output == long)
        try await test.stop()
    }

    @Test("every name that it has arrives, so that the daemon can say what it lacks")
    func names() async throws {
        let test = try await TestDaemon()
        for name in BuiltInScript.allCases {
            #expect(try script(name.rawValue, "start", socket: test.socket).status == 0)
        }
        #expect(await test.engine.invocations.map(\.script) == BuiltInScript.allCases.map(\.rawValue))
        try await test.stop()
    }

    @Test("another name, control characters, and too much are refused before anything is sent")
    func refused() async throws {
        let test = try await TestDaemon()
        for (name, argument, environment, cause) in [
            ("drawbridge-hotplug", "online", [:], "is run under the name of a script"),
            ("vif-bridge", "a\nb", [:], "argument 1: has control characters"),
            ("vif-bridge", "a\u{7f}b", [:], "argument 1: has control characters"),
            ("vif-bridge", String(repeating: "x", count: 4097), [:], "argument 1: has more than 4096 octets"),
            ("vif-bridge", "online", ["ip": "a\tb"], "the variable ip: has control characters"),
            (
                "vif-bridge", "online", ["rate": String(repeating: "x", count: 5000)],
                "the variable rate: has more"
            ),
        ] as [(String, String, [String: String], String)] {
            let result = try script(name, argument, environment: environment, socket: test.socket)
            #expect(result.status == 2)
            #expect(result.error.contains(cause), "\(result.error)")
            #expect(result.error.count { $0 == "\n" } == 1)
        }
        let many = try runProgram(
            [Self.program] + Array(repeating: "x", count: 65), called: "vif-bridge",
            environment: ["DRAWBRIDGE_SOCKET": test.socket])
        #expect(many.status == 2)
        #expect(many.error == "vif-bridge: arguments: more than 64\n")
        #expect(await test.engine.invocations.isEmpty)
        try await test.stop()
    }

    @Test("without a daemon it gives up by itself with a message that says so")
    func noDaemon() throws {
        let result = try script("vif-bridge", "online", socket: "/tmp/drawbridge-nobody-\(getpid())/api")
        #expect(result.status == 3)
        #expect(result.error.contains("no daemon answers; start drawbridged"))
        #expect(result.error.count { $0 == "\n" } == 1)
    }

    @Test("a daemon that is not there yet is waited for, and one that ends without an answer is asked again")
    func restart() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let socket = "\(directory)/api"
        let client = Task {
            try await onThread {
                try runProgram(
                    [Self.program, "online"], called: "vif-bridge", environment: ["DRAWBRIDGE_SOCKET": socket]
                )
            }
        }
        // The first daemon takes the event and ends.
        do {
            let listener = try UnixSocket.listen(at: "\(socket).direct", .sequencedPacket)
            guard UnixSocket.wait(listener, for: POLLIN, milliseconds: 10_000),
                let connection = try UnixSocket.accept(listener),
                UnixSocket.wait(connection, for: POLLIN, milliseconds: 10_000)
            else { throw TestFailure("nobody came") }
            _ = try Packet.receive(from: connection, room: 1000)
        }
        unlink("\(socket).direct")
        let listener = try UnixSocket.listen(at: "\(socket).direct", .sequencedPacket)
        guard UnixSocket.wait(listener, for: POLLIN, milliseconds: 10_000),
            let connection = try UnixSocket.accept(listener),
            UnixSocket.wait(connection, for: POLLIN, milliseconds: 10_000),
            let packet = try Packet.receive(from: connection, room: 1000)
        else { throw TestFailure("nobody came again") }
        let request = try DirectRequest(parsing: packet.content)
        #expect(request == .script(name: "vif-bridge", arguments: ["online"], environment: [:]))
        try Packet.send(DirectReply(exitCode: 5, message: "done").octets, to: connection)
        let result = try await client.value
        #expect(result.status == 5)
        #expect(result.error == "vif-bridge: done\n")
    }
}

@Suite("The command", .ownThread)
struct CommandTests {
    private func command(_ test: TestDaemon, _ arguments: String...) throws -> (
        status: Int32, output: String, error: String
    ) {
        try runProgram(
            ["\(TestDaemon.programs)/drawbridge"] + arguments + ["--socket", test.socket],
            environment: ["TZ": "UTC"])
    }

    private static func status() throws -> (NetworkStatus, VifStatus) {
        let name = try #require(LinkName("xenbr0"))
        var network = NetworkStatus(
            network: Network(name: name, uplink: .named(try #require(LinkName("eth0")))), state: .up)
        network.uplink = "eth0"
        network.ports = ["eth0", "vif3.1"]
        network.addresses = ["192.0.2.1/24"]
        var request = VifRequest(
            id: VifID(domain: 3, device: 1), source: .existing(try #require(LinkName("vif3.1"))))
        request.domainName = "web"
        request.addresses = [try #require(Prefix("10.0.0.5"))]
        var vif = VifStatus(request: request, state: .connected, device: "vif3.1")
        vif.network = name
        vif.mtu = 1500
        return (network, vif)
    }

    @Test("tables are aligned, without colour where there is no terminal")
    func tables() async throws {
        let test = try await TestDaemon()
        let (network, vif) = try Self.status()
        await test.engine.set(networks: [network], vifs: [vif])
        #expect(
            try command(test, "network", "list").output == """
                NETWORK  STATE  BRIDGE  UPLINK  PORTS        ADDRESSES
                xenbr0   up     xenbr0  eth0    eth0,vif3.1  192.0.2.1/24

                """)
        #expect(
            try command(test, "vif", "list").output == """
                VIF     STATE      DOMAIN  NETWORK  DEVICE  MAC  ADDRESSES    MTU
                vif3.1  connected  web     xenbr0   vif3.1  -    10.0.0.5/32  1500

                """)
        #expect(try command(test, "network", "status", "xenbr0").output.contains("192.0.2.1/24"))
        #expect(try command(test, "vif", "show", "3.1").output.contains("domain     web\n"))
        let status = try command(test, "status").output
        #expect(
            status.contains("xenbr0") && status.contains("vif3.1")
                && status.contains("drawbridged \(API.version)"))
        try await test.stop()
    }

    @Test("JSON is what the API answers, one line, keys sorted")
    func json() async throws {
        let test = try await TestDaemon()
        let (network, vif) = try Self.status()
        await test.engine.set(networks: [network], vifs: [vif])
        #expect(
            try command(test, "network", "list", "--json").output
                == #"{"networks":[{"addresses":["192.0.2.1/24"],"antispoof":true,"bridge":"xenbr0","#
                + #""multicastSnooping":false,"name":"xenbr0","ports":["eth0","vif3.1"],"state":"up","#
                + #""uplink":"eth0"}]}"# + "\n")
        #expect(
            try command(test, "vif", "show", "vif3.1", "--json").output
                == #"{"vif":{"addresses":["10.0.0.5/32"],"device":"vif3.1","domain":"web","id":"vif3.1","#
                + #""mtu":1500,"network":"xenbr0","owner":0,"pair":false,"state":"connected"}}"# + "\n")
        #expect(
            try command(test, "network", "start", "xenbr0", "--dry-run", "--json").output
                == #"{"outcome":{"changed":true,"plan":["create xenbr0","port eth0"],"#
                + #""warnings":["watch out"]}}"# + "\n")
        #expect(await test.engine.calls.last == "start xenbr0 dryRun=true")
        try await test.stop()
    }

    @Test("what changes something says what it did; a dry run and plan print the same plan")
    func changes() async throws {
        let test = try await TestDaemon()
        let start = try command(test, "network", "start", "xenbr0")
        #expect(start.output == "xenbr0: up\n")
        #expect(start.error == "drawbridge: warning: watch out\n")
        #expect(
            try command(test, "network", "start", "xenbr0", "--dry-run").output
                == "create xenbr0\nport eth0\n")
        #expect(try command(test, "plan", "network-start", "xenbr0").output == "create xenbr0\nport eth0\n")
        #expect(
            try command(test, "network", "start", "lan", "--uplink", "eth1", "--bridge", "br1").status == 0)
        #expect(await test.engine.calls.last == "start lan br1 named(eth1) dryRun=false")
        #expect(try command(test, "network", "stop", "xenbr0").output == "xenbr0: down\n")
        #expect(
            try command(test, "vif", "add", "--device", "vif3.1", "--bridge", "xen-br0").output
                == "vif3.1: connected\n")
        #expect(await test.engine.requests.last?.bridge?.rawValue == "xenbr0")
        #expect(try command(test, "vif", "remove", "vif3.1", "--dry-run").output == "delete vif3.1\n")
        #expect(try command(test, "vif", "remove", "3.1").output == "3.1: removed\n")
        #expect(await test.engine.calls.last == "detach vif3.1 dryRun=false")
        let stop = try command(test, "daemon", "stop", "--keep-network")
        #expect(stop.output == "daemon: ended\n")
        try await test.ended()
        #expect(await test.engine.calls.last == "shutDown keepNetwork=true")
    }

    @Test("a namespace is opened by the one who asks and passed on")
    func namespace() async throws {
        let test = try await TestDaemon()
        let namespace = try await onThread { try makeNamespace() }
        defer { close(namespace) }
        let result = try command(
            test, "vif", "add", "--domain", "web", "--netns", "/proc/\(getpid())/fd/\(namespace)", "--ip",
            "10.0.0.5",
            "--ip", "2001:db8::5", "--mac", "00:16:3e:00:00:01", "--mtu", "1400", "--id", "3.1", "--json")
        #expect(
            result.output
                == #"{"id":"vif3.1","outcome":{"changed":true,"plan":["create vif3.1"],"warnings":[]}}"#
                + "\n")
        var status = stat()
        #expect(fstat(namespace, &status) == 0)
        #expect(await test.engine.inodes == [UInt64(status.st_ino)])
        let request = try #require(await test.engine.requests.last)
        #expect(request.addresses.count == 2 && request.mtu == 1400 && request.domainName == "web")
        for (path, code) in [("/etc/passwd", 2), ("/nonexistent", 5), ("/proc/self/ns/mnt", 2)]
            as [(String, Int32)]
        {
            let refused = try command(test, "vif", "add", "vif4.0", "--netns", path)
            #expect(refused.status == code)
            #expect(refused.error.hasPrefix("drawbridge: ") && refused.error.count { $0 == "\n" } == 1)
        }
        #expect(await test.engine.requests.count == 1)
        try await test.stop()
    }

    @Test("errors are one line, and have the documented exit codes")
    func errors() async throws {
        let test = try await TestDaemon()
        let cases: [([String], Int32, String)] = [
            (
                ["network", "start", "nosuch"], 5,
                "drawbridge: network 'nosuch': is not configured; name another\n"
            ),
            (["frobnicate"], 2, "command line"), (["network", "frobnicate"], 2, "command line"),
            (["vif", "add", "--colour", "red"], 2, "command line"),
            (["network", "start"], 2, "command line"),
            (["network", "start", "x", "--bridge", "br0"], 2, "--isolated"),
            (["network", "start", "sixteencharacter"], 2, "has 16 octets"),
            (["vif", "add"], 2, "--netns or --device"), (["vif", "remove", "x/y"], 2, "vif 'x/y'"),
            (["vif", "show", "vif99.9"], 5, "drawbridge: vif99.9: is not attached"),
            (["events"], 2, "--follow"),
        ]
        for (arguments, code, text) in cases {
            let result = try runProgram(
                ["\(TestDaemon.programs)/drawbridge"] + arguments
                    + (arguments.count > 1 ? ["--socket", test.socket] : []),
                environment: [:])
            #expect(result.status == code, "\(arguments): \(result.error)")
            #expect(result.error.contains(text), "\(arguments): \(result.error)")
            #expect(result.error.hasPrefix("drawbridge: "))
            #expect(result.error.count { $0 == "\n" } == 1)
            #expect(result.output.isEmpty)
        }
        try await test.stop()
        let nobody = try command(test, "status")
        #expect(nobody.status == 3)
        #expect(nobody.error.contains("no daemon answers"))
    }

    @Test("a configuration is checked and converted without a daemon")
    func configuration() throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let file = "\(directory)/xend-config.sxp"
        try TestDaemon.write(
            "(network-script 'network-bridge netdev=eth1')\n(vif-script vif-bridge)\n", to: file)
        let program = "\(TestDaemon.programs)/drawbridge"
        #expect(
            try runProgram([program, "config", "check", file], environment: [:]).output == "\(file): valid\n")
        let converted = try runProgram([program, "config", "convert", file], environment: [:])
        #expect(converted.status == 0)
        #expect(converted.output.contains("netdev=eth1"))
        let yaml = "\(directory)/drawbridge.yaml"
        try TestDaemon.write(converted.output, to: yaml)
        #expect(try runProgram([program, "config", "check", yaml], environment: [:]).status == 0)
        try TestDaemon.write("(vif-script vif-bridge)\n)\n", to: file)
        let bad = try runProgram([program, "config", "check", file, "--json"], environment: [:])
        #expect(bad.status == 7)
        #expect(bad.error.hasPrefix("drawbridge: \(file):2:1: "))
        #expect(bad.output.contains(#""valid":false"#))
    }

    @Test("events are printed as they come, as JSON one a line")
    func events() async throws {
        let test = try await TestDaemon()
        let socket = test.socket
        let follower = Task {
            try await onThread {
                try runProgram(
                    [
                        "\(TestDaemon.programs)/drawbridge", "events", "--follow", "--json", "--socket",
                        socket,
                    ],
                    environment: [:])
            }
        }
        #expect(await eventually { await test.engine.listenerCount == 1 })
        await test.engine.emit(
            EventRecord(sequence: 1, time: 5, event: "vif-online", object: "vif3.1", detail: "x"))
        try await test.stop()
        let result = try await follower.value
        #expect(result.status == 0)
        #expect(
            result.output
                == #"{"detail":"x","event":"vif-online","object":"vif3.1","sequence":1,"time":5}"# + "\n")
    }
}
