public import DrawbridgeModel
public import NetworkTypes

/// A vif that is in groups.
public struct GroupMember: Hashable, Sendable {
    public var device: LinkName
    public var groups: [GroupName]
    /// What is the vif's own: what a rule that names one of its groups means.
    public var addresses: [Prefix]

    public init(device: LinkName, groups: [GroupName], addresses: [Prefix]) {
        self.device = device
        self.groups = groups
        self.addresses = addresses
    }
}

/// What groups let pass, as lookups: every vif has the number of its combination of groups, and what a combination lets
/// pass is boxes of which no two overlap, as the kernel's interval sets want them. Their number does not depend on how
/// many vifs there are.
public struct GroupLayout: Hashable, Sendable {
    /// What passes: from the first to the last of everything.
    public struct Box: Hashable, Sendable {
        /// The number of the combination.
        public var combination: UInt32
        public var upperLayer: ClosedRange<UInt8>
        /// The guest's ports of what comes in, the other end's of what goes out; the type of an ICMP message in the high
        /// octet.
        public var ports: ClosedRange<UInt16>
        /// The other end.
        public var peers: ClosedRange<IPAddress>

        public init(
            combination: UInt32, upperLayer: ClosedRange<UInt8>, ports: ClosedRange<UInt16>,
            peers: ClosedRange<IPAddress>
        ) {
            self.combination = combination
            self.upperLayer = upperLayer
            self.ports = ports
            self.peers = peers
        }
    }

    /// One table of boxes.
    public struct Side: Hashable, Sendable {
        public var direction: GroupRule.Direction
        public var family: AddressFamily

        public init(_ direction: GroupRule.Direction, _ family: AddressFamily) {
            self.direction = direction
            self.family = family
        }

        public static let all = GroupRule.Direction.allCases.flatMap { direction in
            AddressFamily.allCases.map { Side(direction, $0) }
        }
    }

    public var combinations: [LinkName: UInt32] = [:]
    public var boxes: [Side: Set<Box>] = [:]

    public init() {}

    /// Lays out what the groups of these vifs let pass.
    public init(groups: [SecurityGroup], sets: [AddressSet], members: [GroupMember]) {
        let rules = Dictionary(groups.map { ($0.name, $0.rules) }) { $0 + $1 }
        var addresses = Dictionary(sets.map { ($0.name, $0.prefixes) }) { $0 + $1 }
        for member in members {
            for group in member.groups { addresses[group, default: []] += member.addresses }
        }
        var numbers: [[GroupName]: UInt32] = [:]
        var taken: Set<UInt32> = []
        let combined = Dictionary(grouping: members) { Set($0.groups).sorted() }
        for groups in combined.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) where !groups.isEmpty {
            var number = Self.number(of: groups)
            while !taken.insert(number).inserted { number &+= 1 }
            numbers[groups] = number
            let rules = groups.flatMap { rules[$0] ?? [] }
            for side in Side.all {
                boxes[side, default: []].formUnion(
                    Self.boxes(of: rules, on: side, addresses).map { box in
                        var box = box
                        box.combination = number
                        return box
                    })
            }
        }
        for (groups, members) in combined {
            guard let number = numbers[groups] else { continue }
            for member in members { combinations[member.device] = number }
        }
    }

    /// The same for a combination in every process (FNV-1a), so that what stays needs no change in the kernel.
    private static func number(of groups: [GroupName]) -> UInt32 {
        groups.map(\.rawValue).joined(separator: " ").utf8.reduce(0x811c_9dc5) {
            ($0 ^ UInt32($1)) &* 0x0100_0193
        }
    }

    /// A rule on one side.
    private struct Permit {
        var upperLayer: ClosedRange<UInt8>
        var ports: [ClosedRange<UInt16>]
        var peers: Ranges
    }

    private static func boxes(
        of rules: [GroupRule], on side: Side, _ addresses: [GroupName: [Prefix]]
    ) -> [Box] {
        var permits: [Permit] = []
        for rule in rules where rule.direction == side.direction {
            if rule.upperLayer == (side.family == .ipv4 ? 58 : 1) { continue }
            var peers: [Prefix] = []
            for peer in rule.peers {
                switch peer {
                case .prefix(let prefix): peers.append(prefix)
                case .named(let name): peers += addresses[name] ?? []
                }
            }
            let isMessage = rule.upperLayer == 1 || rule.upperLayer == 58
            let ports = rule.ports.map { isMessage ? $0.lowerBound << 8...($0.upperBound << 8 | 0xff) : $0 }
            permits.append(
                Permit(
                    upperLayer: rule.upperLayer.map { $0...$0 } ?? 0...255,
                    ports: ports.isEmpty ? [0...65535] : ports,
                    peers: rule.peers.isEmpty ? .all(side.family) : Ranges(peers, side.family)))
        }
        if side.direction == .out, !rules.contains(where: { $0.direction == .out }) {
            permits = [Permit(upperLayer: 0...255, ports: [0...65535], peers: .all(side.family))]
        }
        return disjoint(permits).flatMap { upperLayer, slabs in
            slabs.flatMap { slab in
                slab.peers.addresses(side.family).map {
                    Box(combination: 0, upperLayer: upperLayer, ports: slab.ports, peers: $0)
                }
            }
        }
    }

    /// Cuts what overlaps into slabs by the upper layer, these by ports, and unites the addresses within.
    private static func disjoint(
        _ permits: [Permit]
    ) -> [(ClosedRange<UInt8>, [Slab])] {
        slabs(0...255, permits.map { ([$0.upperLayer], $0) }) { permits in
            slabs(0...65535, permits.map { ($0.ports, $0) }) { permits in
                permits.reduce(into: Ranges()) { $0.formUnion($1.peers) }
            }
            .filter { !$0.content.isEmpty }.map { Slab(ports: $0.range, peers: $0.content) }
        }
        .filter { !$0.content.isEmpty }.map { ($0.range, $0.content) }
    }

    private struct Slab: Hashable {
        var ports: ClosedRange<UInt16>
        var peers: Ranges
    }

    /// Cuts a range where anything begins or ends, and joins again what holds the same.
    private static func slabs<Bound: FixedWidthInteger & Sendable, Content: Hashable>(
        _ whole: ClosedRange<Bound>, _ permits: [(ranges: [ClosedRange<Bound>], permit: Permit)],
        _ content: ([Permit]) -> Content
    ) -> [(range: ClosedRange<Bound>, content: Content)] {
        var starts: Set<Bound> = [whole.lowerBound]
        for range in permits.lazy.flatMap(\.ranges) {
            starts.insert(range.lowerBound)
            if range.upperBound < whole.upperBound { starts.insert(range.upperBound + 1) }
        }
        let sorted = starts.sorted()
        var result: [(range: ClosedRange<Bound>, content: Content)] = []
        for (index, start) in sorted.enumerated() {
            let end = index + 1 < sorted.count ? sorted[index + 1] - 1 : whole.upperBound
            let within = permits.filter { $0.ranges.contains { $0.contains(start) } }.map(\.permit)
            let content = content(within)
            if let last = result.last, last.content == content {
                result[result.count - 1].range = last.range.lowerBound...end
            } else {
                result.append((start...end, content))
            }
        }
        return result
    }
}

/// Ranges of numbers in ascending order, none of which touches the next.
struct Ranges: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<UInt128>] = []

    init() {}

    /// The addresses of one family.
    init(_ prefixes: [Prefix], _ family: AddressFamily) {
        for prefix in prefixes where prefix.family == family {
            insert(prefix.network.address.number...prefix.last.number)
        }
    }

    static func all(_ family: AddressFamily) -> Ranges {
        var all = Ranges()
        all.insert(0...(family == .ipv4 ? UInt128(UInt32.max) : .max))
        return all
    }

    var isEmpty: Bool { ranges.isEmpty }

    mutating func insert(_ range: ClosedRange<UInt128>) {
        var (low, high) = (range.lowerBound, range.upperBound)
        var kept: [ClosedRange<UInt128>] = []
        for one in ranges {
            let isApart =
                one.upperBound < low && low - one.upperBound > 1
                || one.lowerBound > high && one.lowerBound - high > 1
            if isApart {
                kept.append(one)
            } else {
                low = min(low, one.lowerBound)
                high = max(high, one.upperBound)
            }
        }
        kept.append(low...high)
        ranges = kept.sorted { $0.lowerBound < $1.lowerBound }
    }

    mutating func formUnion(_ other: Ranges) {
        for range in other.ranges { insert(range) }
    }

    func addresses(_ family: AddressFamily) -> [ClosedRange<IPAddress>] {
        ranges.map { range in
            func address(_ number: UInt128) -> IPAddress {
                family == .ipv4
                    ? .ipv4(IPv4Address(value: UInt32(truncatingIfNeeded: number)))
                    : .ipv6(IPv6Address(value: number))
            }
            return address(range.lowerBound)...address(range.upperBound)
        }
    }
}

extension IPAddress {
    fileprivate var number: UInt128 {
        switch self {
        case .ipv4(let address): UInt128(address.value)
        case .ipv6(let address): address.value
        }
    }
}
