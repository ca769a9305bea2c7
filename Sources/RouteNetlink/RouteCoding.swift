import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Adds a route (RTM_NEWROUTE).
    public mutating func add(_ route: Route<Int32>, existing: Existing = .refuse) {
        encode(route, type: RTM_NEWROUTE, flags: existing.flags)
    }

    /// Takes a route away (RTM_DELROUTE): the one that agrees in everything told.
    public mutating func remove(_ route: Route<Int32>) {
        encode(route, type: RTM_DELROUTE, flags: 0)
    }

    private mutating func encode(_ route: Route<Int32>, type: Int, flags: Int32) {
        var header = rtmsg()
        header.rtm_family = route.family.rawValue
        header.rtm_dst_len = route.destination?.length ?? 0
        header.rtm_src_len = route.source?.length ?? 0
        header.rtm_tos = route.typeOfService
        header.rtm_table = route.table < 256 ? UInt8(route.table) : UInt8(RT_TABLE_COMPAT.rawValue)
        header.rtm_protocol = route.origin.rawValue
        header.rtm_scope = route.scope.rawValue
        header.rtm_type = route.type.rawValue
        header.rtm_flags = route.flags
        if route.nexthops.count == 1 { header.rtm_flags |= UInt32(route.nexthops[0].flags) }
        buffer.message(type: type, flags: flags) { message in
            message.header(header)
            if let destination = route.destination {
                message.put(.kernel(RTA_DST), destination.address)
            }
            if let source = route.source { message.put(.kernel(RTA_SRC), source.address) }
            message.put(.kernel(RTA_TABLE), route.table)
            if route.metric != 0 { message.put(.kernel(RTA_PRIORITY), route.metric) }
            if let preferred = route.preferredSource {
                message.put(.kernel(RTA_PREFSRC), preferred)
            }
            if !route.metrics.isEmpty {
                message.nest(.kernel(RTA_METRICS), flagged: false) { metrics in
                    for (number, content) in route.metrics.sorted(by: { $0.key < $1.key }) {
                        metrics.put(Int(number), bytes: content)
                    }
                }
            }
            if let expires = route.expires { message.put(.kernel(RTA_EXPIRES), expires) }
            if let preference = route.preference { message.put(.kernel(RTA_PREF), preference) }
            message.put(route.opaque)
            if route.nexthopID != 0 {
                message.put(.kernel(RTA_NH_ID), route.nexthopID)
            } else if route.nexthops.count == 1 {
                message.put(leg: route.nexthops[0], family: route.family)
                if let device = route.nexthops[0].device { message.put(.kernel(RTA_OIF), device) }
            } else if !route.nexthops.isEmpty {
                message.nest(.kernel(RTA_MULTIPATH), flagged: false) { legs in
                    for leg in route.nexthops { legs.put(multipath: leg, family: route.family) }
                }
            }
        }
    }
}

extension MessageBuffer {
    fileprivate mutating func put(leg: RouteNexthop<Int32>, family: AddressFamily) {
        if let gateway = leg.gateway {
            if gateway.family == family {
                put(.kernel(RTA_GATEWAY), gateway)
            } else {
                put(.kernel(RTA_VIA), via: gateway)
            }
        }
        put(leg.opaque)
    }

    fileprivate mutating func put(multipath leg: RouteNexthop<Int32>, family: AddressFamily) {
        var header = rtnexthop()
        header.rtnh_flags = leg.flags
        header.rtnh_hops = leg.hops
        header.rtnh_ifindex = leg.device ?? 0
        record(header) { $0.put(leg: leg, family: family) }
    }
}

/// What rtm_flags and rtnh_flags say as settings: pervasive, onlink. The rest is what the kernel reports.
private let settableLegFlags: UInt8 = 2 | 4

extension Route where Device == Int32 {
    /// Reads an RTM_NEWROUTE message.
    static func decode(_ message: borrowing Message) -> Route? {
        guard message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE,
            let header = message.header(as: rtmsg.self),
            let family = AddressFamily(rawValue: header.rtm_family)
        else { return nil }
        // Clones of the cache are no routes (RTM_F_CLONED).
        guard header.rtm_flags & 0x200 == 0 else { return nil }
        var route = Route(family)
        route.table = UInt32(header.rtm_table)
        route.typeOfService = header.rtm_tos
        route.origin = RouteOrigin(rawValue: header.rtm_protocol)
        route.scope = RouteScope(rawValue: header.rtm_scope)
        route.type = RouteType(rawValue: header.rtm_type)
        var single = RouteNexthop<Int32>(device: nil)
        single.flags = UInt8(truncatingIfNeeded: header.rtm_flags) & settableLegFlags
        var attributes = message.attributes(after: rtmsg.self)
        while let attribute = attributes.next() {
            switch rtattr_type_t(UInt32(attribute.type)) {
            case RTA_DST:
                route.destination = attribute.address.flatMap {
                    Prefix($0, length: header.rtm_dst_len)
                }
            case RTA_SRC:
                route.source = attribute.address.flatMap {
                    Prefix($0, length: header.rtm_src_len)
                }
            case RTA_TABLE: route.table = attribute.value() ?? route.table
            case RTA_PRIORITY: route.metric = attribute.value() ?? 0
            case RTA_PREFSRC: route.preferredSource = attribute.address
            case RTA_OIF: single.device = attribute.value()
            case RTA_GATEWAY: single.gateway = attribute.address
            case RTA_VIA: single.gateway = attribute.via
            case RTA_METRICS:
                var metrics = attribute.nested
                while let metric = metrics.next() { route.metrics[UInt16(metric.type)] = metric.bytes }
            case RTA_MULTIPATH: route.nexthops = legs(attribute, family: family)
            case RTA_NH_ID: route.nexthopID = attribute.value() ?? 0
            case RTA_PREF: route.preference = attribute.value()
            case RTA_EXPIRES: route.expires = attribute.value()
            case RTA_CACHEINFO:
                // IPv6 tells how long a route lasts here, in hundredths of a second (USER_HZ).
                if let information = attribute.value(as: rta_cacheinfo.self), information.rta_expires > 0 {
                    // Rounded up, so that a route which is read and set again does not age faster than time goes by.
                    route.expires = (UInt32(information.rta_expires) + 99) / 100
                }
            case RTA_ENCAP, RTA_ENCAP_TYPE:
                single.opaque.append(attribute.opaque)
            case RTA_IIF, RTA_UID, RTA_PAD: break
            default: route.opaque.append(attribute.opaque)
            }
        }
        if route.nexthopID == 0, route.nexthops.isEmpty, single.device != nil || single.gateway != nil {
            route.nexthops = [single]
        } else if route.nexthopID != 0 {
            // The kernel unfolds the object for the reader; the object says it, so it is not said twice.
            route.nexthops = []
            // Nor is that it is a black hole: the kernel tells so of a unicast route, and finds it as one only.
            if route.type == .blackhole { route.type = .unicast }
        }
        // IPv6 hangs a route that leads nowhere on the loopback device by itself.
        if [.blackhole, .unreachable, .prohibit, .throw].contains(route.type) { route.nexthops = [] }
        return route
    }

    private static func legs(_ attribute: borrowing Attribute, family: AddressFamily) -> [RouteNexthop<Int32>]
    {
        var legs: [RouteNexthop<Int32>] = []
        var offset = 0
        let content = attribute.content
        while let header = content.value(at: offset, as: rtnexthop.self) {
            let length = Int(header.rtnh_len)
            guard length >= 8, offset + length <= content.byteCount else { break }
            var leg = RouteNexthop<Int32>(device: header.rtnh_ifindex)
            leg.flags = header.rtnh_flags & settableLegFlags
            leg.hops = header.rtnh_hops
            var attributes = Attributes(content.extracting((offset + 8)..<(offset + length)))
            while let attribute = attributes.next() {
                switch rtattr_type_t(UInt32(attribute.type)) {
                case RTA_GATEWAY: leg.gateway = attribute.address
                case RTA_VIA: leg.gateway = attribute.via
                case RTA_FLOW, RTA_ENCAP, RTA_ENCAP_TYPE:
                    leg.opaque.append(attribute.opaque)
                default: break
                }
            }
            legs.append(leg)
            offset += (length + 3) & ~3
        }
        return legs
    }
}

extension Int {
    /// The number of a route's attribute.
    fileprivate static func kernel(_ type: rtattr_type_t) -> Int { Int(type.rawValue) }
}
