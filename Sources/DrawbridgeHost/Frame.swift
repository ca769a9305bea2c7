import NetworkTypes

/// The first 14 octets of an Ethernet frame.
func ethernet(to destination: [UInt8], from source: MACAddress, type: UInt16) -> [UInt8] {
    var header = destination + source.octets
    header.append(bigEndian: type)
    return header
}

/// The fixed header of RFC 8200 §3.
func ipv6Header(
    length: Int, next: UInt8, hops: UInt8, from source: IPv6Address, to destination: IPv6Address
) -> [UInt8] {
    var header: [UInt8] = [0x60, 0, 0, 0]
    header.append(bigEndian: UInt16(truncatingIfNeeded: length))
    header += [next, hops]
    header += source.octets
    header += destination.octets
    return header
}

/// The checksum of RFC 1071 over octets in which its own field is zero.
func internetChecksum(_ octets: some Sequence<UInt8>) -> UInt16 {
    var sum: UInt32 = 0
    var isHigh = true
    for octet in octets {
        sum += isHigh ? UInt32(octet) << 8 : UInt32(octet)
        isHigh.toggle()
        if sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    }
    return ~UInt16(truncatingIfNeeded: sum)
}

/// The checksum of an ICMPv6 message with its pseudo-header (RFC 4443 §2.3).
func icmpv6Checksum(_ message: [UInt8], from source: IPv6Address, to destination: IPv6Address) -> UInt16 {
    var octets = source.octets + destination.octets
    octets.append(bigEndian: UInt16(0))
    octets.append(bigEndian: UInt16(truncatingIfNeeded: message.count))
    octets += [0, 0, 0, 58]
    return internetChecksum(octets + message)
}

extension [UInt8] {
    mutating func append(bigEndian value: UInt16) {
        append(UInt8(value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    mutating func set(checksum: UInt16, at index: Int) {
        self[index] = UInt8(checksum >> 8)
        self[index + 1] = UInt8(truncatingIfNeeded: checksum)
    }
}
