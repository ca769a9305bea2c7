public import DrawbridgeModel
public import NetworkTypes

/// An address or prefix of a vif that went: nobody else may use it until it is given to somebody.
public struct RestingAddress: Hashable, Sendable, Codable {
    public var network: NetworkName
    public var prefix: Prefix

    public init(network: NetworkName, prefix: Prefix) {
        self.network = network
        self.prefix = prefix
    }
}

/// The addresses of vifs that went, by their networks.
///
/// A guest that is stopped keeps its addresses: while it is away no other may speak for them. They are let go when a
/// vif is given them, when their network is lowered, and, the oldest first, when a network has more than ``limit``.
public struct RestingAddresses: Hashable, Sendable {
    /// How many are kept of one network.
    public static let limit = 4096

    private var kept: [NetworkName: Kept] = [:]
    private var next: UInt64 = 0

    /// What is kept of one network, with the order in which it came.
    private struct Kept: Hashable, Sendable {
        var order: [Prefix: UInt64] = [:]
        /// Those of more than one address: few, and in the way of many.
        var ranges: Set<Prefix> = []

        mutating func remove(_ prefix: Prefix) {
            order[prefix] = nil
            ranges.remove(prefix)
        }
    }

    public init(_ addresses: [RestingAddress] = []) {
        for one in addresses { _ = rest(one) }
    }

    /// Every one of them, the oldest first.
    public var all: [RestingAddress] {
        kept.flatMap { network, kept in
            kept.order.map { (RestingAddress(network: network, prefix: $0), $1) }
        }.sorted { $0.1 < $1.1 }.map(\.0)
    }

    public var isEmpty: Bool { kept.values.allSatisfy(\.order.isEmpty) }

    /// The networks that have any.
    public var networks: Set<NetworkName> { Set(kept.filter { !$0.value.order.isEmpty }.keys) }

    /// Those of one network.
    public func of(_ network: NetworkName) -> Set<Prefix> { Set((kept[network]?.order ?? [:]).keys) }

    /// Keeps an address.
    /// - Returns: the one that has to be let go for it, where there are too many.
    public mutating func rest(_ address: RestingAddress) -> RestingAddress? {
        kept[address.network, default: Kept()].order[address.prefix] = next
        if !address.prefix.isHost { kept[address.network]?.ranges.insert(address.prefix) }
        next += 1
        guard let order = kept[address.network]?.order, order.count > Self.limit,
            let oldest = order.min(by: { $0.value < $1.value })?.key
        else { return nil }
        kept[address.network]?.remove(oldest)
        return RestingAddress(network: address.network, prefix: oldest)
    }

    /// Lets go what is given to a vif of the network now: the same prefixes, those within, and those around it.
    /// - Returns: what was let go.
    public mutating func give(_ given: [Prefix], on network: NetworkName) -> [RestingAddress] {
        guard let kept = kept[network] else { return [] }
        var gone: Set<Prefix> = []
        for prefix in given {
            if prefix.isHost {
                if kept.order[prefix] != nil { gone.insert(prefix) }
                gone.formUnion(kept.ranges.lazy.filter { $0.overlaps(prefix) })
            } else {
                gone.formUnion(kept.order.keys.lazy.filter { $0.overlaps(prefix) })
            }
        }
        for prefix in gone { self.kept[network]?.remove(prefix) }
        return gone.map { RestingAddress(network: network, prefix: $0) }
    }

    /// Lets go all of a network.
    public mutating func forget(_ network: NetworkName) { kept[network] = nil }
}

extension Prefix {
    /// Whether it is one address.
    fileprivate var isHost: Bool { length == family.bits }
}
