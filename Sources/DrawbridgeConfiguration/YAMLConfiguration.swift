public import DrawbridgeModel
import NetworkTypes
import SExpression

/// Reads `drawbridge.yaml`, the native file.
public enum YAMLConfiguration {
    /// The version of the format that is read and written.
    public static let version = 1

    /// Reads a text; thrown is all that is wrong with it, returned are warnings and notes.
    public static func parse(
        _ text: String, file: String
    ) throws(ConfigurationError) -> (configuration: Configuration, diagnostics: [Diagnostic]) {
        let root = try YAMLReader.read(text, file: file)
        guard let root else {
            throw ConfigurationError(
                Diagnostic(.error, file: file, "is empty", expected: "at least 'version: 1'"))
        }
        var reader = YAMLConfigurationReader(file: file)
        reader.read(root)
        var findings = reader.findings
        // What was misread would be told a second time for the wrong reason.
        if !findings.diagnostics.contains(where: { $0.severity == .error }) {
            SemanticChecks.check(reader.configuration, &findings)
        }
        return (reader.configuration, try findings.settled())
    }
}

struct YAMLConfigurationReader {
    var findings: Findings
    var configuration = Configuration()

    init(file: String) { findings = Findings(file: file) }

    mutating func read(_ root: YAMLNode) {
        let daemonKeys = Key<Configuration>.daemon
        let known =
            [
                "version", "network-script", "vif-script", "network-defaults", "networks", "vifs", "groups",
                "address-sets", "compat",
            ]
            + daemonKeys.map(\.name)
        guard let top = mapping(root, "", known: known) else { return }
        readVersion(top["version"], in: root)
        if let node = top["network-script"], let call = script(node, "network-script", mayBeNothing: true) {
            configuration.networkScript = call
        }
        if let node = top["vif-script"], let call = script(node, "vif-script", mayBeNothing: false) {
            configuration.vifScript = call
        }
        for key in daemonKeys {
            if let node = top[key.name] { configuration = read(key, node, key.name, into: configuration) }
        }
        if let node = top["compat"] {
            configuration.compatibility = read(
                Key<Compatibility>.compatibility, node, "compat", into: configuration.compatibility)
        }
        if let node = top["network-defaults"] {
            configuration.networkDefaults = read(
                Key<NetworkSettings>.network, node, "network-defaults", into: configuration.networkDefaults)
        }
        if let node = top["networks"] { readNetworks(node) }
        if let node = top["vifs"] { readVifs(node) }
        if let node = top["groups"] { readGroups(node) }
        if let node = top["address-sets"] { readAddressSets(node) }
    }

    private mutating func readVersion(_ node: YAMLNode?, in root: YAMLNode) {
        let expected = "version: \(YAMLConfiguration.version)"
        guard let node else {
            findings.add(.error, "version", at: root.place, "is missing", expected: expected)
            return
        }
        guard case .scalar(let text, isQuoted: false) = node.content, let version = UInt32(text) else {
            findings.add(
                .error, "version", at: node.place, "\(node.kind) is not a version", expected: expected)
            return
        }
        guard version == YAMLConfiguration.version else {
            findings.add(
                .error, "version", at: node.place, "version \(version) is not known", expected: expected)
            return
        }
    }

    private mutating func readNetworks(_ node: YAMLNode) {
        // All of a list may have been commented out.
        if case .scalar("", isQuoted: false) = node.content { return }
        guard case .mapping(let pairs) = node.content else {
            findings.add(
                .error, "networks", at: node.place, "is \(node.kind)",
                expected: "a mapping of names to networks")
            return
        }
        var lines: [NetworkName: Int] = [:]
        for (key, value) in pairs {
            guard case .scalar(let text, _) = key.content else {
                findings.add(.error, "networks", at: key.place, "\(key.kind) is not a network's name")
                continue
            }
            guard let name = bridgeName(key, "networks.\(text)") else { continue }
            if let line = lines[name] {
                findings.add(.error, "networks.\(text)", at: key.place, "is there already, on line \(line)")
                continue
            }
            lines[name] = key.place.line
            let path = "networks.\(name)"
            findings.places[path] = key.place
            if let network = network(name, value, path) { configuration.networks.append(network) }
        }
    }

    /// `vif3.1: {rate: 10Mb/s}`.
    private mutating func readVifs(_ node: YAMLNode) {
        if case .scalar("", isQuoted: false) = node.content { return }
        guard case .mapping(let pairs) = node.content else {
            findings.add(
                .error, "vifs", at: node.place, "is \(node.kind)", expected: "a mapping of vifs to settings")
            return
        }
        var lines: [VifID: Int] = [:]
        for (key, value) in pairs {
            guard case .scalar(let text, _) = key.content, let id = VifID(text) else {
                findings.add(
                    .error, "vifs", at: key.place, "\(key.kind) is not a vif", expected: "one like vif3.1")
                continue
            }
            if let line = lines[id] {
                findings.add(.error, "vifs.\(text)", at: key.place, "is there already, on line \(line)")
                continue
            }
            lines[id] = key.place.line
            configuration.vifs.append(
                read(Key<VifSettings>.vif, value, "vifs.\(text)", into: VifSettings(id: id)))
        }
    }

    private mutating func network(_ name: NetworkName, _ node: YAMLNode, _ path: String) -> Network? {
        let keys = Key<NetworkSettings>.network
        let known =
            ["kind", "bridge", "uplink", "connect-guests", "address"] + Self.subnetKeys + Self.segmentKeys
            + keys.map(\.name)
        guard let parts = mapping(node, path, known: known) else { return nil }
        guard case .some(let routing) = routing(parts, path) else { return nil }
        guard let uplinkNode = parts["uplink"] else {
            findings.add(
                .error, "\(path).uplink", at: node.place, "is missing",
                expected: "an interface's name, default-route or none")
            return nil
        }
        guard let uplink = uplink(uplinkNode, "\(path).uplink") else { return nil }
        guard case .some(let subnet) = subnet(parts, path, routing: routing, uplink: uplink) else {
            return nil
        }
        let isSegment = subnet == nil && routing == nil && uplink != .none
        guard case .some(let handOut) = handOut(parts, path, isSegment: isSegment) else { return nil }
        var network = Network(name: name, uplink: subnet == nil ? uplink : .none)
        network.handOut = handOut
        network.subnet = subnet
        if let node = parts["bridge"] {
            guard let bridge = bridgeName(node, "\(path).bridge") else { return nil }
            network.bridge = bridge
        }
        network.routing = subnet == nil ? routing : nil
        var settings = configuration.networkDefaults
        for key in keys {
            if let node = parts[key.name] {
                settings = read(key, node, "\(path).\(key.name)", into: settings)
            }
        }
        network.settings = settings
        return network
    }

    /// `eth0`, `default-route`, `none`, or `{name: none}` for an interface that bears one of these words.
    private mutating func uplink(_ node: YAMLNode, _ path: String) -> UplinkChoice? {
        if case .mapping = node.content {
            guard let parts = mapping(node, path, known: ["name"]) else { return nil }
            guard let name = parts["name"] else {
                findings.add(
                    .error, "\(path).name", at: node.place, "is missing", expected: "an interface's name")
                return nil
            }
            return linkName(name, "\(path).name").map { .named($0) }
        }
        if case .scalar("none", _) = node.content {
            findings.places[path] = node.place
            return UplinkChoice.none
        }
        if case .scalar("default-route", _) = node.content {
            findings.places[path] = node.place
            return .defaultRoute
        }
        return linkName(node, path).map { .named($0) }
    }

    /// A script with its arguments: one text split on blanks, as xend had it, or a list of words.
    private mutating func script(_ node: YAMLNode, _ path: String, mayBeNothing: Bool) -> ScriptCall? {
        findings.places[path] = node.place
        let expected = "a script's name, with its arguments in the same text or as a list"
        switch node.content {
        case .scalar(let text, let isQuoted):
            if !isQuoted, Scalar.reservedWords.contains(text.lowercased()), !text.isEmpty, text != "~",
                text != "null"
            {
                findings.add(.error, path, at: node.place, "'\(text)' is a boolean", expected: expected)
                return nil
            }
            let isNothing = !isQuoted && (text == "~" || text == "null")
            if !isNothing, let call = ScriptCall(splitting: text) { return call }
            if !mayBeNothing {
                findings.add(.error, path, at: node.place, "names no script", expected: expected)
            }
            return nil
        case .sequence(let nodes):
            var words: [String] = []
            for (index, node) in nodes.enumerated() {
                guard case .scalar(let text, _) = node.content else {
                    findings.add(
                        .error, "\(path)[\(index)]", at: node.place, "is \(node.kind)", expected: "a word")
                    return nil
                }
                words.append(text)
            }
            guard let name = words.first, !name.isEmpty else {
                if !(mayBeNothing && words.isEmpty) {
                    findings.add(.error, path, at: node.place, "names no script", expected: expected)
                }
                return nil
            }
            return ScriptCall(name: name, arguments: Array(words.dropFirst()))
        case .mapping:
            findings.add(.error, path, at: node.place, "is a mapping", expected: expected)
            return nil
        }
    }

    // MARK: Parts

    private mutating func read<Root>(
        _ keys: [Key<Root>], _ node: YAMLNode, _ path: String, into root: Root
    ) -> Root {
        guard let parts = mapping(node, path, known: keys.map(\.name)) else { return root }
        var root = root
        for key in keys {
            if let node = parts[key.name] { root = read(key, node, "\(path).\(key.name)", into: root) }
        }
        return root
    }

    private mutating func read<Root>(
        _ key: Key<Root>, _ node: YAMLNode, _ path: String, into root: Root
    ) -> Root {
        guard let scalar = scalar(node, path) else { return root }
        var changed = root
        do { try key.read(scalar, &changed) } catch {
            findings.add(error, path, at: node.place)
            return root
        }
        for notice in key.notices(scalar) { findings.add(.warning, path, at: node.place, notice) }
        return changed
    }

    /// A device's name.
    private mutating func linkName(_ node: YAMLNode, _ path: String) -> LinkName? {
        guard let scalar = scalar(node, path) else { return nil }
        do { return try scalar.linkName() } catch {
            findings.add(error, path, at: node.place)
            return nil
        }
    }

    /// The name of a bridge or a network, in either spelling of the original.
    private mutating func bridgeName(_ node: YAMLNode, _ path: String) -> LinkName? {
        guard let name = linkName(node, path) else { return nil }
        let resolved = name.bridgeAliasResolved
        if resolved != name {
            findings.add(
                .note, path, at: node.place, "'\(name)' is another spelling of '\(resolved)', which is used")
        }
        return resolved
    }

    mutating func scalar(_ node: YAMLNode, _ path: String) -> Scalar? {
        guard case .scalar(let text, let isQuoted) = node.content else {
            findings.add(.error, path, at: node.place, "is \(node.kind)", expected: "a single value")
            return nil
        }
        findings.places[path] = node.place
        return Scalar(text: text, isQuoted: isQuoted, format: .yaml, key: path)
    }

    /// The values of a mapping by their keys; keys that are not known, or there twice, are errors.
    private mutating func mapping(_ node: YAMLNode, _ path: String, known: [String]) -> [String: YAMLNode]? {
        guard case .mapping(let pairs) = node.content else {
            findings.add(
                .error, path, at: node.place, "is \(node.kind)",
                expected: path.isEmpty ? "keys with values, like 'version: 1'" : "keys: \(Scalar.list(known))"
            )
            return nil
        }
        var values: [String: YAMLNode] = [:]
        var lines: [String: Int] = [:]
        for (key, value) in pairs {
            guard case .scalar(let name, _) = key.content else {
                findings.add(
                    .error, path, at: key.place, "\(key.kind) is not a key", expected: Scalar.list(known))
                continue
            }
            let keyPath = path.isEmpty ? name : "\(path).\(name)"
            guard known.contains(name) else {
                let near = NearMiss.of(name, among: known)
                findings.add(
                    .error, keyPath, at: key.place, "is not a key",
                    expected: near == nil ? Scalar.list(known) : nil, suggestion: near)
                continue
            }
            if let line = lines[name] {
                findings.add(.error, keyPath, at: key.place, "is there already, on line \(line)")
                continue
            }
            lines[name] = key.place.line
            values[name] = value
        }
        return values
    }
}
