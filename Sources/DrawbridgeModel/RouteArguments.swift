public import NetworkTypes

/// The arguments of `network-route` and `network-nat`: `netdev`, and what has no meaning here.
public struct RouteArguments: Hashable, Sendable {
    /// The interface through which the guests reach the world.
    public var netdev: LinkName
    /// Whether the guests are kept to their own addresses; unlike with `network-bridge` only `no` switches it off.
    public var antispoof: Bool
    /// Whether guests behind NAT are told their addresses by DHCP; any word but `no` means it. Nil where it is not said.
    public var handsOut: Bool?
    /// What was accepted without having a meaning, a line each.
    public var notices: [String]
    private let kind: NetworkKind

    /// Reads the arguments; an error names the argument and what is wrong with it.
    public init(_ arguments: ScriptArguments, script: BuiltInScript) throws(DrawbridgeError) {
        kind = script.kind
        let text = arguments["netdev"].flatMap { $0.isEmpty ? nil : $0 } ?? "eth0"
        guard let name = LinkName(text) else {
            throw DrawbridgeError(
                .invalidArgument, "\(script.rawValue): netdev", whyNotLinkName(text) ?? "bad name")
        }
        netdev = name
        antispoof = arguments["antispoof"] != "no"
        var known: Set = ["netdev", "antispoof"]
        if script == .networkNAT {
            known.insert("dhcp")
            handsOut = arguments["dhcp"].flatMap { $0.isEmpty ? nil : $0 != "no" }
        }
        notices = arguments.notices(knowing: known)
    }

    /// The network asked for, named after its kind and its interface.
    public func network(settings: NetworkSettings = NetworkSettings()) -> Network {
        var network = Network(name: Self.name(of: kind, on: netdev), uplink: .named(netdev))
        network.settings = settings
        var routing = Routing()
        routing.isNAT = kind == .nat
        routing.handsOut = handsOut
        network.routing = routing
        network.filter.isOn = antispoof
        return network
    }

    /// `route-eth0` or `nat-eth0`; of a longer name the last characters, which tell interfaces apart.
    public static func name(of kind: NetworkKind, on netdev: LinkName) -> NetworkName {
        let stem = kind == .nat ? "nat-" : "route-"
        let rest = netdev.rawValue.suffix(LinkName.maximumLength - stem.utf8.count)
        return NetworkName(stem + rest) ?? netdev
    }
}
