/// An address and how many of its leading bits name the network. Host bits are kept.
public struct Prefix: Hashable, Sendable, Comparable {
    /// The address, host bits included.
    public let address: IPAddress
    /// The number of leading bits that name the network.
    public let length: UInt8

    /// Makes a prefix; nil if `length` is more than the family has bits.
    public init?(_ address: IPAddress, length: UInt8) {
        guard length <= address.family.bits else { return nil }
        self.address = address
        self.length = length
    }

    /// The prefix that holds this one address only.
    public init(host address: IPAddress) {
        self.address = address
        self.length = address.family.bits
    }

    /// Reads `192.0.2.0/24`, or an address alone as a host prefix; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        guard parts.count == 2 else {
            self.init(host: address)
            return
        }
        guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let length = UInt8(parts[1]) else {
            return nil
        }
        self.init(address, length: length)
    }

    /// The family of the address.
    public var family: AddressFamily { address.family }

    /// The same prefix with its host bits cleared.
    public var network: Prefix {
        let host = family.bits - length
        let cleared: IPAddress =
            switch address {
            case .ipv4(let address):
                .ipv4(IPv4Address(value: host >= 32 ? 0 : (address.value >> host) << host))
            case .ipv6(let address):
                .ipv6(IPv6Address(value: host >= 128 ? 0 : (address.value >> host) << host))
            }
        return Prefix(cleared, unchecked: length)
    }

    /// The last address of the network.
    public var last: IPAddress {
        let host = family.bits - length
        switch network.address {
        case .ipv4(let address):
            return .ipv4(IPv4Address(value: address.value | (host >= 32 ? .max : (1 << host) - 1)))
        case .ipv6(let address):
            return .ipv6(IPv6Address(value: address.value | (host >= 128 ? .max : (1 << host) - 1)))
        }
    }

    /// Whether `address` lies in the network.
    public func contains(_ address: IPAddress) -> Bool {
        address.family == family && Prefix(address, unchecked: length).network == network
    }

    /// Whether the two networks share an address.
    public func overlaps(_ other: Prefix) -> Bool {
        length <= other.length ? contains(other.address) : other.contains(address)
    }

    private init(_ address: IPAddress, unchecked length: UInt8) {
        self.address = address
        self.length = length
    }

    public static func < (left: Prefix, right: Prefix) -> Bool {
        (left.address, left.length) < (right.address, right.length)
    }
}

extension Prefix: CustomStringConvertible {
    public var description: String { "\(address)/\(length)" }
}

extension Prefix: Codable {
    public init(from decoder: any Decoder) throws { self = try Self.parse(from: decoder) { Prefix($0) } }
    public func encode(to encoder: any Encoder) throws { try encodeDescription(to: encoder) }
}
