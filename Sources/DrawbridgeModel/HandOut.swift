public import NetworkTypes

/// What a bridged network, whose uplink is its port, hands out to its own guests: addresses of the network that the uplink
/// leads to, whose router and servers of names are others'.
public struct HandOut: Hashable, Sendable, Codable {
    /// The first and the last address that guests are given.
    public var pool: ClosedRange<IPv4Address>
    /// Who leads the guests on, as they are told.
    public var router: IPv4Address
    /// The servers of names that guests are told of.
    public var nameServers: [IPv4Address] = []
    /// The domain that guests are told to be of.
    public var domain: String?
    /// What is kept for guests, whether they are there or not.
    public var reservations: [Subnet.Reservation] = []
    /// The host's own address in that network, with its length; nil before the network was first raised.
    public var own: Prefix?

    /// Makes one of a pool and the router that leads on.
    public init(pool: ClosedRange<IPv4Address>, router: IPv4Address) {
        self.pool = pool
        self.router = router
    }

    /// The pool as the configuration has it: `192.0.2.100-192.0.2.199`.
    public var poolText: String { "\(pool.lowerBound)-\(pool.upperBound)" }

    /// Reads a pool of at most 65,536 addresses; nil for anything else.
    public static func pool(_ text: some StringProtocol) -> ClosedRange<IPv4Address>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = IPv4Address(ends[0]), let last = IPv4Address(ends[1]),
            first <= last,
            last.value - first.value < 65536
        else { return nil }
        return first...last
    }

    /// Where it is handed out by a host with these addresses, or why it cannot be.
    ///
    /// - Returns: The host's address in the network of the pool, and what is wrong; nil where nothing is.
    public func place(among addresses: [Prefix]) -> (own: Prefix?, problem: String?) {
        let (first, last) = (IPAddress.ipv4(pool.lowerBound), IPAddress.ipv4(pool.upperBound))
        guard let own = addresses.first(where: { $0.contains(first) && $0.contains(last) }) else {
            let known = addresses.filter { $0.family == .ipv4 }.map { "\($0)" }.joined(separator: ", ")
            return (
                nil,
                "the pool \(poolText) lies in no network that the host has an address of"
                    + (known.isEmpty ? "" : " (it has \(known))")
            )
        }
        func problem() -> String? {
            if first == own.network.address || last == own.last {
                return "the pool \(poolText) holds what is no host's address on \(own.network)"
            }
            for address in addresses where address.address >= first && address.address <= last {
                return "the pool \(poolText) holds the host's own address \(address.address)"
            }
            guard own.contains(.ipv4(router)) else { return "the router \(router) is not in \(own.network)" }
            for address in reservations.flatMap(\.addresses) {
                if !own.contains(address) {
                    return "\(address), which is kept for a guest, is not in \(own.network)"
                }
                if addresses.contains(where: { $0.address == address }) {
                    return "\(address), which is kept for a guest, is the host's own"
                }
            }
            return nil
        }
        return (own, problem())
    }
}

/// The addresses that a network gives to its guests.
public struct AddressSpace: Hashable, Sendable {
    /// The host's own addresses with the lengths of their networks, at most one of each family.
    public var addresses: [Prefix]
    /// Of what guests are given some; nil for all of these networks.
    public var pool: ClosedRange<IPAddress>?
    /// The router's address, where that is not the host's.
    public var router: IPAddress?
    /// What is kept for guests, whether they are there or not.
    public var reservations: [Subnet.Reservation]

    /// All of a subnet.
    public init(_ subnet: Subnet) {
        addresses = subnet.addresses
        reservations = subnet.reservations
    }

    /// What is handed out on a bridged network; nil before that was first raised.
    public init?(_ handOut: HandOut) {
        guard let own = handOut.own else { return nil }
        addresses = [own]
        pool = .ipv4(handOut.pool.lowerBound) ... .ipv4(handOut.pool.upperBound)
        router = .ipv4(handOut.router)
        reservations = handOut.reservations
    }

    /// The host's address of a family.
    public func address(_ family: AddressFamily) -> Prefix? { addresses.first { $0.family == family } }
}

extension Network {
    /// Whether its guests are given addresses and told of them.
    public var handsOut: Bool { subnet?.handsOut == true || handOut != nil }

    /// The addresses that its guests are given; nil where they are given none.
    public var addressSpace: AddressSpace? {
        if let subnet { return subnet.handsOut ? AddressSpace(subnet) : nil }
        return handOut.flatMap { AddressSpace($0) }
    }
}
