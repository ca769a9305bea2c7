import LinuxHeaders
import Netlink
import NetworkTypes

/// How the value types of the field lie in attributes, without a detour over the heap.
extension MessageBuffer {
    /// Adds an address of 4 or 16 octets.
    mutating func put(_ type: Int, _ address: IPAddress) {
        switch address {
        case .ipv4(let address): put(type, bigEndian: address.value)
        case .ipv6(let address): put(type, bigEndian: address.value)
        }
    }

    /// Adds a hardware address of six octets.
    mutating func put(_ type: Int, _ address: MACAddress) {
        // The octets from the most significant on: two words of network order.
        put(
            type,
            (
                UInt16(truncatingIfNeeded: address.value >> 32).bigEndian,
                UInt16(truncatingIfNeeded: address.value >> 16).bigEndian,
                UInt16(truncatingIfNeeded: address.value).bigEndian
            ))
    }

    /// Adds a gateway of another family than the route's (`struct rtvia`): the family, then the address.
    mutating func put(_ type: Int, via address: IPAddress) {
        nest(type, flagged: false) { via in
            via.append(UInt16(address.family.rawValue))
            switch address {
            case .ipv4(let address): via.append(address.value.bigEndian)
            case .ipv6(let address): via.append(address.value.bigEndian)
            }
        }
    }

    /// Adds attributes as they once came.
    mutating func put(_ attributes: [OpaqueAttribute]) {
        for attribute in attributes { put(Int(attribute.type), bytes: attribute.content) }
    }
}

extension Attribute {
    /// The content as an address; nil unless it has 4 or 16 octets.
    var address: IPAddress? {
        switch content.byteCount {
        case 4: bigEndian(as: UInt32.self).map { .ipv4(IPv4Address(value: $0)) }
        case 16: bigEndian(as: UInt128.self).map { .ipv6(IPv6Address(value: $0)) }
        default: nil
        }
    }

    /// The content as a hardware address; nil unless it has six octets.
    var hardwareAddress: MACAddress? {
        guard content.byteCount == 6, let high = bigEndian(as: UInt16.self),
            let low = content.value(at: 2, as: UInt32.self)
        else { return nil }
        return MACAddress(value: UInt64(high) << 32 | UInt64(UInt32(bigEndian: low)))
    }

    /// The content as `struct rtvia`.
    var via: IPAddress? {
        guard let family = value(as: UInt16.self) else { return nil }
        switch AddressFamily(rawValue: UInt8(truncatingIfNeeded: family)) {
        case .ipv4:
            return content.value(at: 2, as: UInt32.self).map {
                .ipv4(IPv4Address(value: UInt32(bigEndian: $0)))
            }
        case .ipv6:
            return content.value(at: 2, as: UInt128.self).map {
                .ipv6(IPv6Address(value: UInt128(bigEndian: $0)))
            }
        case nil: return nil
        }
    }

    /// The content as a flag of one octet.
    var flag: Bool? { value(as: UInt8.self).map { $0 != 0 } }

    /// The attribute as it came.
    var opaque: OpaqueAttribute { OpaqueAttribute(type: rawType, content: bytes) }
}

extension RawSpan {
    /// All octets of it.
    var octets: [UInt8] { unsafe withUnsafeBytes { bytes in unsafe Array(bytes) } }
}
