import NetworkTypes

/// The multicast groups that the host listens to on a device.
struct MulticastMembership: Hashable {
    var ipv4: [IPv4Address] = []
    var ipv6: [IPv6Address] = []

    /// Reads them from the calling thread's namespace.
    static func current(ofLink index: Int32) -> MulticastMembership {
        MulticastMembership(
            ipv4: parseIGMP(text(ofFile: "/proc/thread-self/net/igmp") ?? "", index: index),
            ipv6: parseIGMP6(text(ofFile: "/proc/thread-self/net/igmp6") ?? "", index: index))
    }

    /// Reads `/proc/net/igmp`: a line a device, which starts with its index, and below it an indented line for
    /// each group, which the kernel prints as a number in its own byte order.
    static func parseIGMP(_ text: String, index: Int32) -> [IPv4Address] {
        var groups: [IPv4Address] = []
        var isWanted = false
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" }
            guard let first = words.first else { continue }
            if let character = line.first, character == "\t" || character == " " {
                if isWanted, first.count == 8, let value = UInt32(first, radix: 16) {
                    groups.append(IPv4Address(value: UInt32(bigEndian: value)))
                }
            } else {
                isWanted = Int32(first) == index
            }
        }
        return groups
    }

    /// Reads `/proc/net/igmp6`: index, name, group, users, flags, timer.
    static func parseIGMP6(_ text: String, index: Int32) -> [IPv6Address] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 3, Int32(words[0]) == index, words[2].count == 32 else { return nil }
            return UInt128(words[2], radix: 16).map(IPv6Address.init(value:))
        }
    }
}
