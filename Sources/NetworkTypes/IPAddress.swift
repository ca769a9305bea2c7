/// A protocol family that has addresses and routes.
public enum AddressFamily: UInt8, Hashable, Sendable, Codable, CaseIterable {
    case ipv4 = 2
    case ipv6 = 10

    /// The number of bits in an address of the family.
    public var bits: UInt8 { self == .ipv4 ? 32 : 128 }
}

/// An IPv4 address (RFC 791).
public struct IPv4Address: Hashable, Sendable, Comparable {
    /// The address, its first octet the most significant.
    public let value: UInt32

    /// Makes an address of its number.
    public init(value: UInt32) { self.value = value }

    /// Reads a dotted quad of four decimal numbers without leading zeros; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
                part.utf8.count == 1 || part.utf8.first != 48, let octet = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(octet)
        }
        self.value = value
    }

    /// The four octets in network order.
    public var octets: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

    public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.value < right.value }
}

extension IPv4Address: CustomStringConvertible {
    public var description: String { octets.map(String.init).joined(separator: ".") }
}

/// An IPv6 address (RFC 4291).
public struct IPv6Address: Hashable, Sendable, Comparable {
    /// The address, its first octet the most significant.
    public let value: UInt128

    /// Makes an address of its number.
    public init(value: UInt128) { self.value = value }

    /// Reads any form of RFC 4291 §2.2, a trailing IPv4 part included; nil for anything else. No zone.
    public init?(_ text: some StringProtocol) {
        var text = String(text)
        if text.contains(".") {
            guard let colon = text.lastIndex(of: ":"),
                let tail = IPv4Address(text[text.index(after: colon)...])
            else { return nil }
            let words = [tail.value >> 16, tail.value & 0xffff].map { String($0, radix: 16) }
            text = text[...colon] + words.joined(separator: ":")
        }
        func words(_ text: Substring) -> [UInt16]? {
            guard !text.isEmpty else { return [] }
            var words: [UInt16] = []
            for part in text.split(separator: ":", omittingEmptySubsequences: false) {
                guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit),
                    let word = UInt16(part, radix: 16)
                else { return nil }
                words.append(word)
            }
            return words
        }
        var all: [UInt16]
        if let gap = text.firstRange(of: "::") {
            guard let head = words(text[..<gap.lowerBound]), let tail = words(text[gap.upperBound...]),
                head.count + tail.count < 8
            else { return nil }
            all = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        } else {
            guard let full = words(text[...]), full.count == 8 else { return nil }
            all = full
        }
        value = all.reduce(0) { $0 << 16 | UInt128($1) }
    }

    /// The sixteen octets in network order.
    public var octets: [UInt8] { (0..<16).map { UInt8(truncatingIfNeeded: value >> (120 - 8 * $0)) } }

    /// Whether it is in `fe80::/10`.
    public var isLinkLocal: Bool { value >> 118 == 0x3fa }

    /// Whether it is in `ff00::/8`.
    public var isMulticast: Bool { value >> 120 == 0xff }

    public static func < (left: IPv6Address, right: IPv6Address) -> Bool { left.value < right.value }
}

extension IPv6Address: CustomStringConvertible {
    /// The canonical text of RFC 5952.
    public var description: String {
        let words = (0..<8).map { UInt16(truncatingIfNeeded: value >> (112 - 16 * $0)) }
        if words[..<5].allSatisfy({ $0 == 0 }), words[5] == 0xffff {
            return "::ffff:\(IPv4Address(value: UInt32(truncatingIfNeeded: value)))"
        }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, words[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ words: some Sequence<UInt16>) -> String {
            words.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !best.isEmpty else { return text(words) }
        return text(words[..<best.lowerBound]) + "::" + text(words[best.upperBound...])
    }
}

/// An address of either family.
public enum IPAddress: Hashable, Sendable {
    case ipv4(IPv4Address)
    case ipv6(IPv6Address)

    /// Reads an address of either family; nil for anything else.
    public init?(_ text: some StringProtocol) {
        if let address = IPv4Address(text) {
            self = .ipv4(address)
        } else if let address = IPv6Address(text) {
            self = .ipv6(address)
        } else {
            return nil
        }
    }

    /// Makes an address of 4 or 16 octets in network order; nil for any other number.
    public init?(octets: some Collection<UInt8>) {
        switch octets.count {
        case 4: self = .ipv4(IPv4Address(value: octets.reduce(0) { $0 << 8 | UInt32($1) }))
        case 16: self = .ipv6(IPv6Address(value: octets.reduce(0) { $0 << 8 | UInt128($1) }))
        default: return nil
        }
    }

    /// The octets in network order.
    public var octets: [UInt8] {
        switch self {
        case .ipv4(let address): address.octets
        case .ipv6(let address): address.octets
        }
    }

    /// The family it belongs to.
    public var family: AddressFamily {
        switch self {
        case .ipv4: .ipv4
        case .ipv6: .ipv6
        }
    }
}

extension IPAddress: CustomStringConvertible, Comparable {
    public var description: String {
        switch self {
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        }
    }

    /// IPv4 before IPv6, then by number.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        switch (left, right) {
        case (.ipv4(let left), .ipv4(let right)): left < right
        case (.ipv6(let left), .ipv6(let right)): left < right
        case (.ipv4, .ipv6): true
        case (.ipv6, .ipv4): false
        }
    }
}

extension IPv4Address: Codable {
    public init(from decoder: any Decoder) throws { self = try Self.parse(from: decoder) { IPv4Address($0) } }
    public func encode(to encoder: any Encoder) throws { try encodeDescription(to: encoder) }
}

extension IPv6Address: Codable {
    public init(from decoder: any Decoder) throws { self = try Self.parse(from: decoder) { IPv6Address($0) } }
    public func encode(to encoder: any Encoder) throws { try encodeDescription(to: encoder) }
}

extension IPAddress: Codable {
    public init(from decoder: any Decoder) throws { self = try Self.parse(from: decoder) { IPAddress($0) } }
    public func encode(to encoder: any Encoder) throws { try encodeDescription(to: encoder) }
}
