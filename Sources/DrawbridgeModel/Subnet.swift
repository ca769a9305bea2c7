public import NetworkTypes

/// What makes a bridge a network of its own: the host has an address on it, and leads its guests out, or nowhere.
public struct Subnet: Hashable, Sendable, Codable {
    /// The host's own addresses on the bridge with the lengths of their networks, at most one of each family.
    public var addresses: [Prefix]
    /// Whether the IPv6 network is the first of a prefix that the router beyond the exit delegates (RFC 8415): its address
    /// is among these as long as there is one.
    public var isDelegated: Bool?
    /// The interface that leads out.
    public var exit: UplinkChoice
    /// Whether the guests are behind the host's address, and nothing from outside reaches them but answers and what is
    /// forwarded to them. IPv6 is rewritten only where the addresses are unique local ones (RFC 4193).
    public var isNAT: Bool
    /// The addresses that the guests go out by, at most one of each family; the exit's own where none is told.
    public var sources: [IPAddress] = []
    /// Whether guests are given addresses of the subnet, told of them by DHCP and known by name.
    public var handsOut = true
    /// The domain of the guests' names.
    public var domain: String?
    /// What is kept for guests, whether they are there or not.
    public var reservations: [Reservation] = []

    /// Addresses that are kept for the guest of a hardware address.
    public struct Reservation: Hashable, Sendable, Codable {
        public var mac: MACAddress
        public var addresses: [IPAddress]

        public init(mac: MACAddress, addresses: [IPAddress]) {
            self.mac = mac
            self.addresses = addresses
        }
    }

    /// Makes a subnet with the host's addresses on it.
    public init(addresses: [Prefix], exit: UplinkChoice, isNAT: Bool) {
        self.addresses = addresses
        self.exit = exit
        self.isNAT = isNAT
    }

    /// The interface that leads out, where it is named.
    public var exitName: LinkName? { if case .named(let name) = exit { name } else { nil } }

    /// The host's address of a family.
    public func address(_ family: AddressFamily) -> Prefix? { addresses.first { $0.family == family } }

    /// The address that guests go out by; nil for the exit's own.
    public func source(_ family: AddressFamily) -> IPAddress? { sources.first { $0.family == family } }

    /// Why this cannot be a host's address on a subnet; nil where it can.
    public static func problem(of prefix: Prefix) -> String? {
        let network = prefix.network.address
        switch prefix.address {
        case .ipv4(let address):
            if !(8...30).contains(prefix.length) { return "is no subnet of /8 to /30" }
            if prefix.address == network { return "is the address of the network itself" }
            if prefix.address == prefix.last { return "is the address of everybody" }
            let first = address.value >> 24
            if first == 0 || first == 127 || first >= 224 || address.value >> 16 == 0xa9fe {
                return "is not an address that a host can have on a subnet"
            }
        case .ipv6(let address):
            if !(64...120).contains(prefix.length) { return "is no subnet of /64 to /120" }
            if prefix.address == network { return "is the routers' anycast address" }
            let first = UInt16(truncatingIfNeeded: address.value >> 112)
            if first & 0xff00 == 0xff00 || first & 0xffc0 == 0xfe80 || first == 0 {
                return "is not an address that a host can have on a subnet"
            }
        }
        return nil
    }
}

extension Prefix {
    /// Whether it lies among the unique local addresses, which lead nowhere outside (RFC 4193).
    public var isUniqueLocal: Bool {
        if case .ipv6(let address) = address {
            UInt8(truncatingIfNeeded: address.value >> 121) == 0xfc >> 1
        } else {
            false
        }
    }
}
