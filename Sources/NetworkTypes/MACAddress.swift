/// A 48-bit hardware address (IEEE 802).
public struct MACAddress: Hashable, Sendable, Comparable {
    /// The address in the low 48 bits, the first octet being the most significant.
    public let value: UInt64

    /// Makes an address of the low 48 bits of `value`.
    public init(value: UInt64) { self.value = value & 0xffff_ffff_ffff }

    /// Makes an address of six octets; nil if there are not six.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else { return nil }
        self.init(value: octets.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// Reads `00:16:3e:5e:6c:00` (also with `-` between the octets); nil for anything else.
    public init?(_ text: some StringProtocol) {
        let groups = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
        guard groups.count == 6 else { return nil }
        var value: UInt64 = 0
        for group in groups {
            guard (1...2).contains(group.utf8.count), group.allSatisfy(\.isHexDigit),
                let octet = UInt8(group, radix: 16)
            else { return nil }
            value = value << 8 | UInt64(octet)
        }
        self.init(value: value)
    }

    /// The six octets in the order of transmission.
    public var octets: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: value >> (40 - 8 * $0)) } }

    /// Whether the group bit is set: the address of a multicast group, or broadcast.
    public var isMulticast: Bool { value >> 40 & 1 == 1 }

    /// `fe:ff:ff:ff:ff:ff`, what Xen gives the host end of a vif so that a bridge never takes its address.
    public static let xenVif = MACAddress(value: 0xfeff_ffff_ffff)

    /// The IPv6 link-local address made from this hardware address (RFC 4291, appendix A).
    public var linkLocal: IPv6Address {
        let high = (value >> 24) ^ 0x02_0000
        return IPv6Address(
            value: UInt128(0xfe80) << 112 | UInt128((high << 40) | 0xff_fe00_0000 | (value & 0xff_ffff)))
    }

    public static func < (left: MACAddress, right: MACAddress) -> Bool { left.value < right.value }
}

extension MACAddress: CustomStringConvertible {
    public var description: String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}

extension MACAddress: Codable {
    public init(from decoder: any Decoder) throws { self = try Self.parse(from: decoder) { MACAddress($0) } }
    public func encode(to encoder: any Encoder) throws { try encodeDescription(to: encoder) }
}
