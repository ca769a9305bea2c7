/// A route of any table (linux/rtnetlink.h).
public struct Route<Device: Hashable & Sendable>: Hashable, Sendable {
    public var family: AddressFamily
    /// Where it leads; nil is the default route.
    public var destination: Prefix?
    /// The source it is for (IPv6 only); nil is any.
    public var source: Prefix?
    public var table: UInt32 = 254
    public var typeOfService: UInt8 = 0
    /// The metric (`RTA_PRIORITY`).
    public var metric: UInt32 = 0
    /// Who made it (`RTPROT_*`): 2 kernel, 3 boot, 4 static, 9 router advertisement, 16 DHCP.
    public var origin: RouteOrigin = .boot
    public var scope: RouteScope = .universe
    public var type: RouteType = .unicast
    /// `RTM_F_*` and, for a single next hop, `RTNH_F_ONLINK`; what the kernel reports (`linkdown`, `dead`,
    /// `offload`) is left out.
    public var flags: UInt32 = 0
    /// The source address to prefer.
    public var preferredSource: IPAddress?
    /// Where it goes: none for `blackhole` and the like, or where `nexthopID` says it.
    public var nexthops: [RouteNexthop<Device>] = []
    /// The nexthop object it uses, or 0.
    public var nexthopID: UInt32 = 0
    /// `RTAX_*` metrics, by number, as the kernel encodes them.
    @SortedCoding public var metrics: [UInt16: [UInt8]] = [:]
    /// How much longer it lasts; nil is for ever.
    public var expires: Seconds?
    /// `ICMPV6_ROUTER_PREF_*` (RFC 4191); nil for IPv4.
    public var preference: UInt8?
    /// Attributes without a type of their own, kept as they came, to be sent back as they are.
    public var opaque: [OpaqueAttribute] = []

    /// Makes a default route, or one to `destination`.
    public init(_ family: AddressFamily, to destination: Prefix? = nil) {
        self.family = family
        self.destination = destination
    }

    /// The devices it goes through.
    public var devices: [Device] { nexthops.compactMap(\.device) }

    /// The same route with every device translated; nil if one cannot be.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> Route<Other>? {
        var route = Route<Other>(family, to: destination)
        route.source = source
        route.table = table
        route.typeOfService = typeOfService
        route.metric = metric
        route.origin = origin
        route.scope = scope
        route.type = type
        route.flags = flags
        route.preferredSource = preferredSource
        route.nexthopID = nexthopID
        route.metrics = metrics
        route.expires = expires
        route.preference = preference
        route.opaque = opaque
        for nexthop in nexthops {
            guard let translated = nexthop.mapDevices(translate) else { return nil }
            route.nexthops.append(translated)
        }
        return route
    }
}

/// One leg of a route.
public struct RouteNexthop<Device: Hashable & Sendable>: Hashable, Sendable {
    public var device: Device?
    /// The gateway; of the other family where `RTA_VIA` was used.
    public var gateway: IPAddress?
    /// `RTNH_F_*` that are settings (`onlink`, `pervasive`); what the kernel reports is left out.
    public var flags: UInt8 = 0
    /// `rtnh_hops`: one less than the weight.
    public var hops: UInt8 = 0
    /// Encapsulation (`RTA_ENCAP_TYPE` and `RTA_ENCAP`) and other attributes, as they came.
    public var opaque: [OpaqueAttribute] = []

    public init(device: Device?, gateway: IPAddress? = nil) {
        self.device = device
        self.gateway = gateway
    }

    /// The same leg with its device translated; nil if that cannot be done.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> RouteNexthop<Other>? {
        var translated: Other?
        if let device {
            translated = translate(device)
            guard translated != nil else { return nil }
        }
        var nexthop = RouteNexthop<Other>(device: translated, gateway: gateway)
        nexthop.flags = flags
        nexthop.hops = hops
        nexthop.opaque = opaque
        return nexthop
    }
}

/// A nexthop object (linux/nexthop.h), which routes refer to by number.
public struct Nexthop<Device: Hashable & Sendable>: Hashable, Sendable {
    public var id: UInt32
    public var family: AddressFamily?
    public var device: Device?
    public var gateway: IPAddress?
    public var isBlackhole = false
    /// The members of a group with their weights less one; empty for a single next hop.
    public var group: [GroupMember] = []
    /// `NEXTHOP_GRP_TYPE_*`.
    public var groupType: UInt16 = 0
    public var origin: RouteOrigin = .unspecified
    /// `RTNH_F_*` that are settings.
    public var flags: UInt32 = 0
    public var opaque: [OpaqueAttribute] = []

    /// One member of a group.
    public struct GroupMember: Hashable, Sendable, Codable {
        public var id: UInt32
        /// One less than the weight.
        public var hops: UInt16
        public init(id: UInt32, hops: UInt16) {
            self.id = id
            self.hops = hops
        }
    }

    public init(id: UInt32) { self.id = id }

    /// The same object with its device translated; nil if that cannot be done.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> Nexthop<Other>? {
        var nexthop = Nexthop<Other>(id: id)
        if let device {
            guard let translated = translate(device) else { return nil }
            nexthop.device = translated
        }
        nexthop.family = family
        nexthop.gateway = gateway
        nexthop.isBlackhole = isBlackhole
        nexthop.group = group.map { .init(id: $0.id, hops: $0.hops) }
        nexthop.groupType = groupType
        nexthop.origin = origin
        nexthop.flags = flags
        nexthop.opaque = opaque
        return nexthop
    }
}

/// An attribute as it came from the kernel: its type and its content without header and padding.
public struct OpaqueAttribute: Hashable, Sendable, Codable {
    public var type: UInt16
    public var content: [UInt8]
    public init(type: UInt16, content: [UInt8]) {
        self.type = type
        self.content = content
    }
}

/// `RT_SCOPE_*`.
public struct RouteScope: RawRepresentable, Hashable, Sendable, Codable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let universe = RouteScope(rawValue: 0)
    public static let site = RouteScope(rawValue: 200)
    public static let link = RouteScope(rawValue: 253)
    public static let host = RouteScope(rawValue: 254)
    public static let nowhere = RouteScope(rawValue: 255)
}

/// `RTPROT_*`.
public struct RouteOrigin: RawRepresentable, Hashable, Sendable, Codable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let unspecified = RouteOrigin(rawValue: 0)
    public static let redirect = RouteOrigin(rawValue: 1)
    public static let kernel = RouteOrigin(rawValue: 2)
    public static let boot = RouteOrigin(rawValue: 3)
    public static let `static` = RouteOrigin(rawValue: 4)
    public static let routerAdvertisement = RouteOrigin(rawValue: 9)
    public static let dhcp = RouteOrigin(rawValue: 16)
}

/// `RTN_*`.
public struct RouteType: RawRepresentable, Hashable, Sendable, Codable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let unicast = RouteType(rawValue: 1)
    public static let local = RouteType(rawValue: 2)
    public static let broadcast = RouteType(rawValue: 3)
    public static let anycast = RouteType(rawValue: 4)
    public static let multicast = RouteType(rawValue: 5)
    public static let blackhole = RouteType(rawValue: 6)
    public static let unreachable = RouteType(rawValue: 7)
    public static let prohibit = RouteType(rawValue: 8)
    public static let `throw` = RouteType(rawValue: 9)
}

extension Route: Codable where Device: Codable {}
extension RouteNexthop: Codable where Device: Codable {}
extension Nexthop: Codable where Device: Codable {}
