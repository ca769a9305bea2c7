import DrawbridgeConfiguration
import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct XendConfigurationTests {
    private func read(_ text: String) throws -> Configuration {
        try XendConfiguration.parse(text, file: "x.sxp").configuration
    }

    /// What is said about a text, a line each.
    private func said(_ text: String) -> [String] {
        do { return try XendConfiguration.parse(text, file: "x.sxp").diagnostics.map(\.description) } catch {
            return error.diagnostics.map(\.description)
        }
    }

    @Test("a rate that xl reads as octal is told of here as well")
    func rateWarnings() {
        let told = said("(drawbridge-rate 010Mb/s)")
        #expect(told.count == 1)
        #expect(told.first?.contains("warning: drawbridge-rate: '010' in '010Mb/s' is 8") ?? false)
    }

    @Test("§7-96: the network script and its arguments")
    func networkScript() throws {
        let configuration = try read("(network-script 'network-bridge netdev=eth1 bridge=xenbr1')")
        #expect(
            configuration.networkScript?.networkCommand("start", in: "/etc/xen/scripts")
                == ["/etc/xen/scripts/network-bridge", "start", "netdev=eth1", "bridge=xenbr1"])
        #expect(
            try read("(network-script network-bridge)").networkScript == ScriptCall(name: "network-bridge"))
    }

    @Test("§7-97: an absolute path is a program; nothing is run without the key or its value")
    func noScript() throws {
        #expect(
            try read("(network-script /bin/true)").networkScript?.networkCommand("start", in: "/x") == [
                "/bin/true", "start",
            ])
        for text in ["", "(network-script)", "(network-script '')", "# (network-script network-bridge)\n"] {
            #expect(try read(text) == Configuration())
            #expect(said(text).isEmpty)
        }
    }

    @Test("§7-98: the vif script and its default")
    func vifScript() throws {
        #expect(try read("").vifScript == ScriptCall(name: "vif-bridge"))
        #expect(try read("(vif-script)").vifScript == ScriptCall(name: "vif-bridge"))
        let call = try read("(vif-script 'vif-bridge bridge=b1')").vifScript
        #expect(call == ScriptCall(name: "vif-bridge", arguments: ["bridge=b1"]))
        #expect(
            said("(vif-script '')") == [
                "x.sxp:1:13: vif-script: names no script; expected a script like vif-bridge, or the absolute path of a program"
            ])
    }

    @Test("§7-99: what is no S-expression is refused by place and cause")
    func syntax() {
        #expect(said("(a)\n)") == ["x.sxp:2:1: syntax error: ')' without a '('"])
        #expect(
            said("(network-script 'network") == ["x.sxp:1:25: unexpected EOF in the string opened at 1:17"])
    }

    @Test("§7-100: of duplicate keys the first holds, and the others are told")
    func duplicates() throws {
        let text = "(network-script network-bridge)\n(vif-script vif-bridge)\n (network-script /bin/true)"
        #expect(try read(text).networkScript == ScriptCall(name: "network-bridge"))
        #expect(
            said(text) == [
                "x.sxp:3:2: note: network-script: is ignored, since the first one holds, on line 1"
            ])
    }

    @Test(
        "§7-101: booleans in all spellings of xend",
        arguments: [
            ("yes", true), ("Y", true), ("1", true), ("ON", true), ("true", true), ("t", true),
            ("no", false), ("n", false), ("0", false), ("Off", false), ("FALSE", false), ("f", false),
            ("'no'", false),
        ])
    func booleans(word: String, value: Bool) throws {
        #expect(try read("(drawbridge-stop-on-exit \(word))").stopOnExit == value)
    }

    @Test("§7-101: another word is refused in xend's words")
    func noBoolean() {
        #expect(
            said("(drawbridge-stop-on-exit maybe)")
                == [
                    "x.sxp:1:26: drawbridge-stop-on-exit: invalid xend config drawbridge-stop-on-exit: expected bool: maybe"
                ])
        #expect(
            said("(drawbridge-script-timeout soon)")
                == [
                    "x.sxp:1:28: drawbridge-script-timeout: invalid xend config drawbridge-script-timeout: expected int: soon"
                ])
        #expect(
            said("(drawbridge-script-timeout 0)") == [
                "x.sxp:1:28: drawbridge-script-timeout: 0 is out of range; expected a number from 1 to 3600"
            ])
        // A key without meaning is no reason to refuse the file.
        #expect(
            said("(xend-http-server maybe)") == [
                "x.sxp:1:1: note: xend-http-server: is a key of xend that has no meaning here",
                "x.sxp:1:19: warning: xend-http-server: invalid xend config xend-http-server: expected bool: maybe",
            ])
    }

    @Test func ownKeys() throws {
        let configuration = try read(
            """
            (drawbridge-stop-on-exit no) (drawbridge-script-timeout ' 7 ') (drawbridge-multicast-snooping on)
            (drawbridge-uplink-references warn) (drawbridge-foreign-manager warn) (drawbridge-network-root warn)
            (drawbridge-dhcp-client ignore) (drawbridge-carrier-timeout 0) (drawbridge-xen-vifs daemon)
            (drawbridge-vifs-per-user 0)
            (drawbridge-compat-bridge-named-after-uplink yes) (drawbridge-compat-start-only-without-bridges yes)
            (drawbridge-compat-first-of-several-bridges yes)
            """)
        var expected = Configuration()
        expected.stopOnExit = false
        expected.scriptTimeout = 7
        expected.xenVifs = .daemon
        expected.vifsPerUser = 0
        expected.networkDefaults.multicastSnooping = true
        expected.networkDefaults.uplinkReferences = .warn
        expected.networkDefaults.foreignManager = .warn
        expected.networkDefaults.networkRoot = .warn
        expected.networkDefaults.dhcpClient = .ignore
        expected.networkDefaults.carrierTimeout = 0
        expected.compatibility.bridgeNamedAfterUplink = true
        expected.compatibility.startOnlyWithoutBridges = true
        expected.compatibility.firstOfSeveralBridges = true
        #expect(configuration == expected)
    }

    @Test func unknownKeys() {
        #expect(
            said("(network-scrpt network-bridge)")
                == [
                    "x.sxp:1:1: warning: network-scrpt: is not a key of xend or Drawbridge and is ignored; did you mean 'network-script'?"
                ])
        #expect(
            said("(colour red)") == [
                "x.sxp:1:1: warning: colour: is not a key of xend or Drawbridge and is ignored"
            ])
        #expect(
            said("(drawbridge-stop-on-exti no)")
                == [
                    "x.sxp:1:1: drawbridge-stop-on-exti: is not a key of Drawbridge; did you mean 'drawbridge-stop-on-exit'?"
                ])
        #expect(
            said("(drawbridge-dhcp-client handover)")
                == [
                    "x.sxp:1:25: drawbridge-dhcp-client: 'handover' is not known here; expected hand-over, refuse or ignore; did you mean 'hand-over'?"
                ])
        #expect(
            said("network-script") == [
                "x.sxp:1:1: warning: has no key and is ignored; expected a form like (key value)"
            ])
    }

    @Test func keysOfXendAreNotes() throws {
        let text = """
            (logfile /var/log/xen/xend.log)
            (xend-relocation-hosts-allow '^localhost$ ^localhost\\\\.localdomain$')
            (dom0-min-mem 196)
            (xen-api-server ((9363 pam '^localhost$') (unix none)))
            """
        #expect(try read(text) == Configuration())
        #expect(
            said(text) == [
                "x.sxp:1:1: note: logfile: is a key of xend that has no meaning here",
                "x.sxp:2:1: note: xend-relocation-hosts-allow: is a key of xend that has no meaning here",
                "x.sxp:3:1: note: dom0-min-mem: is a key of xend that has no meaning here",
                "x.sxp:4:1: note: xen-api-server: is a key of xend that has no meaning here",
            ])
    }

    @Test func unknownEscapesHarmOnlyWhereTheyMeanSomething() {
        let message = #"unknown escape '\.' is read as a backslash alone; a backslash is written '\\'"#
        #expect(
            said(#"(xend-relocation-hosts-allow '^a\.b$')"#) == [
                "x.sxp:1:1: note: xend-relocation-hosts-allow: is a key of xend that has no meaning here",
                "x.sxp:1:33: warning: xend-relocation-hosts-allow: \(message)",
            ])
        #expect(said(#"(network-script '/a\.b')"#).first == "x.sxp:1:20: network-script: \(message)")
    }

    @Test func argumentsWithoutQuotesAreLost() throws {
        #expect(try read("(network-script network-bridge netdev=eth1)").networkScript?.arguments == [])
        #expect(
            said("(network-script network-bridge netdev=eth1)") == [
                "x.sxp:1:32: warning: network-script: only the first value counts, so that the arguments are lost; "
                    + "expected all of it in one pair of quotes: (network-script 'network-bridge netdev=eth1')"
            ])
        #expect(said("(network-script (network-bridge))").count == 1)
        #expect(throws: ConfigurationError.self) { try read("(network-script (network-bridge))") }
    }

    @Test(
        "scripts that cannot be meant",
        arguments: [
            (
                "(network-script vif-bridge)",
                "x.sxp:1:17: network-script: 'vif-bridge' handles vifs, not networks; expected a script like network-bridge, or the absolute path of a program; did you mean 'network-bridge'?"
            ),
            (
                "(vif-script network-nat)",
                "x.sxp:1:13: vif-script: 'network-nat' handles networks, not vifs; expected a script like vif-bridge, or the absolute path of a program; did you mean 'vif-nat'?"
            ),
            (
                "(network-script scripts/mine)",
                "x.sxp:1:17: network-script: 'scripts/mine' is not a script's name; expected a script like network-bridge, or the absolute path of a program"
            ),
            (
                "(network-script ..)",
                "x.sxp:1:17: network-script: '..' is not a script's name; expected a script like network-bridge, or the absolute path of a program"
            ),
            (
                "(network-script 'bridge=xenbr0')",
                "x.sxp:1:17: network-script: 'bridge=xenbr0' is not a script's name; expected a script like network-bridge, or the absolute path of a program"
            ),
            (
                "(network-script 'network-bridge bridge=abcdefghijklmnop')",
                "x.sxp:1:17: network-script: network-bridge: bridge: 'abcdefghijklmnop' has 16 octets, a device's name has at most 15"
            ),
            (
                "(network-script 'network-bridge bridge=eth0 netdev=eth0')",
                "x.sxp:1:17: network-script: bridge=eth0 is the name of the interface that is to be moved onto the bridge; expected another name for the bridge"
            ),
            (
                "(vif-script 'vif-bridge bridge=a:b')",
                "x.sxp:1:13: vif-script: vif-bridge: bridge: a device's name may not hold ':'"
            ),
        ])
    func badScripts(text: String, message: String) {
        #expect(said(text) == [message])
        #expect(throws: ConfigurationError.self) { try read(text) }
    }

    @Test func scriptsOfTheAdministrator() throws {
        #expect(try read("(network-script my-network)").networkScript?.name == "my-network")
        #expect(
            said("(network-script my-network)") == [
                "x.sxp:1:17: note: network-script: 'my-network' is not a built-in; the program of that name in the script directory is run"
            ])
        #expect(
            said("(network-script network-bridg)") == [
                "x.sxp:1:17: warning: network-script: 'network-bridg' is not a built-in; the program of that name in the script directory is run; did you mean 'network-bridge'?"
            ])
        #expect(
            said("(network-script 'network-bridge colour=red')") == [
                "x.sxp:1:17: warning: network-script: argument 'colour=red' is not known; ignored"
            ])
    }
}
