import DrawbridgeConfiguration
import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct YAMLConfigurationTests {
    private func read(_ text: String) throws -> Configuration {
        try YAMLConfiguration.parse(text, file: "d.yaml").configuration
    }

    private func said(_ text: String) -> [String] {
        do { return try YAMLConfiguration.parse(text, file: "d.yaml").diagnostics.map(\.description) } catch {
            return error.diagnostics.map(\.description)
        }
    }

    @Test func allThatCanBeSaid() throws {
        let configuration = try read(
            """
            version: 1
            network-script: network-bridge netdev=eth7 bridge=xenbr7
            vif-script: [vif-bridge, "bridge=xenbr7"]
            stop-on-exit: no
            script-timeout: 12
            xen-vifs: repair
            vifs-per-user: 3
            network-defaults: {uplink-references: warn}
            networks:
              lan:
                kind: bridge
                bridge: xenbr0
                uplink: eth0
                multicast-snooping: yes
                uplink-references: refuse
                foreign-manager: warn
                network-root: warn
                dhcp-client: ignore
                antispoof: no
                carrier-timeout: 3
              "no":
                uplink: default-route
              inner: {uplink: none}
              odd: {uplink: {name: none}}
            compat:
              bridge-named-after-uplink: true
              start-only-without-bridges: on
              first-of-several-bridges: Yes
            """)
        var expected = Configuration()
        expected.networkScript = ScriptCall(
            name: "network-bridge", arguments: ["netdev=eth7", "bridge=xenbr7"])
        expected.vifScript = ScriptCall(name: "vif-bridge", arguments: ["bridge=xenbr7"])
        expected.stopOnExit = false
        expected.scriptTimeout = 12
        expected.xenVifs = .repair
        expected.vifsPerUser = 3
        expected.networkDefaults.uplinkReferences = .warn
        func name(_ text: String) throws -> LinkName { try #require(LinkName(text)) }
        var lan = Network(name: try name("lan"), bridge: try name("xenbr0"), uplink: .named(try name("eth0")))
        lan.multicastSnooping = true
        lan.foreignManager = .warn
        lan.networkRoot = .warn
        lan.dhcpClient = .ignore
        lan.filter.isOn = false
        lan.carrierTimeout = 3
        var others = [
            Network(name: try name("no"), uplink: .defaultRoute),
            Network(name: try name("inner"), uplink: .none),
            Network(name: try name("odd"), uplink: .named(try name("none"))),
        ]
        for index in others.indices { others[index].uplinkReferences = .warn }
        expected.networks = [lan] + others
        expected.compatibility.bridgeNamedAfterUplink = true
        expected.compatibility.startOnlyWithoutBridges = true
        expected.compatibility.firstOfSeveralBridges = true
        #expect(configuration == expected)
        #expect(configuration.network(named: try name("inner"))?.uplink == UplinkChoice.none)
    }

    @Test("a rate that xl reads as octal, or its interval as seconds, is told of")
    func rateWarnings() throws {
        let told = said(
            "version: 1\nnetwork-defaults: {rate: 010Mb/s}\nvifs:\n  vif3.0: {rate-in: 1MB/s@20}\n")
        #expect(told.count == 2)
        #expect(
            told.first?.hasPrefix("d.yaml:2:26: warning: network-defaults.rate: '010' in '010Mb/s' is 8")
                ?? false)
        #expect(
            told.last?.contains("warning: vifs.vif3.0.rate-in: '@20' in '1MB/s@20' is 20 seconds") ?? false)
        #expect(said("version: 1\nnetwork-defaults: {rate: 10Mb/s@20ms, rate-packets: 10K/s}\n").isEmpty)
    }

    @Test func defaults() throws {
        #expect(try read("version: 1") == Configuration())
        #expect(said("version: 1\nnetworks:\nnetwork-script:\n").isEmpty)
        #expect(try read("version: 1\nnetwork-script: ~").networkScript == nil)
        #expect(try read("version: 1\nnetwork-script: []").networkScript == nil)
    }

    @Test(
        "what is refused, with place, key, and what was meant",
        arguments: [
            ("", "d.yaml: is empty; expected at least 'version: 1'"),
            ("[]", "d.yaml:1:1: is a list; expected keys with values, like 'version: 1'"),
            ("stop-on-exit: yes", "d.yaml:1:1: version: is missing; expected version: 1"),
            ("version: 2", "d.yaml:1:10: version: version 2 is not known; expected version: 1"),
            ("version: '1'", "d.yaml:1:10: version: '1' is not a version; expected version: 1"),
            (
                "version: 1\nstop-on-exti: no",
                "d.yaml:2:1: stop-on-exti: is not a key; did you mean 'stop-on-exit'?"
            ),
            (
                "version: 1\nstop_on_exit: no",
                "d.yaml:2:1: stop_on_exit: is not a key; did you mean 'stop-on-exit'?"
            ),
            (
                "version: 1\nx: no",
                "d.yaml:2:1: x: is not a key; expected version, network-script, vif-script, network-defaults, networks, vifs, groups, address-sets, compat, stop-on-exit, fail-closed, script-timeout, vifs-per-user or xen-vifs"
            ),
            (
                "version: 1\nstop-on-exit: no\nstop-on-exit: no",
                "d.yaml:3:1: stop-on-exit: is there already, on line 2"
            ),
            (
                "version: 1\nstop-on-exit: maybe",
                "d.yaml:2:15: stop-on-exit: 'maybe' is not a boolean; expected yes or no"
            ),
            (
                "version: 1\nstop-on-exit: 'no'",
                "d.yaml:2:15: stop-on-exit: the text \"no\" is not a boolean; expected yes or no"
            ),
            (
                "version: 1\nstop-on-exit: [no]",
                "d.yaml:2:15: stop-on-exit: is a list; expected a single value"
            ),
            (
                "version: 1\nscript-timeout: 1.5",
                "d.yaml:2:17: script-timeout: '1.5' is not a number; expected a number from 1 to 3600"
            ),
            (
                "version: 1\nscript-timeout: 4000",
                "d.yaml:2:17: script-timeout: 4000 is out of range; expected a number from 1 to 3600"
            ),
            (
                "version: 1\nscript-timeout: 99999999999",
                "d.yaml:2:17: script-timeout: 99999999999 is out of range; expected a number from 1 to 3600"
            ),
            (
                "version: 1\ncompat: {first-of-several-bridge: no}",
                "d.yaml:2:10: compat.first-of-several-bridge: is not a key; did you mean 'first-of-several-bridges'?"
            ),
            (
                "version: 1\nnetworks: [lan]",
                "d.yaml:2:11: networks: is a list; expected a mapping of names to networks"
            ),
            (
                "version: 1\nnetworks: {lan: eth0}",
                "d.yaml:2:17: networks.lan: is 'eth0'; expected keys: kind, bridge, uplink, connect-guests, address, nat-source, hand-out, domain, reservations, pool, router, dns, multicast-snooping, uplink-references, foreign-manager, network-root, dhcp-client, carrier-timeout, antispoof, antispoof-without-address, antispoof-learn-use, antispoof-learn-limit, antispoof-link-local, antispoof-rarp, antispoof-log, rate, rate-in, rate-packets, rate-in-packets, isolate-guests, vlan-filtering or groups"
            ),
            (
                "version: 1\nnetworks:\n  lan:\n    bridge: b",
                "d.yaml:4:5: networks.lan.uplink: is missing; expected an interface's name, default-route or none"
            ),
            (
                "version: 1\nnetworks: {lan: {uplnk: eth0}}",
                "d.yaml:2:17: networks.lan.uplink: is missing; expected an interface's name, default-route or none"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: none}, lan: {uplink: none}}",
                "d.yaml:2:33: networks.lan: is there already, on line 2"
            ),
            (
                "version: 1\nnetworks: {no: {uplink: none}}",
                "d.yaml:2:12: networks.no: 'no' is not a name in YAML; expected a device's name, in quotes if it is a word like this"
            ),
            (
                "version: 1\nnetworks: {abcdefghijklmnop: {uplink: none}}",
                "d.yaml:2:12: networks.abcdefghijklmnop: 'abcdefghijklmnop' has 16 octets, a device's name has at most 15; expected a device's name"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth/0}}",
                "d.yaml:2:26: networks.lan.uplink: a device's name may not hold '/'; expected a device's name"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: }}",
                "d.yaml:2:26: networks.lan.uplink: nothing is not a name in YAML; expected a device's name, in quotes if it is a word like this"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: route, uplink: eth0}}",
                "d.yaml:2:24: networks.lan.kind: 'route' is not a kind of network; expected bridge, routed or nat; did you mean 'routed'?"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: routed, uplink: none}}",
                "d.yaml:2:40: networks.lan.uplink: a network without a bridge needs an interface to the world; expected an interface's name or default-route"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, bridge: lan0}}",
                "d.yaml:2:51: networks.lan.bridge: a network that is no bridge has none; expected no bridge, kind: bridge, or an address"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, connect-guests: yes}}",
                "d.yaml:2:48: networks.lan.connect-guests: the guests of a bridge are connected by it; expected kind: routed or kind: nat"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, address: 10.0.0.1/24}}",
                "d.yaml:2:41: networks.lan.address: the bridge has the addresses of its uplink; expected kind: nat, kind: routed or uplink: none"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, address: 10.0.0.0/24}}",
                "d.yaml:2:52: networks.lan.address: '10.0.0.0/24' is the address of the network itself; expected one like 10.0.0.1/24, or one of each family"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: none, address: 10.0.0.1/24 delegated}}",
                "d.yaml:2:41: networks.lan.address: nobody is there to delegate a prefix; expected one like 10.0.0.1/24 delegated, with kind: nat or kind: routed"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, address: fd00::1/64 delegated}}",
                "d.yaml:2:52: networks.lan.address: 'delegated' is the second of its family; expected one like 10.0.0.1/24 delegated, with kind: nat or kind: routed"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: none, address: 10.0.0.1/24}}",
                "d.yaml:2:37: networks.lan.uplink: it leads nowhere; expected the interface that leads out, or kind: bridge"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, domain: x}}",
                "d.yaml:2:51: networks.lan.domain: a network without a subnet has none; expected an address of the host on the network's bridge"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: routed, uplink: eth0, address: 10.0.0.1/24, nat-source: 192.0.2.1}}",
                "d.yaml:2:80: networks.lan.nat-source: nothing is rewritten here; expected kind: nat"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, address: 10.0.0.1/24, connect-guests: yes}}",
                "d.yaml:2:81: networks.lan.connect-guests: the guests of a subnet are connected by its bridge; expected isolate-guests: no"
            ),
            (
                "version: 1\nnetworks: {a: {kind: nat, uplink: eth0, address: 10.0.0.1/16}, b: {uplink: none, address: 10.0.9.1/24}}",
                "d.yaml:2:91: networks.b.address: 10.0.9.1/24 overlaps 10.0.0.1/16 of network 'a'; expected a subnet of its own for each network"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: none, address: 10.0.0.1/24, reservations: {\"00:16:3e:00:00:01\": 10.0.1.7}}}",
                "d.yaml:2:90: networks.lan.reservations.00:16:3e:00:00:01: '10.0.1.7' is not in the subnet; expected one like 10.0.0.50, or one of each family"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, hand-out: yes, router: 192.0.2.1}}",
                "d.yaml:2:42: networks.lan.pool: is missing, and guests cannot be told of it; expected one like 192.0.2.100-192.0.2.199"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, hand-out: yes, pool: 192.0.2.100-192.0.2.110}}",
                "d.yaml:2:42: networks.lan.router: is missing, and guests cannot be told of it; expected one like 192.0.2.1"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, hand-out: yes, pool: 192.0.2.110-192.0.2.100, router: 192.0.2.1}}",
                "d.yaml:2:53: networks.lan.pool: '192.0.2.110-192.0.2.100' is not a pool of at most 65536 addresses; expected the first and the last one, like 192.0.2.100-192.0.2.199"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, hand-out: yes, pool: 192.0.2.1-192.0.2.110, router: 192.0.2.1}}",
                "d.yaml:2:84: networks.lan.router: '192.0.2.1' is in the pool that guests are given addresses of; expected one outside of the pool"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, hand-out: yes, pool: 192.0.2.100-192.0.2.110, router: 192.0.2.1, dns: x}}",
                "d.yaml:2:102: networks.lan.dns: 'x' is not an IPv4 address; expected up to 4 addresses, like 192.0.2.53"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, pool: 192.0.2.100-192.0.2.110}}",
                "d.yaml:2:38: networks.lan.pool: a network that hands out nothing has none; expected hand-out: yes"
            ),
            (
                "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, address: 10.0.0.1/24, dns: 192.0.2.1}}",
                "d.yaml:2:70: networks.lan.dns: is for a bridge that its uplink is a port of; expected a bridged network, or none: guests of a subnet are given addresses of it"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: eth0, hand-out: yes, nat-source: 192.0.2.1}}",
                "d.yaml:2:59: networks.lan.nat-source: a network without a subnet has none; expected an address of the host on the network's bridge"
            ),
            (
                "version: 1\nnetworks: {a: {uplink: eth0, hand-out: yes, pool: 192.0.2.100-192.0.2.110, router: 192.0.2.1}, lan: {uplink: eth1, hand-out: yes, pool: 192.0.2.110-192.0.2.120, router: 192.0.2.1}}",
                "d.yaml:2:137: networks.lan.pool: 192.0.2.110-192.0.2.120 overlaps 192.0.2.100-192.0.2.110 of network 'a'; expected a pool of its own for each network"
            ),
            (
                "version: 1\nnetworks: {a: {uplink: eth0}, lan: {kind: nat, uplink: eth0}}",
                "d.yaml:2:56: networks.lan.uplink: 'eth0' is the uplink of network 'a' already; expected the bridge, a"
            ),
            (
                "version: 1\nnetworks: {lan: {uplink: none, dhcp-client: handover}}",
                "d.yaml:2:45: networks.lan.dhcp-client: 'handover' is not known here; expected hand-over, refuse or ignore; did you mean 'hand-over'?"
            ),
            (
                "version: 1\nnetwork-script: yes",
                "d.yaml:2:17: network-script: 'yes' is a boolean; expected a script's name, with its arguments in the same text or as a list"
            ),
            (
                "version: 1\nvif-script: ''",
                "d.yaml:2:13: vif-script: names no script; expected a script's name, with its arguments in the same text or as a list"
            ),
            ("version: 1\nvif-script: [a, [b]]", "d.yaml:2:17: vif-script[1]: is a list; expected a word"),
            (
                "version: 1\nvif-script: [a, \"b\\0\"]",
                "d.yaml:2:13: vif-script: a script's name and arguments may not hold NUL; expected a script like vif-bridge, or the absolute path of a program"
            ),
            (
                "version: 1\nvif-script: network-bridge",
                "d.yaml:2:13: vif-script: 'network-bridge' handles networks, not vifs; expected a script like vif-bridge, or the absolute path of a program; did you mean 'vif-bridge'?"
            ),
            (
                "version: 1\n? [a]\n: b",
                "d.yaml:2:3: a list is not a key; expected version, network-script, vif-script, network-defaults, networks, vifs, groups, address-sets, compat, stop-on-exit, fail-closed, script-timeout, vifs-per-user or xen-vifs"
            ),
            ("version: &a 1", "d.yaml:1:10: anchors are not supported"),
            ("version: *a", "d.yaml:1:10: aliases are not supported; expected the value itself"),
            ("version: !!int 1", "d.yaml:1:10: tags are not supported; expected a value alone"),
            ("version: 1\n---\nversion: 1", "d.yaml:2:1: a second document begins; expected only one"),
            (
                "version: 1\nnetworks: {",
                "d.yaml:3:1: while parsing a flow node, did not find expected node content"
            ),
            (
                "version: 1\n\tx: 1",
                "d.yaml:2:1: while scanning a plain scalar, found a tab character that violates indentation"
            ),
            ("version: 1\nx: \u{1}", "d.yaml:2:4: control characters are not allowed"),
        ])
    func refused(text: String, message: String) {
        #expect(said(text).contains(message), "\(said(text))")
        #expect(throws: ConfigurationError.self) { try read(text) }
    }

    @Test(
        "what contradicts itself",
        arguments: [
            (
                "{a: {uplink: eth0}, b: {uplink: eth0}}",
                "d.yaml:2:43: networks.b.uplink: 'eth0' is the uplink of network 'a' already; expected an uplink of its own for each network"
            ),
            (
                "{a: {uplink: default-route}, b: {uplink: default-route}}",
                "d.yaml:2:52: networks.b.uplink: the default route's interface is the uplink of network 'a' already; expected an uplink of its own for each network"
            ),
            (
                "{a: {uplink: none, bridge: c}, b: {uplink: none, bridge: c}}",
                "d.yaml:2:68: networks.b.bridge: 'c' is the bridge of network 'a' already; expected a bridge of its own for each network"
            ),
            (
                "{a: {uplink: none, bridge: xenbr0}, xen-br0: {uplink: none}}",
                "d.yaml:2:47: networks.xenbr0: 'xenbr0' is the bridge of network 'a' already; expected a bridge of its own for each network"
            ),
            (
                "{xenbr0: {uplink: none}, xen-br0: {uplink: none}}",
                "d.yaml:2:36: networks.xen-br0: is there already, on line 2"
            ),
            (
                "{eth0: {uplink: eth0}}",
                "d.yaml:2:27: networks.eth0.uplink: 'eth0' is the name of the bridge itself; expected the interface that is to be moved onto the bridge"
            ),
            (
                "{a: {uplink: none}, b: {uplink: a}}",
                "d.yaml:2:43: networks.b.uplink: 'a' is the bridge of network 'a'; expected an interface that is no bridge"
            ),
            (
                "{a: {uplink: b}, b: {uplink: none}}",
                "d.yaml:2:28: networks.b: 'b' is the uplink of network 'a'; expected a name for the bridge that no interface has"
            ),
            (
                "{a: {uplink: none, bridge: b}, b: {uplink: none, bridge: c}}",
                "d.yaml:2:42: networks.b: is also the name of the bridge of network 'a'; expected a name that means one network only"
            ),
            (
                "{b: {uplink: none, bridge: c}, a: {uplink: none, bridge: b}}",
                "d.yaml:2:68: networks.a.bridge: 'b' is the name of another network; expected a name that means one network only"
            ),
            (
                "{vif1.0: {uplink: none}}",
                "d.yaml:2:12: networks.vif1.0: 'vif1.0' is a vif's name; expected a bridge's name"
            ),
        ])
    func contradictions(networks: String, message: String) {
        let text = "version: 1\nnetworks: \(networks)"
        #expect(said(text).filter { !$0.contains("note:") } == [message])
    }

    @Test(
        "the network that the script raises counts too",
        arguments: [
            ("network-bridge netdev=eth0", "{uplink: eth0}", true),
            ("network-bridge vifnum=0", "{uplink: eth0}", true),
            ("network-bridge", "{uplink: default-route}", true),
            ("network-bridge bridge=lan", "{uplink: none}", true),
            ("network-bridge vifnum=1", "{uplink: none, bridge: xenbr1}", true),
            ("network-bridge bridge=null", "{uplink: eth0}", false),
            ("network-bridge", "{uplink: eth0}", false),
            ("network-bridge netdev=eth1", "{uplink: eth0}", false),
            ("/bin/true netdev=eth0", "{uplink: eth0}", false),
            ("network-bridge netdev=eth1", "{uplink: default-route}", false),
        ])
    func scriptNetworks(script: String, network: String, isRefused: Bool) {
        let text = "version: 1\nnetwork-script: \(script)\nnetworks: {lan: \(network)}"
        #expect(said(text).contains { $0.contains("the network script") } == isRefused, "\(said(text))")
    }

    @Test func aBridgeMayBearItsUplinksNameWhereThatIsAskedFor() throws {
        let text = "version: 1\ncompat: {bridge-named-after-uplink: yes}\nnetworks: {eth0: {uplink: eth0}}"
        #expect(try read(text).networks.count == 1)
    }

    @Test func limitsOfNetworksAndVifs() throws {
        let text = """
            version: 1
            network-defaults: {rate: 100Mb/s}
            networks:
              lan: {uplink: none, rate-in: 1MB/s@20ms}
              open: {uplink: none, rate: unlimited}
            vifs:
              vif3.1: {rate: 20Mb/s}
              vif3.2: {rate-in: unlimited}
            """
        let configuration = try read(text)
        func rates(_ vif: String, _ network: String, asked: String? = nil) throws -> String {
            var request = VifRequest(
                id: try #require(VifID(vif)), source: .existing(try #require(LinkName(vif))))
            request.rate = try asked.map { try RateText.read($0).limit }
            return "\(configuration.rates(of: request, on: LinkName(network)))"
        }
        #expect(try rates("vif1.0", "lan") == "rate 100Mb/s, rate-in 8Mb/s@20ms")
        #expect(try rates("vif1.0", "open") == "rate unlimited, rate-in unlimited")
        #expect(try rates("vif1.0", "other") == "rate 100Mb/s, rate-in unlimited")
        #expect(try rates("vif3.1", "lan") == "rate 20Mb/s, rate-in 8Mb/s@20ms")
        #expect(try rates("vif3.2", "lan") == "rate 100Mb/s, rate-in unlimited")
        #expect(try rates("vif3.1", "lan", asked: "1Gb/s") == "rate 1Gb/s, rate-in 8Mb/s@20ms")
        #expect(try rates("vif3.1", "lan", asked: "unlimited") == "rate unlimited, rate-in 8Mb/s@20ms")
    }

    @Test("what is more than the configuration gives, is told")
    func excess() throws {
        let configuration = try read("version: 1\nnetwork-defaults: {rate: 10Mb/s}")
        func excess(_ rate: String?, _ rateIn: String? = nil) throws -> String? {
            var request = VifRequest(
                id: VifID(domain: 3, device: 1), source: .existing(try #require(LinkName("vif3.1"))))
            request.rate = try rate.map { try RateText.read($0).limit }
            request.rateIn = try rateIn.map { try RateText.read($0).limit }
            return configuration.excess(of: request, on: try #require(LinkName("lan")))
        }
        #expect(try excess(nil) == nil)
        #expect(try excess("10Mb/s", "unlimited") == nil)
        #expect(try excess("5Mb/s", "1Gb/s") == nil)
        #expect(try excess("11Mb/s") == "rate")
        #expect(try excess("10Mb/s@1s") == "rate")
        #expect(try excess("unlimited") == "rate")
    }

    @Test(
        "a limit that is none is refused with its key and its value",
        arguments: [
            ("networks: {lan: {uplink: none, rate: 0Mb/s}}", "networks.lan.rate: '0Mb/s' is zero"),
            (
                "network-defaults: {rate-in: 10Xb/s}",
                "network-defaults.rate-in: 'X' in '10Xb/s' is not a known unit"
            ),
            ("vifs: {vif3.1: {rate: 10Mb/s@}}", "vifs.vif3.1.rate: '10Mb/s@' has an empty interval"),
            ("vifs: {vif3: {rate: 10Mb/s}}", "'vif3' is not a vif; expected one like vif3.1"),
            ("vifs: {vif3.1: {}, vif3.1: {}}", "vifs.vif3.1: is there already, on line 2"),
            ("vifs: {vif3.1: {speed: 1}}", "vifs.vif3.1.speed: is not a key"),
            ("vifs: 3", "vifs: is '3'"),
        ])
    func badLimits(line: String, message: String) {
        let said = said("version: 1\n" + line)
        #expect(said.contains { $0.contains(message) }, "\(said)")
    }

    @Test func theOtherSpellingIsTold() throws {
        let text = "version: 1\nnetworks: {xen-br0: {uplink: none}}"
        #expect(try read(text).networks.first?.bridge.rawValue == "xenbr0")
        #expect(
            said(text) == [
                "d.yaml:2:12: note: networks.xen-br0: 'xen-br0' is another spelling of 'xenbr0', which is used"
            ])
    }

    @Test func everyErrorIsToldInTheOrderOfTheFile() {
        let text =
            "version: 1\nstop-on-exit: 3\nnetworks:\n  a: {uplink: eth/0}\n  b: {uplnk: x}\nscript-timeout: x"
        #expect(
            said(text).compactMap { $0.split(separator: ":").dropFirst().first } == ["2", "4", "5", "5", "6"])
        do {
            _ = try read(text)
        } catch let error as ConfigurationError {
            #expect(error.errors.count == 5)
            #expect(
                error.drawbridgeError.description
                    == "d.yaml:2:15: stop-on-exit: '3' is not a boolean; expected yes or no; and 4 more errors"
            )
            #expect(error.drawbridgeError.kind == .invalidConfiguration)
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test func noTextCrashesTheReader() {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "version: 1\n", "networks:\n", "  a: ", "{", "}", "[", "]", "uplink: ", "none", "- ", "? ", "&a ",
            "*a", "!x ", "'", "\"",
            "\\x41", "\n", "  ", "\t", "# c", "é", "\u{1}", "|\n", "...", "---\n", ": ", ", ", "<<: ",
            "%YAML 1.1\n", "\u{feff}",
        ]
        var refused = 0
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }.joined()
            if (try? read(text)) == nil { refused += 1 }
        }
        #expect(refused > 1000)
        let deep = "version: " + String(repeating: "[", count: 100_000)
        #expect(said(deep) == ["d.yaml:1:25: is nested too deep"])
    }
}
