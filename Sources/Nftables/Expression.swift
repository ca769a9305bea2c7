/// One step of a rule (`NFTA_EXPR_*`), as far as what names a device is concerned.
public enum Expression: Hashable, Sendable {
    /// Loads something about the packet into a register.
    case meta(key: MetaKey, destination: Register)
    /// Looks up a route and loads the device it leads through.
    case routeDevice(isName: Bool, destination: Register)
    /// Compares a register with a value (`NFT_CMP_*`).
    case compare(Register, operation: UInt32, value: [UInt8])
    /// Compares a register with a range, both ends included.
    case range(Register, from: [UInt8], to: [UInt8])
    /// Looks registers up in a set or map.
    case lookup(set: String, source: Register)
    /// Any other by the kernel's name, which may overwrite a register.
    case other(String, destination: Register?)
}

/// What `meta` loads (`NFT_META_*`).
public struct MetaKey: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let inputIndex = MetaKey(rawValue: 4)
    public static let outputIndex = MetaKey(rawValue: 5)
    public static let inputName = MetaKey(rawValue: 6)
    public static let outputName = MetaKey(rawValue: 7)
    /// The device a packet came in by, where that is the port of a VRF (`NFT_META_SDIF`).
    public static let portIndex = MetaKey(rawValue: 33)
    public static let portName = MetaKey(rawValue: 34)
}

/// Where a register begins, counted in words of four octets: the kernel has four registers of 16 octets
/// (`NFT_REG_1…4`) that are also sixteen of four (`NFT_REG32_00…15`).
public struct Register: Hashable, Sendable {
    public var word: Int

    /// Takes the kernel's number; nil for the verdict register and for numbers that do not exist.
    public init?(number: UInt32) {
        switch number {
        case 1...4: word = Int(number - 1) * 4
        case 8...23: word = Int(number) - 8
        default: return nil
        }
    }
}
