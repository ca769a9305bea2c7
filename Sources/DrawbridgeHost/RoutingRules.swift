import DrawbridgeModel
import NetworkTypes
import Nftables

/// Drawbridge's own table for routed networks and subnets: which guests reach what through the host, which of them go
/// out by the host's address, and which ports of the host's lead to them. A fixed ruleset; a vif, a subnet or a port is
/// elements of its sets.
enum RoutingTable {
    static let table = Table(.inet, "drawbridge")
    /// The version of the rules: a table of another one is replaced.
    static let comment = "Drawbridge routing 3"

    /// Every vif that is routed to, and the bridge of every subnet.
    static let guests = TypedSet<LinkName>("guests", in: table)
    /// Those that reach no other.
    static let isolated = TypedSet<LinkName>("isolated", in: table)
    /// Those that reach nothing but their uplink.
    static let confined = TypedSet<LinkName>("confined", in: table)
    /// The uplinks of NAT networks by their vifs and bridges.
    static let exits = TypedSet<LinkName, LinkName>("exits", in: table)
    /// The bridges of subnets behind NAT: what nobody within asked for comes to them only if it is forwarded.
    static let sheltered = TypedSet<LinkName>("sheltered", in: table)
    /// The bridges of subnets, each with itself.
    static let inside = TypedSet<LinkName, LinkName>("inside", in: table)
    /// The addresses that are put in the place of guests', by bridge and uplink.
    static let sources = TypedSet<LinkName, LinkName>("sources", in: table, data: .value(.ipv4Address))
    static let sources6 = TypedSet<LinkName, LinkName>("sources6", in: table, data: .value(.ipv6Address))
    /// Where ports of the host's lead.
    static let forwards = TypedSet<Transport, Port>("forwards", in: table, data: .value(.ipv4Endpoint))
    static let forwards6 = TypedSet<Transport, Port>("forwards6", in: table, data: .value(.ipv6Endpoint))

    static let sets: [SetDefinition] = [
        guests.definition, isolated.definition, confined.definition, exits.definition, sheltered.definition,
        inside.definition, sources.definition, sources6.definition, forwards.definition, forwards6.definition,
    ]

    /// Whether the set holds what ports of the host's lead to.
    static func isForwards(_ set: SetDefinition) -> Bool { set.name.hasPrefix("forwards") }

    static let chains: [(ChainDefinition, rules: [[Expression]])] = [
        (chain("prerouting", .prerouting(-100), "nat"), destinationRules),
        (chain("output", .output(-100), "nat"), destinationRules),
        (chain("forward", .forward(0), "filter"), forwardRules),
        (chain("postrouting", .postrouting(100), "nat"), sourceRules),
    ]

    private static func chain(_ name: String, _ hook: Hook, _ type: String) -> ChainDefinition {
        var chain = ChainDefinition(name, in: table, hook: hook)
        chain.type = type
        return chain
    }

    private static let input = Expression.meta(key: .inputName, destination: .first)
    private static let output = Expression.meta(key: .outputName, destination: .first)
    /// The key of two names of 16 octets.
    private static let both = [
        input, Expression.meta(key: .outputName, destination: Register(word: 4)),
    ]
    private static func isIn(_ set: String, isInverted: Bool = false) -> Expression {
        .lookup(set: set, source: .first, isInverted: isInverted)
    }

    /// `NFPROTO_*` as `meta nfproto` has it.
    private static func isFamily(_ family: AddressFamily) -> [Expression] {
        [
            .meta(key: .family, destination: .first),
            .compare(.first, operation: .equal, value: [family == .ipv4 ? 2 : 10]),
        ]
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// Whether one of these bits is set of what is known of the connection.
    private static func connection(_ key: ConnectionKey, has bits: UInt32) -> [Expression] {
        [
            .connection(key: key, direction: nil, destination: .first),
            .bitwise(
                source: .first, destination: .first, mask: Mark(bits).keyOctets, xor: zeros(4)),
            .compare(.first, operation: .notEqual, value: zeros(4)),
        ]
    }
    private static let isKnown = connection(.state, has: ConnectionKey.known)
    private static let isForwarded = connection(.status, has: ConnectionKey.hasNewDestination)

    private static let forwardRules: [[Expression]] = [
        // With br_netfilter what stays on a bridge comes by here as well.
        both + [isIn("inside"), .accept],
        [output, isIn("sheltered")] + isKnown + [.accept],
        [output, isIn("sheltered")] + isForwarded + [.accept],
        [input, isIn("isolated"), output, isIn("guests"), .counter, .drop],
        [input, isIn("confined")] + both + [isIn("exits", isInverted: true), .counter, .drop],
        [output, isIn("sheltered"), .counter, .drop],
    ]

    private static let sourceRules: [[Expression]] = [
        // Addresses that are routed outside need no other in their place.
        [input, isIn("sheltered")] + isFamily(.ipv6) + [
            .payload(.network, offset: 8, length: 16, destination: .first),
            .bitwise(
                source: .first, destination: .first, mask: [0xfe] + zeros(15), xor: zeros(16)),
            .compare(.first, operation: .notEqual, value: [0xfc] + zeros(15)), .accept,
        ],
        isFamily(.ipv4) + both + [
            .map(set: "sources", source: .first, destination: .first), .counter,
            .translate(Translation(isOfDestination: false, isIPv6: false, address: .first)),
        ],
        isFamily(.ipv6) + both + [
            .map(set: "sources6", source: .first, destination: .first), .counter,
            .translate(Translation(isOfDestination: false, isIPv6: true, address: .first)),
        ],
        both + [isIn("exits"), .counter, .masquerade],
        // A guest that asks for a port of the host's and is led to its own network must be answered through the host.
        both + [isIn("inside")] + isForwarded + [.counter, .masquerade],
        // With br_netfilter it does not leave its bridge, and where it came in is not known here any more: nor is it of
        // what the host itself asks for, which does not mind.
        [.meta(key: .inputIndex, destination: .first), .compare(.first, operation: .equal, value: zeros(4))]
            + [
                .meta(key: .outputName, destination: .first),
                .meta(key: .outputName, destination: Register(word: 4)),
            ]
            + [isIn("inside")] + isForwarded + [.counter, .masquerade],
    ]

    /// What is bound for an address of the host's, but for loopback ones, and a port that leads elsewhere.
    private static let destinationRules: [[Expression]] = [
        isFamily(.ipv4) + isLocal + [
            .payload(.network, offset: 16, length: 4, destination: .first),
            .bitwise(source: .first, destination: .first, mask: [255] + zeros(3), xor: zeros(4)),
            .compare(.first, operation: .notEqual, value: [127] + zeros(3)),
        ] + destination("forwards", isIPv6: false),
        isFamily(.ipv6) + isLocal + [
            .payload(.network, offset: 24, length: 16, destination: .first),
            .compare(.first, operation: .notEqual, value: zeros(15) + [1]),
        ] + destination("forwards6", isIPv6: true),
    ]

    private static let isLocal: [Expression] = [
        .destinationType(destination: .first),
        // RTN_LOCAL
        .compare(.first, operation: .equal, value: Mark(2).keyOctets),
    ]

    private static func destination(_ map: String, isIPv6: Bool) -> [Expression] {
        [
            .meta(key: .upperLayer, destination: .first),
            .payload(.transport, offset: 2, length: 2, destination: Register(word: 1)),
            .map(set: map, source: .first, destination: .first),
            .counter,
            .translate(
                Translation(
                    isOfDestination: true, isIPv6: isIPv6, address: .first,
                    port: Register(word: isIPv6 ? 4 : 1))),
        ]
    }
}

extension DataType {
    /// An address and a port (`ipv4_addr . inet_service`).
    fileprivate static let ipv4Endpoint = DataType(
        number: DataType.ipv4Address.number << 6 | DataType.port.number, length: 8)
    fileprivate static let ipv6Endpoint = DataType(
        number: DataType.ipv6Address.number << 6 | DataType.port.number, length: 20)
}

/// What is carried as the key of a set.
struct Transport: SetKeyPart {
    var number: UInt8
    init(_ transport: TransportProtocol) { number = transport.number }

    static var dataType: DataType { .internetProtocol }
    func appendKey(to octets: inout [UInt8]) { octets.append(number) }
}

/// A port as the key of a set.
struct Port: SetKeyPart {
    var number: UInt16
    init(_ number: UInt16) { self.number = number }

    static var dataType: DataType { .port }
    func appendKey(to octets: inout [UInt8]) {
        octets += [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
    }
}
