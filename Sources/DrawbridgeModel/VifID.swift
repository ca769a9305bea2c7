/// Which interface of which domain: `vif3.1` is the second of domain 3.
///
/// A fully virtualized domain has two ends of one interface on the host: `vif3.1` and, for the card that is emulated
/// until its own driver runs, the tap `vif3.1-emu`. Each comes and goes by itself.
public struct VifID: Hashable, Sendable, Comparable {
    /// The number of the domain.
    public let domain: UInt32
    /// The number of the interface within the domain, from 0.
    public let device: UInt32
    /// Whether it is the tap of the interface's emulated card.
    public let isEmulated: Bool

    /// Makes the identity of two numbers.
    public init(domain: UInt32, device: UInt32, isEmulated: Bool = false) {
        self.domain = domain
        self.device = device
        self.isEmulated = isEmulated
    }

    /// Reads `vif3.1` or `vif3.1-emu`, decimal numbers without leading zeros; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.hasPrefix("vif") else { return nil }
        let isEmulated = text.hasSuffix(Self.emulatedSuffix)
        let stem = isEmulated ? text.dropLast(Self.emulatedSuffix.count) : text[...]
        let numbers = stem.dropFirst(3).split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 2, let domain = Self.number(numbers[0]), let device = Self.number(numbers[1])
        else { return nil }
        self.init(domain: domain, device: device, isEmulated: isEmulated)
    }

    /// What libxl appends to the name of an emulated card's tap.
    public static let emulatedSuffix = "-emu"

    /// The interface's own end.
    public var own: VifID { VifID(domain: domain, device: device) }

    /// The tap of its emulated card.
    public var emulated: VifID { VifID(domain: domain, device: device, isEmulated: true) }

    private static func number(_ text: some StringProtocol) -> UInt32? {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), text == "0" || text.first != "0" else {
            return nil
        }
        return UInt32(text)
    }

    /// By domain, then by device.
    public static func < (left: VifID, right: VifID) -> Bool {
        (left.domain, left.device, left.isEmulated ? 1 : 0) < (
            right.domain, right.device, right.isEmulated ? 1 : 0
        )
    }
}

extension VifID: CustomStringConvertible {
    /// `vif3.1`, the name the host's end bears.
    public var description: String {
        "vif\(domain).\(device)" + (isEmulated ? Self.emulatedSuffix : "")
    }
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
