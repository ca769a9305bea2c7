public import NetworkTypes

/// A named set of rules that say what vifs may exchange with whom. See docs/groups.md.
///
/// What comes to a vif passes where a rule of one of its groups lets it in. What it sends passes where a rule lets it
/// out, or where none of its groups has a rule for that direction. Answers pass with what they answer.
public struct SecurityGroup: Hashable, Sendable, Codable {
    public var name: GroupName
    public var rules: [GroupRule]

    public init(name: GroupName, rules: [GroupRule] = []) {
        self.name = name
        self.rules = rules
    }
}

/// Addresses by a name that rules refer to.
public struct AddressSet: Hashable, Sendable, Codable {
    public var name: GroupName
    public var prefixes: [Prefix]

    public init(name: GroupName, prefixes: [Prefix] = []) {
        self.name = name
        self.prefixes = prefixes
    }
}

/// The name of a group or of a set of addresses: letters, digits, `-` and `_`, a letter first, at most 32.
public struct GroupName: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    public let rawValue: String

    public init?(_ text: some StringProtocol) {
        let isName = text.utf8.allSatisfy {
            (97...122).contains($0 | 0x20) || (48...57).contains($0) || $0 == 45 || $0 == 95
        }
        guard isName, text.utf8.count <= 32, let first = text.utf8.first, (97...122).contains(first | 0x20),
            !GroupRule.words.contains(String(text))
        else { return nil }
        rawValue = String(text)
    }

    public var description: String { rawValue }
    public static func < (left: GroupName, right: GroupName) -> Bool { left.rawValue < right.rawValue }
}

/// One thing that a group lets pass.
public struct GroupRule: Hashable, Sendable, Codable {
    /// Seen from the guest.
    public enum Direction: String, Hashable, Sendable, Codable, CaseIterable {
        case `in`, out
    }

    /// Who is at the other end.
    public enum Peer: Hashable, Sendable, Codable {
        case prefix(Prefix)
        /// A set of addresses, or the vifs of a group.
        case named(GroupName)
    }

    public var direction: Direction
    /// The number of the upper layer; nil for any.
    public var upperLayer: UInt8?
    /// The guest's ports of what comes in, the other end's of what goes out, or the types of ICMP messages; empty for
    /// all.
    public var ports: [ClosedRange<UInt16>]
    /// Empty for everybody.
    public var peers: [Peer]

    public init(
        _ direction: Direction, upperLayer: UInt8? = nil, ports: [ClosedRange<UInt16>] = [],
        peers: [Peer] = []
    ) {
        self.direction = direction
        self.upperLayer = upperLayer
        self.ports = ports
        self.peers = peers
    }

    /// The numbers of the upper layers that have a word (IANA, Assigned Internet Protocol Numbers).
    public static let upperLayers: KeyValuePairs<String, UInt8> = [
        "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "sctp": 132,
    ]
    /// Those with ports.
    public static let ported: Set<UInt8> = [6, 17, 33, 132, 136]
    private static let messages: Set<UInt8> = [1, 58]

    static let words: Set<String> = ["in", "out", "any", "from", "to"]

    /// Reads `in tcp 80,443,8000-8080 from 192.0.2.0/24 office`.
    public init(_ text: String) throws(DrawbridgeError) {
        func refusal(_ cause: String, _ advice: String) -> DrawbridgeError {
            DrawbridgeError(.invalidArgument, "rule '\(text)'", cause, advice: advice)
        }
        var words = text.split(separator: " ")[...]
        guard let first = words.popFirst(), let direction = Direction(rawValue: String(first)) else {
            throw refusal("begins with neither in nor out", "write it like 'in tcp 80,443 from 192.0.2.0/24'")
        }
        self.init(direction)
        guard let layer = words.popFirst() else {
            throw refusal("names no protocol", "say tcp, udp, icmp, icmpv6, another, its number, or any")
        }
        upperLayer = Self.upperLayers.first { $0.key == layer }?.value ?? Self.number(layer)
        guard layer == "any" || upperLayer != nil else {
            throw refusal(
                "'\(layer)' is no protocol", "say tcp, udp, icmp, icmpv6, another, its number, or any")
        }
        if let list = words.first, list != "from", list != "to" {
            words.removeFirst()
            let isMessage = Self.messages.contains(upperLayer ?? 0)
            guard let upperLayer, isMessage || Self.ported.contains(upperLayer) else {
                throw refusal("'\(list)': \(layer) has no ports", "say whom it is from or to, or nothing")
            }
            for part in list.split(separator: ",", omittingEmptySubsequences: false) {
                guard let range = Self.range(part, limit: isMessage ? 255 : 65535) else {
                    throw refusal(
                        "'\(part)' is no \(isMessage ? "type of a message" : "port")",
                        "say one, a range like 8000-8080, or several with commas")
                }
                ports.append(range)
            }
        }
        guard let word = words.popFirst() else { return }
        guard word == (direction == .in ? "from" : "to") else {
            throw refusal(
                "'\(word)' where \(direction == .in ? "from" : "to") was expected",
                "what comes in is from somebody, and what goes out is to somebody")
        }
        guard !words.isEmpty else {
            throw refusal("does not say \(word) whom", "leave out '\(word)' for everybody")
        }
        for word in words {
            if let prefix = Prefix(word) {
                guard prefix.network == prefix else {
                    throw refusal("'\(word)' has bits beyond its length", "write \(prefix.network)")
                }
                peers.append(.prefix(prefix))
            } else if let name = GroupName(word) {
                peers.append(.named(name))
            } else {
                throw refusal(
                    "'\(word)' is no prefix and no name", "name a prefix, a group or a set of addresses")
            }
        }
    }

    private static func number(_ text: Substring) -> UInt8? {
        text.utf8.allSatisfy { (48...57).contains($0) } ? UInt8(text) : nil
    }

    private static func range(_ text: Substring, limit: UInt16) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = ends.compactMap { end in
            end.utf8.allSatisfy { (48...57).contains($0) } ? UInt16(end) : nil
        }
        guard numbers.count == ends.count, let low = numbers.first, let high = numbers.last, low <= high,
            high <= limit
        else { return nil }
        return low...high
    }
}

extension GroupRule: CustomStringConvertible {
    /// As it is read.
    public var description: String {
        var words = [direction.rawValue]
        words.append(
            upperLayer.map { number in
                Self.upperLayers.first { $0.value == number }?.key ?? String(number)
            } ?? "any")
        if !ports.isEmpty {
            words.append(
                ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
                    .joined(separator: ","))
        }
        if !peers.isEmpty { words.append(direction == .in ? "from" : "to") }
        for peer in peers {
            switch peer {
            case .prefix(let prefix): words.append("\(prefix)")
            case .named(let name): words.append("\(name)")
            }
        }
        return words.joined(separator: " ")
    }
}
