public import NetworkTypes

/// Frames that report a link's multicast memberships: IGMPv3 (RFC 3376) and MLDv2 (RFC 3810).
///
/// They say what the kernel itself says at a join: one record a group, "change to exclude mode, no sources".
public enum MulticastReport {
    /// The report of IPv4 groups, as whole Ethernet frames of at most `mtu` octets of payload each.
    ///
    /// - Parameters:
    ///   - groups: Groups; 224.0.0.1, which is never reported, is left out.
    ///   - source: The sender's address, or 0.0.0.0 where it has none yet.
    public static func igmp(
        groups: [IPv4Address], from mac: MACAddress, source: IPv4Address, mtu: UInt32 = 1500
    ) -> [[UInt8]] {
        let reported = groups.filter { $0.value != 0xe000_0001 }
        return chunks(of: reported, size: (Int(mtu) - 24 - 8) / 8).map { groups in
            var message: [UInt8] = [0x22, 0, 0, 0, 0, 0]
            message.append(bigEndian: UInt16(groups.count))
            for group in groups {
                message += [4, 0, 0, 0]
                message += group.octets
            }
            message.set(checksum: internetChecksum(message), at: 2)

            // Internet control precedence, do not fragment, one hop, and the router alert option (RFC 2113).
            var header: [UInt8] = [0x46, 0xc0]
            header.append(bigEndian: UInt16(24 + message.count))
            header += [0, 0, 0x40, 0, 1, 2, 0, 0]
            header += source.octets
            header += [224, 0, 0, 22]
            header += [0x94, 4, 0, 0]
            header.set(checksum: internetChecksum(header), at: 10)
            return ethernet(to: [0x01, 0x00, 0x5e, 0, 0, 0x16], from: mac, type: 0x0800) + header + message
        }
    }

    /// The report of IPv6 groups, as whole Ethernet frames of at most `mtu` octets of payload each.
    ///
    /// - Parameters:
    ///   - groups: Groups; ff02::1 and those of interface-local scope, which are never reported, are left out.
    ///   - source: The sender's link-local address, or `::` where it has none yet.
    public static func mld(
        groups: [IPv6Address], from mac: MACAddress, source: IPv6Address, mtu: UInt32 = 1500
    ) -> [[UInt8]] {
        let allNodes = IPv6Address(value: 0xff02 << 112 | 1)
        let reported = groups.filter { $0 != allNodes && ($0.value >> 112) & 0xf > 1 }
        let routers = IPv6Address(value: 0xff02 << 112 | 0x16)
        return chunks(of: reported, size: (Int(mtu) - 48 - 8) / 20).map { groups in
            var message: [UInt8] = [143, 0, 0, 0, 0, 0]
            message.append(bigEndian: UInt16(groups.count))
            for group in groups {
                message += [4, 0, 0, 0]
                message += group.octets
            }
            message.set(checksum: icmpv6Checksum(message, from: source, to: routers), at: 2)

            // A hop-by-hop header with the router alert option (RFC 2711), padded to eight octets.
            let options: [UInt8] = [58, 0, 5, 2, 0, 0, 1, 0]
            return ethernet(to: [0x33, 0x33, 0, 0, 0, 0x16], from: mac, type: 0x86dd)
                + ipv6Header(
                    length: options.count + message.count, next: 0, hops: 1, from: source, to: routers)
                + options + message
        }
    }

    private static func chunks<Group>(of groups: [Group], size: Int) -> [[Group]] {
        let size = max(size, 1)
        return stride(from: 0, to: groups.count, by: size).map { start in
            Array(groups[start..<min(start + size, groups.count)])
        }
    }
}
