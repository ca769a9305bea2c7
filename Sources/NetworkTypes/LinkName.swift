/// The name of a network device, as the kernel allows it (`dev_valid_name` in net/core/dev.c).
public struct LinkName: Hashable, Sendable, Comparable {
    /// The name itself.
    public let rawValue: String

    /// The most octets a name may have.
    public static let maximumLength = 15

    /// Takes a name of 1 to 15 octets without `/`, `:` or blanks that is not `.` or `..`; nil for any other.
    ///
    /// A `%` is refused too: the kernel takes such a name for a pattern (`dev_prep_valid_name`), so that no
    /// device ever bears one.
    public init?(_ name: some StringProtocol) {
        guard (1...Self.maximumLength).contains(name.utf8.count), name != ".", name != "..",
            name.utf8.allSatisfy({ $0 > 32 && $0 != 47 && $0 != 58 && $0 != 37 && $0 != 127 && $0 != 0xa0 })
        else { return nil }
        rawValue = String(name)
    }

    public static func < (left: LinkName, right: LinkName) -> Bool { left.rawValue < right.rawValue }
}

extension LinkName: CustomStringConvertible {
    public var description: String { rawValue }
}

extension LinkName: Codable {
    public init(from decoder: any Decoder) throws { self = try Self.parse(from: decoder) { LinkName($0) } }
    public func encode(to encoder: any Encoder) throws { try encodeDescription(to: encoder) }
}
