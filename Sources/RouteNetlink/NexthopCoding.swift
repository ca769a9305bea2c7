import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Makes a nexthop object, or changes the one of that number (RTM_NEWNEXTHOP).
    public mutating func replace(_ nexthop: Nexthop<Int32>) {
        var header = nhmsg()
        header.nh_family = nexthop.family?.rawValue ?? 0
        header.nh_protocol = nexthop.origin.rawValue
        header.nh_flags = nexthop.flags
        buffer.message(type: RTM_NEWNEXTHOP, flags: NLM_F_CREATE | NLM_F_REPLACE) { message in
            message.header(header)
            message.put(NHA_ID, nexthop.id)
            guard nexthop.group.isEmpty else {
                message.nest(NHA_GROUP, flagged: false) { group in
                    for member in nexthop.group {
                        var entry = nexthop_grp()
                        entry.id = member.id
                        entry.weight = UInt8(truncatingIfNeeded: member.hops)
                        // The high octet of the weight, since Linux 6.13; older kernels refuse it unless 0.
                        entry.resvd1 = UInt8(truncatingIfNeeded: member.hops >> 8)
                        group.append(entry)
                    }
                }
                if nexthop.groupType != 0 { message.put(NHA_GROUP_TYPE, nexthop.groupType) }
                message.put(nexthop.opaque)
                return
            }
            if nexthop.isBlackhole { message.put(NHA_BLACKHOLE) }
            if let device = nexthop.device { message.put(NHA_OIF, device) }
            if let gateway = nexthop.gateway { message.put(NHA_GATEWAY, gateway) }
            message.put(nexthop.opaque)
        }
    }

    /// Deletes a nexthop object and the routes that use it (RTM_DELNEXTHOP).
    public mutating func removeNexthop(_ id: UInt32) {
        buffer.message(type: RTM_DELNEXTHOP) { message in
            message.header(nhmsg())
            message.put(NHA_ID, id)
        }
    }
}

extension Nexthop where Device == Int32 {
    /// Reads an RTM_NEWNEXTHOP message.
    static func decode(_ message: borrowing Message) -> Nexthop? {
        guard message.type == RTM_NEWNEXTHOP || message.type == RTM_DELNEXTHOP,
            let header = message.header(as: nhmsg.self)
        else { return nil }
        var nexthop = Nexthop(id: 0)
        nexthop.family = AddressFamily(rawValue: header.nh_family)
        nexthop.origin = RouteOrigin(rawValue: header.nh_protocol)
        // Onlink is a setting, the rest is reported.
        nexthop.flags = header.nh_flags & 4
        var attributes = message.attributes(after: nhmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case NHA_ID: nexthop.id = attribute.value() ?? 0
            case NHA_OIF: nexthop.device = attribute.value()
            case NHA_GATEWAY: nexthop.gateway = attribute.address
            case NHA_BLACKHOLE: nexthop.isBlackhole = true
            case NHA_GROUP_TYPE: nexthop.groupType = attribute.value() ?? 0
            case NHA_GROUP:
                var offset = 0
                while let entry = attribute.content.value(at: offset, as: nexthop_grp.self) {
                    nexthop.group.append(
                        GroupMember(id: entry.id, hops: UInt16(entry.weight) | UInt16(entry.resvd1) << 8))
                    offset += MemoryLayout<nexthop_grp>.size
                }
            case NHA_ENCAP_TYPE, NHA_FDB: nexthop.opaque.append(attribute.opaque)
            case NHA_ENCAP:
                // The kernel tells it without NLA_F_NESTED, and takes it only with it.
                nexthop.opaque.append(
                    OpaqueAttribute(type: attribute.rawType | UInt16(NLA_F_NESTED), content: attribute.bytes))
            case NHA_RES_GROUP: nexthop.opaque.append(resilience(attribute))
            default: break
            }
        }
        return nexthop.id == 0 ? nil : nexthop
    }

    /// The settings of a resilient group, without how long it has been out of balance, which is reported.
    private static func resilience(_ attribute: borrowing Attribute) -> OpaqueAttribute {
        var settings = MessageBuffer(capacity: 64)
        var attributes = attribute.nested
        while let setting = attributes.next() {
            switch setting.type {
            case NHA_RES_GROUP_BUCKETS, NHA_RES_GROUP_IDLE_TIMER, NHA_RES_GROUP_UNBALANCED_TIMER:
                settings.put(setting.type, bytes: setting.content)
            default: break
            }
        }
        return OpaqueAttribute(type: attribute.rawType, content: settings.bytes.octets)
    }
}
