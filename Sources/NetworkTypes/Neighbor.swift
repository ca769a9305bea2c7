/// An entry of the neighbour table or of a bridge's forwarding database (linux/neighbour.h).
public struct Neighbor<Device: Hashable & Sendable>: Hashable, Sendable {
    public var device: Device
    public var destination: IPAddress
    public var address: MACAddress?
    public var state: NeighborState
    /// `NTF_*`.
    public var flags: UInt8 = 0
    /// `NTF_EXT_*`: 1 for an entry that the kernel keeps resolved by itself.
    public var extendedFlags: UInt32 = 0
    /// Who made it (`NDA_PROTOCOL`).
    public var origin: RouteOrigin = .unspecified

    public init(_ destination: IPAddress, on device: Device, address: MACAddress?, state: NeighborState) {
        self.destination = destination
        self.device = device
        self.address = address
        self.state = state
    }

    /// Whether it answers for the address in place of another host (`NTF_PROXY`).
    public var isProxy: Bool { flags & 0x08 != 0 }

    /// The same entry with its device translated; nil if that cannot be done.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> Neighbor<Other>? {
        guard let translated = translate(device) else { return nil }
        var neighbor = Neighbor<Other>(destination, on: translated, address: address, state: state)
        neighbor.flags = flags
        neighbor.extendedFlags = extendedFlags
        neighbor.origin = origin
        return neighbor
    }
}

/// `NUD_*`.
public struct NeighborState: OptionSet, Hashable, Sendable, Codable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static let incomplete = NeighborState(rawValue: 0x01)
    public static let reachable = NeighborState(rawValue: 0x02)
    public static let stale = NeighborState(rawValue: 0x04)
    public static let delay = NeighborState(rawValue: 0x08)
    public static let probe = NeighborState(rawValue: 0x10)
    public static let failed = NeighborState(rawValue: 0x20)
    public static let noARP = NeighborState(rawValue: 0x40)
    public static let permanent = NeighborState(rawValue: 0x80)
}

extension Neighbor: Codable where Device: Codable {}
