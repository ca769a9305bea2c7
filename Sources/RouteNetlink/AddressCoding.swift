import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Gives a device an address (RTM_NEWADDR). ``Existing/append`` means the same as ``Existing/refuse`` here.
    public mutating func add(_ address: Address<Int32>, existing: Existing = .refuse) {
        encode(address, type: RTM_NEWADDR, flags: existing.flags)
    }

    /// Takes an address away (RTM_DELADDR).
    public mutating func remove(_ address: Address<Int32>) {
        encode(address, type: RTM_DELADDR, flags: 0)
    }

    private mutating func encode(_ address: Address<Int32>, type: Int, flags: Int32) {
        var header = ifaddrmsg()
        header.ifa_family = address.prefix.family.rawValue
        header.ifa_prefixlen = address.prefix.length
        header.ifa_scope = address.scope.rawValue
        header.ifa_flags = UInt8(truncatingIfNeeded: address.flags.rawValue)
        header.ifa_index = UInt32(bitPattern: address.device)
        buffer.message(type: type, flags: flags) { message in
            message.header(header)
            message.put(IFA_LOCAL, address.prefix.address)
            // IFA_ADDRESS is the far end where there is one; IPv6 takes either alone (ifa_ipv6_policy).
            message.put(IFA_ADDRESS, (address.peer ?? address.prefix.address))
            guard type == RTM_NEWADDR else {
                if let label = address.label { message.put(IFA_LABEL, string: label) }
                return
            }
            if let broadcast = address.broadcast { message.put(IFA_BROADCAST, broadcast) }
            if let label = address.label { message.put(IFA_LABEL, string: label) }
            // What the kernel works out itself is not asked for: it would be refused or remembered wrongly.
            let settable = address.flags.subtracting([
                .permanent, .tentative, .deprecated, .duplicateDetected, .optimistic,
                address.prefix.family == .ipv4 ? .secondary : [],
            ])
            message.put(IFA_FLAGS, settable.rawValue)
            if address.preferredLifetime != nil || address.validLifetime != nil {
                var lifetimes = ifa_cacheinfo()
                lifetimes.ifa_prefered = address.preferredLifetime ?? .max
                lifetimes.ifa_valid = address.validLifetime ?? .max
                message.put(IFA_CACHEINFO, lifetimes)
            }
            if address.origin != 0 { message.put(addressProtocolAttribute, address.origin) }
            if address.routeMetric != 0 { message.put(IFA_RT_PRIORITY, address.routeMetric) }
        }
    }
}

/// `IFA_PROTO` (linux/if_addr.h since 5.18).
private let addressProtocolAttribute = 11

extension Address where Device == Int32 {
    /// Reads an RTM_NEWADDR message.
    static func decode(_ message: borrowing Message) -> Address? {
        guard message.type == RTM_NEWADDR || message.type == RTM_DELADDR,
            let header = message.header(as: ifaddrmsg.self),
            AddressFamily(rawValue: header.ifa_family) != nil
        else { return nil }
        var local: IPAddress?
        var far: IPAddress?
        var flags = UInt32(header.ifa_flags)
        var address = Address(
            Prefix(host: .ipv4(IPv4Address(value: 0))), on: Int32(bitPattern: header.ifa_index))
        address.scope = RouteScope(rawValue: header.ifa_scope)
        var attributes = message.attributes(after: ifaddrmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case IFA_LOCAL: local = attribute.address
            case IFA_ADDRESS: far = attribute.address
            case IFA_BROADCAST: address.broadcast = attribute.address
            case IFA_LABEL: address.label = attribute.string
            case IFA_FLAGS: flags = attribute.value() ?? flags
            case IFA_CACHEINFO:
                guard let lifetimes = attribute.value(as: ifa_cacheinfo.self) else { break }
                if lifetimes.ifa_prefered != .max { address.preferredLifetime = lifetimes.ifa_prefered }
                if lifetimes.ifa_valid != .max { address.validLifetime = lifetimes.ifa_valid }
            case addressProtocolAttribute: address.origin = attribute.value() ?? 0
            case IFA_RT_PRIORITY: address.routeMetric = attribute.value() ?? 0
            default: break
            }
        }
        address.flags = AddressFlags(rawValue: flags)
        guard let own = local ?? far, let prefix = Prefix(own, length: header.ifa_prefixlen) else {
            return nil
        }
        address.prefix = prefix
        if let far, far != own { address.peer = far }
        return address
    }
}
