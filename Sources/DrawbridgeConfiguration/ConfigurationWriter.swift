public import DrawbridgeModel
import NetworkTypes
import SExpression

/// Writes a configuration in either format, so that reading it gives the same configuration.
public enum ConfigurationWriter {
    /// The text of a `drawbridge.yaml`, each key with a line that explains it.
    public static func yaml(_ configuration: Configuration) -> String {
        var text = """
            # What Drawbridge does with the networks of this host.
            version: \(YAMLConfiguration.version)

            # What is run when the daemon starts and stops; nothing where this is left out.

            """
        if let call = configuration.networkScript {
            text += "network-script: \(yaml(call))\n"
        } else {
            text += "# network-script: network-bridge\n"
        }
        text += """

            # What is run for each vif.
            vif-script: \(yaml(configuration.vifScript))

            """
        for key in Key<Configuration>.daemon {
            text += "\n# \(key.explanation)\n\(key.name): \(key.write(configuration))\n"
        }
        text += "\n# How networks behave that do not say otherwise themselves.\nnetwork-defaults:\n"
        text += lines(Key<NetworkSettings>.network, configuration.networkDefaults)
        text += "\n# Networks that are raised at start besides what the script does.\n"
        if configuration.networks.isEmpty { text += "networks: {}\n" } else { text += "networks:\n" }
        for network in configuration.networks { text += yaml(network, configuration.networkDefaults) }
        if !configuration.vifs.isEmpty {
            text += "\n# What is said of single vifs.\nvifs:\n"
            for vif in configuration.vifs {
                let keys = Key<VifSettings>.vif.filter { !$0.write(vif).isEmpty }
                let values = keys.map { "    # \($0.explanation)\n    \($0.name): \($0.write(vif))\n" }
                text += "  \(vif.id):\(values.isEmpty ? " {}" : "")\n" + values.joined()
            }
        }
        if !configuration.groups.isEmpty {
            text += "\n# What vifs may exchange with whom, by the groups that they are in.\ngroups:\n"
            for group in configuration.groups { text += list(group.name, group.rules.map { "\($0)" }) }
        }
        if !configuration.addressSets.isEmpty {
            text += "\n# Addresses by names that the rules of groups use.\naddress-sets:\n"
            for set in configuration.addressSets { text += list(set.name, set.prefixes.map { "\($0)" }) }
        }
        text += "\n# Where eras of Xen disagree, which one holds; no is 3.0.3.\ncompat:\n"
        text += lines(Key<Compatibility>.compatibility, configuration.compatibility)
        return text
    }

    /// The text of a `xend-config.sxp`; an error names what that format cannot say.
    public static func sxp(_ configuration: Configuration) throws(DrawbridgeError) -> String {
        guard configuration.networks.isEmpty else {
            let names = configuration.networks.map { "networks.\($0.name)" }.joined(separator: ", ")
            throw DrawbridgeError(
                .unsupported, names, "xend-config.sxp cannot say this",
                advice: "keep drawbridge.yaml, or name a network-script that calls network-bridge for each")
        }
        guard configuration.vifs.isEmpty else {
            throw DrawbridgeError(
                .unsupported, configuration.vifs.map { "vifs.\($0.id)" }.joined(separator: ", "),
                "xend-config.sxp cannot say this",
                advice: "keep drawbridge.yaml, or name the rate in the domain's file")
        }
        guard configuration.groups.isEmpty, configuration.addressSets.isEmpty else {
            throw DrawbridgeError(
                .unsupported, "groups", "xend-config.sxp cannot say this", advice: "keep drawbridge.yaml")
        }
        var text = "# -*- sh -*-\n"
        if let call = configuration.networkScript {
            text += form("network-script", try words(call, "network-script"))
        } else {
            text += "# Without a network-script nothing is run when the daemon starts.\n"
        }
        text += form("vif-script", try words(configuration.vifScript, "vif-script"))
        let defaults = Configuration()
        var own = ""
        func add<Root>(_ keys: [Key<Root>], _ infix: String, _ root: Root, _ standard: Root) {
            for key in keys where key.write(root) != key.write(standard) {
                own += "# \(key.explanation)\n"
                own += form("\(XendConfiguration.prefix)\(infix)\(key.name)", key.write(root))
            }
        }
        add(Key<Configuration>.daemon, "", configuration, defaults)
        add(Key<NetworkSettings>.network, "", configuration.networkDefaults, defaults.networkDefaults)
        add(Key<Compatibility>.compatibility, "compat-", configuration.compatibility, defaults.compatibility)
        if !own.isEmpty { text += "\n# Keys of Drawbridge, which xend passes over.\n" + own }
        return text
    }

    // MARK: S-expressions

    private static func form(_ key: String, _ value: String) -> String {
        let isWord = !value.isEmpty && value.utf8.allSatisfy(isPlain)
        return Writer.write(.list([.atom(key), isWord ? .atom(value) : .string(value)])) + "\n"
    }

    private static func words(_ call: ScriptCall, _ key: String) throws(DrawbridgeError) -> String {
        let text = ([call.name] + call.arguments).joined(separator: " ")
        guard ScriptCall(splitting: text) == call else {
            let word = ([call.name] + call.arguments).first { $0.isEmpty || $0.contains(" ") } ?? text
            throw DrawbridgeError(
                .unsupported, key,
                "xend-config.sxp cannot say the argument '\(word)', since it splits at blanks",
                advice: "keep drawbridge.yaml")
        }
        return text
    }

    // MARK: YAML

    private static func lines<Root>(_ keys: [Key<Root>], _ root: Root) -> String {
        keys.map { "  # \($0.explanation)\n  \($0.name): \($0.write(root))\n" }.joined()
    }

    private static func yaml(_ network: Network, _ defaults: NetworkSettings) -> String {
        let kind: NetworkKind =
            switch network.subnet {
            case let subnet? where subnet.exit != .none: subnet.isNAT ? .nat : .routed
            default: network.kind
            }
        var text = "  \(scalar(network.name.rawValue)):\n    kind: \(kind.word)\n"
        if let routing = network.routing {
            text += "    # Whether its guests reach each other through the host.\n"
            text += "    connect-guests: \(routing.connectsGuests ? "yes" : "no")\n"
        }
        if network.bridge != network.name {
            text += "    # The device; the network's own name unless it is said.\n"
            text += "    bridge: \(scalar(network.bridge.rawValue))\n"
        }
        text +=
            network.subnet == nil
            ? "    # The interface that is moved onto the bridge: its name, default-route or none.\n"
            : "    # The interface that leads out: its name, default-route or none.\n"
        switch network.subnet?.exit ?? network.uplink {
        case .none: text += "    uplink: none\n"
        case .defaultRoute: text += "    uplink: default-route\n"
        case .named(let name) where name.rawValue == "none" || name.rawValue == "default-route":
            text += "    uplink: {name: \(scalar(name.rawValue))}\n"
        case .named(let name): text += "    uplink: \(scalar(name.rawValue))\n"
        }
        if let subnet = network.subnet { text += yaml(subnet) }
        if let handOut = network.handOut { text += yaml(handOut) }
        for key in Key<NetworkSettings>.network where key.write(network.settings) != key.write(defaults) {
            text += "    # \(key.explanation)\n    \(key.name): \(key.write(network.settings))\n"
        }
        return text
    }

    private static func yaml(_ subnet: Subnet) -> String {
        var text = "    # The host's own addresses on the bridge, and how long their networks are.\n"
        let addresses = subnet.addresses.map { "\($0)" } + (subnet.isDelegated == true ? ["delegated"] : [])
        text += "    address: \(addresses.joined(separator: " "))\n"
        if !subnet.sources.isEmpty {
            text += "    # The addresses that guests go out by.\n    nat-source: \(words(subnet.sources))\n"
        }
        text += "    # Whether guests are given addresses of the subnet, by DHCP and by name.\n"
        text += "    hand-out: \(subnet.handsOut ? "yes" : "no")\n"
        return text + yaml(domain: subnet.domain, subnet.reservations)
    }

    private static func yaml(_ handOut: HandOut) -> String {
        var text =
            "    # Whether guests are given addresses of what the uplink leads to, by DHCP.\n    hand-out: yes\n"
        text += "    # The first and the last of them.\n    pool: \(quoted(handOut.poolText))\n"
        text += "    # What guests are told of: the router, and the servers of names.\n"
        text += "    router: \(quoted(handOut.router.description))\n"
        if !handOut.nameServers.isEmpty { text += "    dns: \(words(handOut.nameServers))\n" }
        return text + yaml(domain: handOut.domain, handOut.reservations)
    }

    private static func yaml(domain: String?, _ reservations: [Subnet.Reservation]) -> String {
        var text = ""
        if let domain { text += "    # The domain of the guests' names.\n    domain: \(scalar(domain))\n" }
        guard !reservations.isEmpty else { return text }
        text += "    # What is kept for guests, by their hardware addresses.\n    reservations:\n"
        for one in reservations {
            text += "      \(quoted(one.mac.description)): \(words(one.addresses))\n"
        }
        return text
    }

    private static func words(_ list: [some CustomStringConvertible]) -> String {
        quoted(list.map(\.description).joined(separator: " "))
    }

    private static func list(_ name: GroupName, _ lines: [String]) -> String {
        "  \(scalar(name.rawValue)):\(lines.isEmpty ? " []" : "")\n"
            + lines.map { "    - \(scalar($0))\n" }.joined()
    }

    private static func yaml(_ call: ScriptCall) -> String {
        let words = [call.name] + call.arguments
        let text = words.joined(separator: " ")
        guard ScriptCall(splitting: text) == call else {
            return "[" + words.map(quoted).joined(separator: ", ") + "]"
        }
        return scalar(text)
    }

    /// A text, in quotes unless it is sure to be read as itself without.
    private static func scalar(_ text: String) -> String {
        let isSafe =
            text.utf8.first.map { $0 == 47 || isLetter($0) } ?? false
            && text.utf8.last != 32 && text.utf8.allSatisfy { isPlain($0) || $0 == 32 }
            && !Scalar.reservedWords.contains(text.lowercased())
        return isSafe ? text : quoted(text)
    }

    private static func isLetter(_ octet: UInt8) -> Bool {
        (65...90).contains(octet) || (97...122).contains(octet)
    }

    /// Letters, digits and `-./=_`.
    private static func isPlain(_ octet: UInt8) -> Bool {
        isLetter(octet) || (45...57).contains(octet) || octet == 61 || octet == 95
    }

    /// A text in double quotes, everything but visible ASCII escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where (32...126).contains(scalar.value): result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                let width = scalar.value < 0x100 ? 2 : scalar.value < 0x1_0000 ? 4 : 8
                let letter = width == 2 ? "x" : width == 4 ? "u" : "U"
                result += "\\\(letter)" + String(repeating: "0", count: width - digits.count) + digits
            }
        }
        return result + "\""
    }
}

extension NetworkKind {
    /// The kind as the file calls it.
    fileprivate var word: String {
        switch self {
        case .bridged: "bridge"
        case .routed: "routed"
        case .nat: "nat"
        }
    }
}
