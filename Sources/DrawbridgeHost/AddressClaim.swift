public import NetworkTypes

/// An address or prefix that a guest seems to have, as a frame at its vif tells.
public struct AddressClaim: Hashable, Sendable {
    /// Who says so.
    public enum Source: Hashable, Sendable {
        /// A DHCP server beyond the vif, that gave it to the guest.
        case server
        /// The guest, by its use.
        case guest
    }

    public var prefix: Prefix
    public var source: Source

    public init(prefix: Prefix, source: Source) {
        self.prefix = prefix
        self.source = source
    }

    /// What a frame that went to a guest gives it: the lease of a DHCP server's acknowledgement (RFC 2131 §4.3.1), or the
    /// addresses and prefixes of a DHCPv6 server's reply (RFC 9915 §18.3).
    ///
    /// - Parameter mac: The guest's hardware address. An answer that is somebody else's says nothing of this guest.
    public static func given(by frame: some Collection<UInt8>, to mac: MACAddress) -> [AddressClaim] {
        let frame = FrameReader(frame)
        switch frame.number(12) {
        case 0x0800: return leased(frame, mac)
        case 0x86dd: return replied(frame, mac)
        default: return []
        }
    }

    /// What a frame of a guest's says that it has: the sender of an ARP message (RFC 826), the target of duplicate
    /// detection and of neighbour advertisements (RFC 4861 §7), each with the guest's own hardware address.
    public static func used(in frame: some Collection<UInt8>, by mac: MACAddress) -> [AddressClaim] {
        let frame = FrameReader(frame)
        guard frame.octets(6, 6) == mac.octets else { return [] }
        let address: IPAddress?
        switch frame.number(12) {
        case 0x0806 where frame.octets(22, 6) == mac.octets:
            let sender = frame.ipv4(28)
            // A probe asks for what it is about to use (RFC 5227 §1.1).
            address = (sender?.value == 0 ? frame.ipv4(38) : sender).map { .ipv4($0) }
        case 0x86dd where frame.octet(20) == 58 && frame.octet(21) == 255:
            let isProbe = frame.octet(54) == 135 && frame.ipv6(22)?.value == 0
            address = isProbe || frame.octet(54) == 136 ? frame.ipv6(62).map { .ipv6($0) } : nil
        default: address = nil
        }
        guard let address, address.isGlobalUnicast else { return [] }
        return [AddressClaim(prefix: Prefix(host: address), source: .guest)]
    }

    private static func leased(_ frame: FrameReader, _ mac: MACAddress) -> [AddressClaim] {
        guard let length = frame.octet(14).map({ Int($0 & 0xf) * 4 }), length >= 20, frame.octet(23) == 17,
            // A fragment but the first has no ports; what was cut is passed over.
            frame.number(20).map({ $0 & 0x3fff == 0 }) ?? false
        else { return [] }
        let message = 14 + length + 8
        guard frame.number(message - 8) == 67, frame.number(message - 6) == 68, frame.octet(message) == 2,
            frame.octet(message + 1) == 1, frame.octet(message + 2) == 6,
            frame.octets(message + 28, 6) == mac.octets,
            frame.octets(message + 236, 4) == [99, 130, 83, 99],
            let address = frame.ipv4(message + 16), IPAddress.ipv4(address).isGlobalUnicast
        else { return [] }
        var option = message + 240
        while let kind = frame.octet(option), kind != 255 {
            if kind == 0 {
                option += 1
                continue
            }
            guard let size = frame.octet(option + 1) else { return [] }
            if kind == 53 {
                let isAcknowledged = size == 1 && frame.octet(option + 2) == 5
                return isAcknowledged
                    ? [AddressClaim(prefix: Prefix(host: .ipv4(address)), source: .server)] : []
            }
            option += 2 + Int(size)
        }
        return []
    }

    private static func replied(_ frame: FrameReader, _ mac: MACAddress) -> [AddressClaim] {
        guard frame.octets(0, 6) == mac.octets, frame.octet(20) == 17, frame.number(54) == 547,
            frame.number(56) == 546, frame.octet(62) == 7, let length = frame.number(58), length >= 12
        else { return [] }
        let end = min(54 + Int(length), frame.count)
        var claims: [AddressClaim] = []
        frame.forEachOption(from: 66, to: end) { kind, start, end in
            // IA_NA and IA_PD begin with an identifier and two times, IA_TA with an identifier alone (§21.4-21.5, §21.21).
            guard kind == 3 || kind == 4 || kind == 25 else { return }
            frame.forEachOption(from: start + (kind == 4 ? 4 : 12), to: end) { kind, start, end in
                switch kind {
                case 5 where end - start >= 24 && frame.octets(start + 20, 4) != [0, 0, 0, 0]:
                    guard let address = frame.ipv6(start), IPAddress.ipv6(address).isGlobalUnicast else {
                        return
                    }
                    claims.append(AddressClaim(prefix: Prefix(host: .ipv6(address)), source: .server))
                case 26 where end - start >= 25 && frame.octets(start + 4, 4) != [0, 0, 0, 0]:
                    guard let address = frame.ipv6(start + 9), let length = frame.octet(start + 8),
                        length >= 16,
                        let prefix = Prefix(.ipv6(address), length: length),
                        IPAddress.ipv6(address).isGlobalUnicast
                    else { return }
                    claims.append(AddressClaim(prefix: prefix, source: .server))
                default: break
                }
            }
        }
        return claims
    }
}

extension IPAddress {
    /// Whether it can be one host's beyond its own link: not unspecified, loopback, link-local, multicast or broadcast.
    var isGlobalUnicast: Bool {
        switch self {
        case .ipv4(let address):
            let first = address.value >> 24
            return first != 0 && first != 127 && first < 224 && address.value >> 16 != 0xa9fe
        case .ipv6(let address): return address.value > 1 && !address.isLinkLocal && !address.isMulticast
        }
    }
}
