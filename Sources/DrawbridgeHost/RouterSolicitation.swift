public import NetworkTypes

/// A router solicitation (RFC 4861 §4.1), as a whole Ethernet frame.
public enum RouterSolicitation {
    /// - Parameter source: The sender's link-local address, or `::`, from which the sender's hardware address
    ///   must not be told.
    public static func frame(from mac: MACAddress, source: IPv6Address) -> [UInt8] {
        let routers = IPv6Address(value: 0xff02 << 112 | 2)
        var message: [UInt8] = [133, 0, 0, 0, 0, 0, 0, 0]
        if source.value != 0 { message += [1, 1] + mac.octets }
        message.set(checksum: icmpv6Checksum(message, from: source, to: routers), at: 2)
        return ethernet(to: [0x33, 0x33, 0, 0, 0, 2], from: mac, type: 0x86dd)
            + ipv6Header(length: message.count, next: 58, hops: 255, from: source, to: routers) + message
    }
}
