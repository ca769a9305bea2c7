public import NetworkTypes

/// What `network-bridge` is asked to do.
public enum NetworkCommand: String, Hashable, Sendable, Codable, CaseIterable {
    case start, stop, status

    /// Reads the command of a network script; the error is worded as Xen's scripts word it.
    public init(_ arguments: ScriptArguments, script: String) throws(DrawbridgeError) {
        guard let command = NetworkCommand(rawValue: arguments.command ?? "") else {
            throw DrawbridgeError(
                .invalidArgument, script, "Unknown command: \(arguments.command ?? "")",
                advice: "Valid commands are: start, stop, status")
        }
        self = command
    }
}

/// The arguments of `network-bridge`: `vifnum`, `bridge`, `netdev`, `antispoof`.
public struct BridgeArguments: Hashable, Sendable {
    /// Which bridge is meant.
    public enum Bridge: Hashable, Sendable {
        /// The one that follows from `vifnum`.
        case byDefault
        /// None: `bridge=null` makes every command do nothing.
        case null
        /// The one of this name.
        case named(LinkName)
    }

    /// The number in the names of the bridge and of the interface; nil to find it.
    public var number: UInt32?
    /// Which bridge is meant.
    public var bridge: Bridge
    /// The interface to move onto the bridge; nil to find it.
    public var netdev: LinkName?
    /// Whether the guests are kept to their own addresses; only `yes` says so.
    public var antispoof: Bool?
    /// What was accepted without having a meaning, a line each.
    public var notices: [String]

    /// Reads the arguments; an error names the argument and what is wrong with it.
    public init(_ arguments: ScriptArguments) throws(DrawbridgeError) {
        func name(_ key: String) throws(DrawbridgeError) -> LinkName? {
            guard let text = arguments[key], !text.isEmpty else { return nil }
            guard let name = LinkName(text) else {
                throw DrawbridgeError(
                    .invalidArgument, "network-bridge: \(key)", whyNotLinkName(text) ?? "bad name")
            }
            return name
        }
        notices = arguments.notices(knowing: ["vifnum", "bridge", "netdev", "antispoof"])
        if let text = arguments["vifnum"], !text.isEmpty {
            guard text.utf8.allSatisfy({ (48...57).contains($0) }), let value = UInt32(text) else {
                throw DrawbridgeError(
                    .invalidArgument, "network-bridge: vifnum", "'\(text)' is not a decimal number")
            }
            number = value
        }
        if arguments["bridge"] == "null" {
            bridge = .null
        } else if let name = try name("bridge") {
            bridge = .named(name.bridgeAliasResolved)
        } else {
            bridge = .byDefault
        }
        netdev = try name("netdev")
        if let text = arguments["antispoof"] {
            antispoof = text == "yes"
            if text != "yes", text != "no" {
                notices.append("argument 'antispoof=\(text)' is taken for no; only 'yes' switches it on")
            }
        }
    }

    /// The network asked for, by the defaults of 3.0.3 or, with `bridgeNamedAfterUplink`, of 3.2; nil where
    /// `bridge=null` asks for none.
    ///
    /// - Parameter defaultRoute: The interface of the default route, nil where there is none. Where it is a
    ///   bridge that Drawbridge has raised, the uplink of that bridge is to be given in its place.
    public func network(
        defaultRoute: LinkName?, compatibility: Compatibility = Compatibility(),
        settings: NetworkSettings = NetworkSettings()
    ) throws(DrawbridgeError) -> Network? {
        guard bridge != .null else { return nil }
        let uplink: LinkName
        let byDefault: String
        if compatibility.bridgeNamedAfterUplink {
            if let found = netdev ?? defaultRoute { uplink = found } else { uplink = try Self.link("eth0") }
            byDefault = uplink.rawValue
        } else {
            let number = number ?? defaultRoute.flatMap(Self.number) ?? 0
            byDefault = "xenbr\(number)"
            if let netdev {
                uplink = netdev
            } else if self.number == nil, let defaultRoute, defaultRoute.rawValue != byDefault {
                uplink = defaultRoute
            } else {
                uplink = try Self.link("eth\(number)")
            }
        }
        let name: LinkName
        if case .named(let given) = bridge { name = given } else { name = try Self.link(byDefault) }
        if name == uplink, !compatibility.bridgeNamedAfterUplink {
            throw DrawbridgeError(
                .invalidArgument, "network-bridge: bridge",
                "'\(name)' is the name of the interface that is to be moved onto the bridge")
        }
        var network = Network(name: name, uplink: .named(uplink))
        network.settings = settings
        if let antispoof { network.filter.isOn = antispoof }
        return network
    }

    /// The number of an interface named by letters and digits, as in `eth1`; nil for `enp3s0` or `bond0.100`,
    /// whose last digits number something else.
    static func number(of name: LinkName) -> UInt32? {
        let letters = name.rawValue.prefix { $0.isASCII && $0.isLetter }
        let digits = name.rawValue.dropFirst(letters.count)
        guard !letters.isEmpty, (1...4).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (48...57).contains($0) })
        else { return nil }
        return UInt32(digits)
    }

    private static func link(_ text: String) throws(DrawbridgeError) -> LinkName {
        guard let name = LinkName(text) else {
            throw DrawbridgeError(.invalidArgument, "network-bridge", whyNotLinkName(text) ?? "bad name")
        }
        return name
    }
}
