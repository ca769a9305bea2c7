public import NetworkTypes
import Nftables

/// A rule of iptables that lets a bridged vif's packets be forwarded, as the scripts of Xen 4.0 and later made them. It
/// only accepts: where the administrator's chain drops nothing, it does nothing.
public enum AcceptRule: Hashable, Sendable, Codable {
    /// What comes from the vif, of this source; nil for all.
    case from(LinkName, source: Prefix?)
    /// What it asks of a DHCP server.
    case dhcp(from: LinkName)
    /// What goes to the vif.
    case to(LinkName)

    /// The rules for a vif: without addresses everything from it, else what comes from them, and DHCP. Addresses of IPv6
    /// are left aside, as they were.
    public static func rules(for device: LinkName, addresses: [Prefix]) -> [AcceptRule] {
        guard !addresses.isEmpty else { return [.from(device, source: nil), .to(device)] }
        let sources = addresses.filter { $0.family == .ipv4 }
        return sources.map { .from(device, source: $0) } + [.dhcp(from: device), .to(device)]
    }

    /// The rule as iptables-nft writes it, without its counter.
    var expressions: [Expression] {
        let value = Register.first
        switch self {
        case .from(let device, let source):
            return (source.map { Self.from($0, value) } ?? []) + [Self.physdev(in: device)]
        case .dhcp(let device):
            return [
                .meta(key: .upperLayer, destination: value),
                .compare(value, operation: .equal, value: [17]),
                Self.physdev(in: device),
                .payload(.transport, offset: 0, length: 4, destination: value),
                .compare(value, operation: .equal, value: [0, 68, 0, 67]),
            ]
        case .to(let device): return [Self.physdev(out: device)]
        }
    }

    private static func from(_ source: Prefix, _ value: Register) -> [Expression] {
        guard case .ipv4(let address) = source.network.address else { return [] }
        let (octets, length) = (address.octets, Int(source.length))
        if length % 8 == 0, length > 0 {
            let count = length / 8
            return [
                .payload(.network, offset: 12, length: UInt32(count), destination: value),
                .compare(value, operation: .equal, value: Array(octets.prefix(count))),
            ]
        }
        let mask = (0..<4).map { UInt8(truncatingIfNeeded: 0xff00 >> min(max(length - 8 * $0, 0), 8)) }
        return [
            .payload(.network, offset: 12, length: 4, destination: value),
            .bitwise(source: value, destination: value, mask: mask, xor: [0, 0, 0, 0]),
            .compare(value, operation: .equal, value: octets),
        ]
    }

    /// `-m physdev --physdev-is-bridged --physdev-in DEVICE` (linux/netfilter/xt_physdev.h).
    private static func physdev(in device: LinkName? = nil, out: LinkName? = nil) -> Expression {
        var info = part(device) + part(out)
        // Nothing is inverted; XT_PHYSDEV_OP_BRIDGED with _IN or _OUT.
        info += [0, device == nil ? 0x4 | 0x2 : 0x4 | 0x1]
        // XT_ALIGN.
        info += [UInt8](repeating: 0, count: 72 - info.count)
        return .match("physdev", revision: 0, info: info)
    }

    /// A name, and the mask of what of it counts: its end as well.
    private static func part(_ device: LinkName?) -> [UInt8] {
        guard let device else { return [UInt8](repeating: 0, count: 32) }
        let count = device.rawValue.utf8.count + 1
        return device.keyOctets + [UInt8](repeating: 0xff, count: count)
            + [UInt8](repeating: 0, count: 16 - count)
    }
}
