/// An address of a device (linux/if_addr.h).
public struct Address<Device: Hashable & Sendable>: Hashable, Sendable {
    /// The device that has it.
    public var device: Device
    /// The local address and the length of its network.
    public var prefix: Prefix
    /// The other end, where the address is point to point.
    public var peer: IPAddress?
    /// The IPv4 broadcast address.
    public var broadcast: IPAddress?
    /// The IPv4 label; nil for IPv6.
    public var label: String?
    /// `RT_SCOPE_*`.
    public var scope: RouteScope = .universe
    /// `IFA_F_*`.
    public var flags: AddressFlags = []
    /// How much longer it may be used for new connections; nil is for ever.
    public var preferredLifetime: Seconds?
    /// How much longer it may be used at all; nil is for ever.
    public var validLifetime: Seconds?
    /// Who made it (`IFA_PROTO`): 0 unknown, 1 loopback, 2 from a router advertisement, 3 link-local.
    public var origin: UInt8 = 0
    /// The metric of the route that comes with it (`IFA_RT_PRIORITY`).
    public var routeMetric: UInt32 = 0

    /// Makes a permanent address.
    public init(_ prefix: Prefix, on device: Device) {
        self.prefix = prefix
        self.device = device
    }

    /// The same address with its device translated; nil if that cannot be done.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> Address<Other>? {
        guard let translated = translate(device) else { return nil }
        var address = Address<Other>(prefix, on: translated)
        address.peer = peer
        address.broadcast = broadcast
        address.label = label
        address.scope = scope
        address.flags = flags
        address.preferredLifetime = preferredLifetime
        address.validLifetime = validLifetime
        address.origin = origin
        address.routeMetric = routeMetric
        return address
    }
}

/// A span of time in whole seconds, as rtnetlink counts lifetimes.
public typealias Seconds = UInt32

/// `IFA_F_*` (linux/if_addr.h).
public struct AddressFlags: OptionSet, Hashable, Sendable, Codable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// On IPv4 the address is secondary; on IPv6 the same bit says that it is temporary.
    public static let secondary = AddressFlags(rawValue: 0x01)
    public static let temporary = AddressFlags(rawValue: 0x01)
    public static let noDuplicateDetection = AddressFlags(rawValue: 0x02)
    public static let optimistic = AddressFlags(rawValue: 0x04)
    public static let duplicateDetected = AddressFlags(rawValue: 0x08)
    public static let home = AddressFlags(rawValue: 0x10)
    public static let deprecated = AddressFlags(rawValue: 0x20)
    public static let tentative = AddressFlags(rawValue: 0x40)
    public static let permanent = AddressFlags(rawValue: 0x80)
    public static let managesTemporary = AddressFlags(rawValue: 0x100)
    public static let noPrefixRoute = AddressFlags(rawValue: 0x200)
    public static let joinsMulticast = AddressFlags(rawValue: 0x400)
    public static let stablePrivacy = AddressFlags(rawValue: 0x800)
}

extension Address: Codable where Device: Codable {}
