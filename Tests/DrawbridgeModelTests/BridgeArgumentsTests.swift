import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct BridgeArgumentsTests {
    private func network(
        _ arguments: [String], defaultRoute: String? = nil, named: Bool = false
    ) throws -> (bridge: String, uplink: String, antispoof: Bool)? {
        var compatibility = Compatibility()
        compatibility.bridgeNamedAfterUplink = named
        let network = try BridgeArguments(ScriptArguments(["start"] + arguments)).network(
            defaultRoute: defaultRoute.flatMap { LinkName($0) }, compatibility: compatibility)
        guard let network, case .named(let uplink) = network.uplink else { return nil }
        #expect(network.name == network.bridge)
        return (network.bridge.rawValue, uplink.rawValue, network.filter.isOn)
    }

    @Test("§7-73: an unknown command is answered with the valid ones", arguments: ["restart", "", nil])
    func unknownCommand(command: String?) {
        let arguments = ScriptArguments([command, "bridge=xenbr0"].compactMap(\.self))
        let error = #expect(throws: DrawbridgeError.self) {
            try NetworkCommand(arguments, script: "network-bridge")
        }
        #expect(error?.cause == "Unknown command: \(command ?? "")")
        #expect(error?.advice == "Valid commands are: start, stop, status")
        #expect(error?.kind == .invalidArgument)
    }

    @Test func knownCommands() throws {
        for command in NetworkCommand.allCases {
            #expect(try NetworkCommand(ScriptArguments(["a=b", command.rawValue]), script: "s") == command)
        }
    }

    @Test("§7-74: bridge=null asks for nothing")
    func null() throws { #expect(try network(["bridge=null", "netdev=eth1"], defaultRoute: "eth0") == nil) }

    @Test(
        "§7-75: the defaults of 3.0.3",
        arguments: [
            ([], "eth1", "xenbr1", "eth1"), ([], nil, "xenbr0", "eth0"), ([], "eth0", "xenbr0", "eth0"),
            (["vifnum=2"], "eth0", "xenbr2", "eth2"), (["vifnum=0"], "enp3s0", "xenbr0", "eth0"),
            (["netdev=eth1"], "eth0", "xenbr0", "eth1"), (["netdev=eth1"], "eth1", "xenbr1", "eth1"),
            (["netdev=eth1", "vifnum=1"], "eth0", "xenbr1", "eth1"),
            (["bridge=xenbr7"], "eth1", "xenbr7", "eth1"), (["bridge=xen-br0"], "eth1", "xenbr0", "eth1"),
            (["bridge=", "netdev="], "eth1", "xenbr1", "eth1"), ([], "bond1", "xenbr1", "bond1"),
            // The default route goes through the bridge itself: this is the second start.
            ([], "xenbr1", "xenbr1", "eth1"),
        ] as [([String], String?, String, String)])
    func defaults(arguments: [String], route: String?, bridge: String, uplink: String) throws {
        let found = try #require(try network(arguments, defaultRoute: route))
        #expect((found.bridge, found.uplink) == (bridge, uplink))
    }

    @Test(
        "§7-86: names of interfaces that are no ethN are taken whole",
        arguments: ["enp3s0", "bond0.100", "br-lan"])
    func otherNames(name: String) throws {
        let found = try #require(try network([], defaultRoute: name))
        #expect((found.bridge, found.uplink) == ("xenbr0", name))
        let asked = try #require(try network(["netdev=\(name)"], defaultRoute: "eth1"))
        #expect((asked.bridge, asked.uplink) == ("xenbr1", name))
    }

    @Test("§7-76: by the compatibility key the bridge is named as its interface")
    func namedAfterUplink() throws {
        let found = try #require(try network([], defaultRoute: "enp3s0", named: true))
        #expect((found.bridge, found.uplink) == ("enp3s0", "enp3s0"))
        let none = try #require(try network([], named: true))
        #expect((none.bridge, none.uplink) == ("eth0", "eth0"))
        let asked = try #require(
            try network(["netdev=eth1", "bridge=br1"], defaultRoute: "eth0", named: true))
        #expect((asked.bridge, asked.uplink) == ("br1", "eth1"))
    }

    @Test func onlyYesIsAntispoof() throws {
        #expect(try network(["antispoof=yes"])?.antispoof == true)
        #expect(try network(["antispoof=no"])?.antispoof == false)
        let odd = try BridgeArguments(ScriptArguments(["antispoof=YES"]))
        #expect(odd.antispoof == false)
        #expect(try network([])?.antispoof == true)
        #expect(odd.notices == ["argument 'antispoof=YES' is taken for no; only 'yes' switches it on"])
    }

    @Test(
        "bad values are refused by name",
        arguments: [
            (
                "bridge=abcdefghijklmnop",
                "network-bridge: bridge: 'abcdefghijklmnop' has 16 octets, a device's name has at most 15"
            ),
            ("netdev=eth/0", "network-bridge: netdev: a device's name may not hold '/'"),
            ("netdev=eth\n0", "network-bridge: netdev: a device's name may not hold character code 10"),
            ("netdev=..", "network-bridge: netdev: '..' is not a device's name"),
            ("vifnum=-1", "network-bridge: vifnum: '-1' is not a decimal number"),
            ("vifnum=4294967296", "network-bridge: vifnum: '4294967296' is not a decimal number"),
        ])
    func refused(argument: String, message: String) {
        let error = #expect(throws: DrawbridgeError.self) { try BridgeArguments(ScriptArguments([argument])) }
        #expect(error?.description == message)
    }

    @Test func theBridgeMayNotBeItsOwnUplink() {
        #expect(throws: DrawbridgeError.self) { try network(["bridge=eth1", "netdev=eth1"]) }
    }

    @Test func settingsAreHandedOn() throws {
        var settings = NetworkSettings()
        settings.uplinkReferences = .warn
        settings.carrierTimeout = 3
        let network = try BridgeArguments(ScriptArguments([])).network(defaultRoute: nil, settings: settings)
        #expect(network?.settings == settings)
        #expect(network?.uplinkReferences == .warn)
    }
}
