/// Which interface of which domain: `vif3.1` is the second of domain 3.
public struct VifID: Hashable, Sendable, Comparable {
    /// The number of the domain.
    public let domain: UInt32
    /// The number of the interface within the domain, from 0.
    public let device: UInt32

    /// Makes the identity of two numbers.
    public init(domain: UInt32, device: UInt32) {
        self.domain = domain
        self.device = device
    }

    /// Reads `vif3.1`, decimal numbers without leading zeros; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.hasPrefix("vif") else { return nil }
        let numbers = text.dropFirst(3).split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 2, let domain = Self.number(numbers[0]), let device = Self.number(numbers[1])
        else { return nil }
        self.init(domain: domain, device: device)
    }

    private static func number(_ text: some StringProtocol) -> UInt32? {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), text == "0" || text.first != "0" else {
            return nil
        }
        return UInt32(text)
    }

    /// By domain, then by device.
    public static func < (left: VifID, right: VifID) -> Bool {
        (left.domain, left.device) < (right.domain, right.device)
    }
}

extension VifID: CustomStringConvertible {
    /// `vif3.1`, the name the host's end bears.
    public var description: String { "vif\(domain).\(device)" }
}

extension VifID: Codable {
    /// Reads the name.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = VifID(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a vif")
        }
        self = id
    }

    /// Writes the name.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
