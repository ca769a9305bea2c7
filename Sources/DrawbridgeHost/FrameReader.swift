import NetworkTypes

/// Reads a frame that came from anywhere: what lies beyond its end is nil, and nothing else.
struct FrameReader {
    private let octets: [UInt8]

    init(_ octets: some Collection<UInt8>) { self.octets = Array(octets) }

    var count: Int { octets.count }

    func octet(_ index: Int) -> UInt8? { octets.indices.contains(index) ? octets[index] : nil }

    func octets(_ index: Int, _ count: Int) -> [UInt8]? {
        guard index >= 0, index + count <= octets.count else { return nil }
        return Array(octets[index..<index + count])
    }

    /// A number of two octets in network order.
    func number(_ index: Int) -> UInt16? {
        octets(index, 2).map { UInt16($0[0]) << 8 | UInt16($0[1]) }
    }

    func ipv4(_ index: Int) -> IPv4Address? {
        octets(index, 4).map { IPv4Address(value: $0.reduce(0) { $0 << 8 | UInt32($1) }) }
    }

    func ipv6(_ index: Int) -> IPv6Address? {
        octets(index, 16).map { IPv6Address(value: $0.reduce(0) { $0 << 8 | UInt128($1) }) }
    }

    /// Tells the kind and the bounds of every DHCPv6 option between two places (RFC 9915 §21.1), as far as they are whole.
    func forEachOption(from start: Int, to end: Int, _ body: (UInt16, Int, Int) -> Void) {
        var next = start
        while next + 4 <= end, let kind = number(next), let length = number(next + 2) {
            let last = next + 4 + Int(length)
            guard last <= end else { return }
            body(kind, next + 4, last)
            next = last
        }
    }
}
