import DrawbridgeModel
import NetworkTypes

/// What is wrong with a configuration though each of its values is right by itself.
struct SemanticChecks {
    let configuration: Configuration
    var findings: Findings

    static func check(_ configuration: Configuration, _ findings: inout Findings) {
        var checks = SemanticChecks(configuration: configuration, findings: findings)
        checks.checkScripts()
        checks.checkNetworks()
        checks.checkGroups()
        findings = checks.findings
    }

    private mutating func checkScripts() {
        if let call = configuration.networkScript, isScript(call, "network-script", forNetworks: true),
            call.builtIn == .networkBridge
        {
            do {
                let arguments = try BridgeArguments(ScriptArguments(["start"] + call.arguments))
                for notice in arguments.notices { findings.add(.warning, "network-script", notice) }
                if case .named(let bridge) = arguments.bridge, bridge == arguments.netdev,
                    !configuration.compatibility.bridgeNamedAfterUplink
                {
                    findings.add(
                        .error, "network-script",
                        "bridge=\(bridge) is the name of the interface that is to be moved onto the bridge",
                        expected: "another name for the bridge")
                }
            } catch {
                findings.add(.error, "network-script", error.description)
            }
        }
        let call = configuration.vifScript
        if isScript(call, "vif-script", forNetworks: false), call.builtIn == .vifBridge {
            do {
                // The configuration's arguments, tried on a vif that stands for any.
                let reading = try VifEvent.read(
                    script: call.name, arguments: ["online"] + call.arguments, environment: ["vif": "vif0.0"])
                if case .event(let event) = reading {
                    for notice in event.notices { findings.add(.warning, "vif-script", notice) }
                }
            } catch {
                findings.add(.error, "vif-script", error.description)
            }
        }
    }

    /// Checks the name of a script; false if it is refused.
    private mutating func isScript(_ call: ScriptCall, _ key: String, forNetworks: Bool) -> Bool {
        let example = forNetworks ? "network-bridge" : "vif-bridge"
        let expected = "a script like \(example), or the absolute path of a program"
        guard !([call.name] + call.arguments).contains(where: { $0.unicodeScalars.contains("\0") }) else {
            findings.add(.error, key, "a script's name and arguments may not hold NUL", expected: expected)
            return false
        }
        if call.name.hasPrefix("/") {
            guard !call.name.hasSuffix("/") else {
                findings.add(.error, key, "'\(call.name)' is a directory", expected: expected)
                return false
            }
            return true
        }
        if call.name.isEmpty || call.name.contains("/") || call.name == "." || call.name == ".."
            || call.name.contains("=")
        {
            findings.add(.error, key, "'\(call.name)' is not a script's name", expected: expected)
            return false
        }
        guard let builtIn = call.builtIn else {
            let names = BuiltInScript.allCases.filter { $0.isForNetworks == forNetworks }.map(\.rawValue)
            let near = NearMiss.of(call.name, among: names)
            findings.add(
                near == nil ? .note : .warning, key,
                "'\(call.name)' is not a built-in; the program of that name in the script directory is run",
                suggestion: near)
            return true
        }
        guard builtIn.isForNetworks == forNetworks else {
            findings.add(
                .error, key,
                "'\(call.name)' handles \(forNetworks ? "vifs, not networks" : "networks, not vifs")",
                expected: expected,
                suggestion: call.name.replacing(
                    forNetworks ? "vif-" : "network-", with: forNetworks ? "network-" : "vif-"))
            return false
        }
        return true
    }

    /// A network, and what it takes for itself.
    private struct Claim {
        /// Nil for the one that the script raises.
        var name: NetworkName?
        /// How it is called in what is said about the others.
        var title: String
        var bridge: LinkName?
        var uplink: UplinkChoice
        var subnet: Subnet?
        var handOut: HandOut?
    }

    private mutating func checkNetworks() {
        var claims: [Claim] = scriptClaim.map { [$0] } ?? []
        for network in configuration.networks {
            let key = "networks.\(network.name)"
            guard network.routing == nil else {
                checkRouted(network, key, claims)
                continue
            }
            if VifID(network.bridge.rawValue) != nil {
                findings.add(
                    .error, place(key, "bridge"), "'\(network.bridge)' is a vif's name",
                    expected: "a bridge's name")
            }
            if network.uplink == .named(network.bridge), !configuration.compatibility.bridgeNamedAfterUplink {
                findings.add(
                    .error, place(key, "uplink"), "'\(network.bridge)' is the name of the bridge itself",
                    expected: "the interface that is to be moved onto the bridge")
            }
            for other in claims {
                if let bridge = other.bridge {
                    if bridge == network.bridge {
                        findings.add(
                            .error, place(key, "bridge"),
                            "'\(bridge)' is the bridge of \(other.title) already",
                            expected: "a bridge of its own for each network")
                    } else if network.uplink == .named(bridge) {
                        findings.add(
                            .error, place(key, "uplink"), "'\(bridge)' is the bridge of \(other.title)",
                            expected: "an interface that is no bridge")
                    } else if bridge == network.name {
                        findings.add(
                            .error, key, "is also the name of the bridge of \(other.title)",
                            expected: "a name that means one network only")
                    } else if network.bridge == other.name {
                        findings.add(
                            .error, place(key, "bridge"),
                            "'\(network.bridge)' is the name of another network",
                            expected: "a name that means one network only")
                    }
                }
                if other.uplink == .named(network.bridge) {
                    findings.add(
                        .error, place(key, "bridge"), "'\(network.bridge)' is the uplink of \(other.title)",
                        expected: "a name for the bridge that no interface has")
                }
                checkSubnet(of: network, key, beside: other)
                if let own = network.handOut, let theirs = other.handOut, theirs.pool.overlaps(own.pool) {
                    findings.add(
                        .error, place(key, "pool"),
                        "\(own.poolText) overlaps \(theirs.poolText) of \(other.title)",
                        expected: "a pool of its own for each network")
                }
                if network.uplink != .none, other.uplink == network.uplink {
                    let uplink =
                        if case .named(let name) = network.uplink { "'\(name)'" } else {
                            "the default route's interface"
                        }
                    findings.add(
                        .error, place(key, "uplink"), "\(uplink) is the uplink of \(other.title) already",
                        expected: "an uplink of its own for each network")
                }
            }
            claims.append(
                Claim(
                    name: network.name, title: "network '\(network.name)'", bridge: network.bridge,
                    uplink: network.uplink, subnet: network.subnet, handOut: network.handOut))
        }
    }

    /// A subnet is one network's alone, and leads out by an interface that has addresses.
    private mutating func checkSubnet(of network: Network, _ key: String, beside other: Claim) {
        guard let subnet = network.subnet else { return }
        for own in subnet.addresses {
            for prefix in other.subnet?.addresses ?? [] where prefix.overlaps(own) {
                findings.add(
                    .error, place(key, "address"), "\(own) overlaps \(prefix) of \(other.title)",
                    expected: "a subnet of its own for each network")
            }
        }
        if case .named(let exit) = subnet.exit, other.uplink == subnet.exit, let bridge = other.bridge {
            findings.add(
                .error, place(key, "uplink"), "'\(exit)' is the uplink of \(other.title) already",
                expected: "the bridge, \(bridge)")
        }
    }

    /// A network without a bridge takes nothing for itself, but its uplink must have addresses.
    private mutating func checkRouted(_ network: Network, _ key: String, _ claims: [Claim]) {
        guard network.uplink != .none else {
            findings.add(
                .error, place(key, "uplink"), "a network without a bridge needs an interface to the world",
                expected: "an interface's name or default-route")
            return
        }
        for other in claims {
            if other.uplink == network.uplink, case .named(let name) = network.uplink {
                findings.add(
                    .error, place(key, "uplink"), "'\(name)' is the uplink of \(other.title) already",
                    expected: other.bridge.map { "the bridge, \($0)" } ?? "an interface that is no port")
            } else if other.bridge == network.name {
                findings.add(
                    .error, key, "is also the name of the bridge of \(other.title)",
                    expected: "a name that means one network only")
            }
        }
    }

    /// The network that the script raises, as far as its arguments tell.
    private var scriptClaim: Claim? {
        guard let call = configuration.networkScript, call.builtIn == .networkBridge,
            let arguments = try? BridgeArguments(ScriptArguments(["start"] + call.arguments)),
            let network = try? arguments.network(
                defaultRoute: nil, compatibility: configuration.compatibility)
        else { return nil }
        let isCompatible = configuration.compatibility.bridgeNamedAfterUplink
        let tellsUplink = arguments.netdev != nil || (arguments.number != nil && !isCompatible)
        let tellsBridge =
            arguments.bridge != .byDefault || (isCompatible ? tellsUplink : arguments.number != nil)
        return Claim(
            title: "the network script", bridge: tellsBridge ? network.bridge : nil,
            uplink: tellsUplink ? network.uplink : .defaultRoute)
    }

    /// The key of that name if it stands in the file, else the one that it would stand below.
    private func place(_ parent: String, _ child: String) -> String {
        findings.places["\(parent).\(child)"] != nil ? "\(parent).\(child)" : parent
    }
}
