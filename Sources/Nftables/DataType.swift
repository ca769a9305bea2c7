public import NetworkTypes

/// What a key of a set or the value of a map is: nft(8)'s number for it, which the kernel keeps without looking, and
/// its length in octets.
public struct DataType: Hashable, Sendable {
    /// nft(8)'s number (`TYPE_*` in its datatype.h).
    public let number: UInt32
    /// The number of octets.
    public let length: Int

    public init(number: UInt32, length: Int) {
        self.number = number
        self.length = length
    }

    public static let ipv4Address = DataType(number: 7, length: 4)
    public static let ipv6Address = DataType(number: 8, length: 16)
    public static let ethernetAddress = DataType(number: 9, length: 6)
    public static let ethernetType = DataType(number: 10, length: 2)
    /// The number of an upper layer.
    public static let internetProtocol = DataType(number: 12, length: 1)
    public static let port = DataType(number: 13, length: 2)
    public static let mark = DataType(number: 19, length: 4)
    public static let linkIndex = DataType(number: 20, length: 4)
    public static let icmpv6Type = DataType(number: 29, length: 1)
    public static let linkName = DataType(number: 41, length: 16)

    /// nft(8)'s word for how the octets lie: 1 for the machine's order, 2 for that of the network.
    var byteOrder: UInt32 {
        switch self {
        case .mark, .linkIndex, .linkName: 1
        default: 2
        }
    }

    /// The length rounded up to whole registers, as it is within a concatenation.
    var paddedLength: Int { (length + 3) & ~3 }
}

/// A value that can be part of a set's key.
public protocol SetKeyPart: Sendable {
    /// What nft(8) takes it for.
    static var dataType: DataType { get }
    /// Appends its octets, as many as the type has.
    func appendKey(to octets: inout [UInt8])
}

extension SetKeyPart {
    /// Its octets, as many as the type has.
    @inlinable public var keyOctets: [UInt8] {
        var octets: [UInt8] = []
        appendKey(to: &octets)
        return octets
    }
}

extension [UInt8] {
    /// Appends the octets of a number in network order.
    @inlinable mutating func append(bigEndian value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Fills up with zeros to whole registers.
    @inlinable mutating func padToRegisters() { while count & 3 != 0 { append(0) } }
}

extension LinkName: SetKeyPart {
    public static var dataType: DataType { .linkName }
    @inlinable public func appendKey(to octets: inout [UInt8]) {
        let end = octets.count + 16
        octets.append(contentsOf: rawValue.utf8)
        while octets.count < end { octets.append(0) }
    }
}

extension MACAddress: SetKeyPart {
    public static var dataType: DataType { .ethernetAddress }
    @inlinable public func appendKey(to octets: inout [UInt8]) {
        octets.append(bigEndian: UInt16(truncatingIfNeeded: value >> 32))
        octets.append(bigEndian: UInt32(truncatingIfNeeded: value))
    }
}

extension IPv4Address: SetKeyPart {
    public static var dataType: DataType { .ipv4Address }
    @inlinable public func appendKey(to octets: inout [UInt8]) { octets.append(bigEndian: value) }
}

extension IPv6Address: SetKeyPart {
    public static var dataType: DataType { .ipv6Address }
    @inlinable public func appendKey(to octets: inout [UInt8]) { octets.append(bigEndian: value) }
}

/// A packet mark, or any number of 32 bits, in the machine's byte order.
public struct Mark: SetKeyPart, Hashable {
    public var value: UInt32
    public init(_ value: UInt32) { self.value = value }

    public static var dataType: DataType { .mark }
    @inlinable public func appendKey(to octets: inout [UInt8]) {
        octets.append(bigEndian: value.littleEndian.byteSwapped)
    }
}

/// The key of an element: the octets of its parts, each padded to whole registers where there are several.
public struct SetKey: Hashable, Sendable {
    public let octets: [UInt8]

    /// Takes octets as they are.
    @inlinable public init(octets: [UInt8]) { self.octets = octets }

    /// Puts a key together of its parts.
    @inlinable public init<each Part: SetKeyPart>(_ parts: repeat each Part) {
        var octets: [UInt8] = []
        octets.reserveCapacity(48)
        var count = 0
        for part in repeat each parts {
            // A lone part is not padded; one that others follow is.
            octets.padToRegisters()
            part.appendKey(to: &octets)
            count += 1
        }
        if count > 1 { octets.padToRegisters() }
        self.octets = octets
    }
}

/// A set or map whose keys the compiler knows.
///
///     let senders = TypedSet<LinkName, MACAddress>("senders", in: table)
///     try nftables.commit { $0.add((vif, mac), to: senders) }
public struct TypedSet<each Part: SetKeyPart>: Sendable {
    public let definition: SetDefinition

    public init(
        _ name: String, in table: Table, isCounting: Bool = false, data: SetDefinition.Data? = nil,
        flags: SetFlags = [], size: UInt32? = nil, comment: String? = nil
    ) {
        var types: [DataType] = []
        for type in repeat (each Part).self { types.append(type.dataType) }
        var definition = SetDefinition(name, in: table, key: types)
        definition.data = data
        definition.flags = flags
        definition.expressions = isCounting ? [.counter] : []
        definition.size = size
        definition.comment = comment
        self.definition = definition
    }

    /// The key of an element.
    @inlinable public func key(_ parts: repeat each Part) -> SetKey { SetKey(repeat each parts) }
}
