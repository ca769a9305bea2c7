import DrawbridgeConfiguration
import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct ConversionTests {
    @Test func yamlSaysEverything() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1500 {
            let configuration = Self.configuration(&random, networks: true)
            let text = ConfigurationWriter.yaml(configuration)
            let read = try YAMLConfiguration.parse(text, file: "d.yaml").configuration
            #expect(read == configuration, "\(text)")
            #expect(ConfigurationWriter.yaml(read) == text)
        }
    }

    @Test func sxpSaysEverythingButNetworksAndBlanks() throws {
        var random = SystemRandomNumberGenerator()
        var written = 0
        for _ in 0..<1500 {
            let configuration = Self.configuration(&random, networks: false)
            guard let text = try? ConfigurationWriter.sxp(configuration) else {
                let words = [configuration.networkScript, configuration.vifScript].compactMap(\.self)
                    .flatMap { [$0.name] + $0.arguments }
                #expect(words.contains { $0.contains(" ") || $0.isEmpty })
                continue
            }
            written += 1
            let read = try XendConfiguration.parse(text, file: "x.sxp").configuration
            #expect(read == configuration, "\(text)")
            let yaml = try YAMLConfiguration.parse(ConfigurationWriter.yaml(read), file: "d.yaml")
                .configuration
            #expect(yaml == configuration)
        }
        #expect(written > 200)
    }

    @Test(arguments: ["10.0.0.1/24 delegated", "delegated"])
    func delegatedPrefixesAreSaid(addresses: String) throws {
        let text = "version: 1\nnetworks: {lan: {kind: nat, uplink: eth0, address: \(addresses)}}\n"
        let read = try YAMLConfiguration.parse(text, file: "d.yaml").configuration
        #expect(read.networks[0].subnet?.isDelegated == true)
        #expect(read.networks[0].subnet?.addresses.count == (addresses.contains("/") ? 1 : 0))
        let again = try YAMLConfiguration.parse(ConfigurationWriter.yaml(read), file: "d.yaml").configuration
        #expect(again == read)
    }

    @Test func whatABridgeHandsOutIsSaid() throws {
        let text = """
            version: 1
            networks:
              lan: {uplink: eth0, hand-out: yes, pool: 192.0.2.100-192.0.2.110, router: 192.0.2.1,
                dns: 192.0.2.53 192.0.2.54, domain: guests.example,
                reservations: {"00:16:3e:00:00:01": 192.0.2.50}}

            """
        let read = try YAMLConfiguration.parse(text, file: "d.yaml").configuration
        let handOut = try #require(read.networks[0].handOut)
        #expect(handOut.poolText == "192.0.2.100-192.0.2.110")
        #expect(handOut.nameServers.map(\.description) == ["192.0.2.53", "192.0.2.54"])
        #expect(handOut.domain == "guests.example" && handOut.reservations.count == 1)
        let again = try YAMLConfiguration.parse(ConfigurationWriter.yaml(read), file: "d.yaml").configuration
        #expect(again == read)
    }

    @Test func whatSxpCannotSayIsNamed() throws {
        var configuration = Configuration()
        configuration.networks = [Network(name: try #require(LinkName("lan")), uplink: .none)]
        var error = #expect(throws: DrawbridgeError.self) { try ConfigurationWriter.sxp(configuration) }
        #expect(error?.object == "networks.lan")
        #expect(error?.cause == "xend-config.sxp cannot say this")
        configuration = Configuration()
        configuration.networkScript = ScriptCall(name: "/bin/x", arguments: ["a b"])
        error = #expect(throws: DrawbridgeError.self) { try ConfigurationWriter.sxp(configuration) }
        #expect(error?.object == "network-script")
        #expect(error?.cause == "xend-config.sxp cannot say the argument 'a b', since it splits at blanks")
    }

    @Test func theTextOfTheShippedFileOfXend() throws {
        let read = try XendConfiguration.parse(
            "(network-script network-bridge)\n(vif-script vif-bridge)\n(drawbridge-stop-on-exit no)\n",
            file: "x.sxp")
        #expect(
            try ConfigurationWriter.sxp(read.configuration) == """
                # -*- sh -*-
                (network-script network-bridge)
                (vif-script vif-bridge)

                # Keys of Drawbridge, which xend passes over.
                # Whether an orderly end of the daemon gives the host its own configuration back.
                (drawbridge-stop-on-exit no)

                """)
        let yaml = ConfigurationWriter.yaml(read.configuration)
        #expect(yaml.contains("\nnetwork-script: network-bridge\n"))
        // Every key is explained by the line above it.
        let lines = yaml.split(separator: "\n")
        for (index, line) in lines.enumerated() where line.hasPrefix("  ") && !line.contains("#") {
            #expect(lines[index - 1].contains("# "))
        }
    }

    /// A configuration that holds by itself, so that reading it back is not refused.
    private static func configuration(
        _ random: inout SystemRandomNumberGenerator, networks: Bool
    ) -> Configuration {
        var configuration = Configuration()
        if Bool.random(using: &random) { configuration.networkScript = script(&random) }
        configuration.vifScript =
            Bool.random(using: &random) ? ScriptCall(name: "vif-bridge") : script(&random)
        configuration.stopOnExit = .random(using: &random)
        configuration.scriptTimeout = .random(in: 1...3600, using: &random)
        configuration.networkDefaults = settings(&random)
        configuration.compatibility.bridgeNamedAfterUplink = .random(using: &random)
        configuration.compatibility.startOnlyWithoutBridges = .random(using: &random)
        configuration.compatibility.firstOfSeveralBridges = .random(using: &random)
        configuration.compatibility.forwardsGlobally = .random(using: &random)
        configuration.compatibility.editsDHCPServer = .random(using: &random)
        guard networks else { return configuration }
        for device in 0..<UInt32.random(in: 0...2, using: &random) {
            var vif = VifSettings(id: VifID(domain: 3, device: device))
            if Bool.random(using: &random) { vif.rate = rate(&random).map { .limited($0) } ?? .unlimited }
            if Bool.random(using: &random) { vif.isIsolated = Bool.random(using: &random) }
            if Bool.random(using: &random) { vif.rateIn = rate(&random).map { .limited($0) } ?? .unlimited }
            configuration.vifs.append(vif)
        }
        var names =
            [
                "lan", "no", "null", "none", "default-route", "xenbr0", "bond0.100", "5", "~", "a#b", "-",
                "é\"x", "{a}",
            ]
            + ["*x", "on", "a,b", "[", "0x1", "br-lan", "'q'", "\\", "y", "@", "`", "#", "|", ">"]
        names.shuffle(using: &random)
        func next() -> LinkName? { names.popLast().flatMap { LinkName($0) } }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            guard let name = next(), let bridge = next(), let uplink = next() else { break }
            var network = Network(
                name: name, bridge: Bool.random(using: &random) ? bridge : nil, uplink: .none)
            if Bool.random(using: &random) { network.uplink = .named(uplink) }
            if network.uplink != .none, network.bridge == name, Bool.random(using: &random) {
                var routing = Routing()
                routing.isNAT = .random(using: &random)
                routing.connectsGuests = .random(using: &random)
                network.routing = routing
            }
            network.settings = settings(&random)
            network.filter.isOn = .random(using: &random)
            configuration.networks.append(network)
        }
        if !configuration.networks.isEmpty, Bool.random(using: &random) {
            configuration.networks[0].uplink = .defaultRoute
        }
        return configuration
    }

    private static func rate(_ random: inout SystemRandomNumberGenerator) -> Rate? {
        let texts = ["10Mb/s", "1MB/s@20ms", "7B/s@1us", "1GB/s@3s", "8000b/s", "unlimited"]
        return texts.randomElement(using: &random).flatMap { try? RateText.read($0).limit.rate }
    }

    /// A program of the administrator's with all sorts of arguments.
    private static func script(_ random: inout SystemRandomNumberGenerator) -> ScriptCall {
        let words = [
            "a", "k=v", "", "a b", "'", "\"", "#", "(", "!", "\\", "é", "\n", "\t", "yes", ": ", "- x",
            "\u{7f}", "\u{2028}", "😀",
            "\u{feff}", "{", "\r\n", "%d", "$(id)", "\u{85}", "~",
        ]
        let arguments = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            words[Int.random(in: 0..<words.count, using: &random)]
        }
        return ScriptCall(
            name: ["/bin/true", "mine", "/opt/my \"script\"", "no"].randomElement(using: &random) ?? "mine",
            arguments: arguments)
    }

    private static func settings(_ random: inout SystemRandomNumberGenerator) -> NetworkSettings {
        var settings = NetworkSettings()
        settings.multicastSnooping = .random(using: &random)
        settings.uplinkReferences = Bool.random(using: &random) ? .warn : .refuse
        settings.foreignManager = Bool.random(using: &random) ? .warn : .refuse
        settings.networkRoot = Bool.random(using: &random) ? .warn : .refuse
        settings.dhcpClient = DHCPClientChoice.allCases.randomElement(using: &random) ?? .refuse
        settings.carrierTimeout = .random(in: 0...3600, using: &random)
        settings.rate = rate(&random)
        settings.rateIn = rate(&random)
        settings.isolatesGuests = Bool.random(using: &random) ? true : nil
        return settings
    }
}
