/// A device as rules can name it.
public struct DeviceIdentity: Hashable, Sendable {
    /// Its names. Rules know only the first, the name proper; others cannot be matched by nf_tables.
    public var name: String
    public var index: Int32

    public init(name: String, index: Int32) {
        self.name = name
        self.index = index
    }

    var nameOctets: [UInt8] {
        let octets = Array(name.utf8.prefix(16))
        return octets + [UInt8](repeating: 0, count: 16 - octets.count)
    }

    var indexOctets: [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: index.littleEndian >> (8 * $0)) }
    }
}

/// A place in a ruleset that names a device.
public struct DeviceReference: Hashable, Sendable, CustomStringConvertible {
    /// `table inet filter chain input rule handle 5`.
    public var place: String
    /// How it names the device: `iifname`, `oif in @wan`, `device`.
    public var how: String

    /// `table inet filter chain input rule handle 5 (iifname)`.
    public var description: String { "\(place) (\(how))" }
}

extension Ruleset {
    /// What names a device at layer 3, and would stop matching once the device's addresses moved to another:
    /// rules that compare `iif`, `iifname`, `oif`, `oifname` or a route's device with it, directly or by a set or
    /// map; sets that hold it; and flowtables.
    ///
    /// Chains of the netdev and bridge families, and those at ingress, see frames by the device they came in by,
    /// whoever has the addresses: they are left out.
    public func layer3References(to device: DeviceIdentity) -> [DeviceReference] {
        var references: [DeviceReference] = []
        var namedByRules: Set<NamedSet> = []
        for rule in rules where seesLayer3(rule) {
            var found: [String] = []
            for match in rule.deviceMatches {
                switch match.test {
                case .compare(let value):
                    if device.matches(value, match.subject) { found.append(match.subject.word) }
                case .range(let from, let to):
                    if device.isWithin(from, to, match.subject) { found.append(match.subject.word) }
                case .lookup(let name, let offset):
                    guard let set = sets.first(where: { $0.table == rule.table && $0.name == name }),
                        set.names(device, match.subject, at: offset)
                    else { continue }
                    namedByRules.insert(set)
                    found.append(
                        set.isAnonymous ? match.subject.word : "\(match.subject.word) in @\(set.name)")
                }
            }
            for how in found.uniqued() {
                references.append(
                    DeviceReference(
                        place: "\(rule.table) chain \(rule.chain) rule handle \(rule.handle)", how: how))
            }
        }
        for set in sets
        where !set.isAnonymous && set.table.seesLayer3 && !namedByRules.contains(set) {
            for (subject, offset) in set.deviceParts where set.names(device, subject, at: offset) {
                references.append(
                    DeviceReference(
                        place: "\(set.table) \(set.isMap ? "map" : "set") \(set.name)",
                        how: subject.isName ? "element \(device.name)" : "element of index \(device.index)"))
                break
            }
        }
        for flowtable in flowtables where flowtable.devices.contains(where: device.isNamed) {
            references.append(
                DeviceReference(place: "\(flowtable.table) flowtable \(flowtable.name)", how: "device"))
        }
        return references
    }

    private func seesLayer3(_ rule: Rule) -> Bool {
        guard rule.table.seesLayer3 else { return false }
        let chain = chains.first { $0.table == rule.table && $0.name == rule.chain }
        // NF_INET_INGRESS.
        return !(rule.table.family == .inet && chain?.hook == 5)
    }
}

extension Table {
    fileprivate var seesLayer3: Bool { family != .netdev && family != .bridge }
}

/// What a register holds, where that is about a device.
enum DeviceSubject: Hashable {
    case meta(MetaKey)
    case route(isName: Bool)
    /// A part of a set's key.
    case key(isName: Bool)

    var isName: Bool {
        switch self {
        case .meta(let key): key == .inputName || key == .outputName || key == .portName
        case .route(let isName), .key(let isName): isName
        }
    }

    /// The word nft(8) has for it.
    var word: String {
        switch self {
        case .meta(.inputIndex): "iif"
        case .meta(.outputIndex): "oif"
        case .meta(.inputName): "iifname"
        case .meta(.outputName): "oifname"
        case .meta(.portIndex): "sdif"
        case .meta(.portName): "sdifname"
        case .meta: "meta"
        case .route(let isName): isName ? "fib oifname" : "fib oif"
        case .key: "element"
        }
    }
}

struct DeviceMatch {
    enum Test {
        case compare([UInt8])
        case range([UInt8], [UInt8])
        /// The name of a set and where in its keys the device stands.
        case lookup(String, offset: Int)
    }
    var subject: DeviceSubject
    var test: Test
}

extension Rule {
    /// Every comparison with something that names a device.
    var deviceMatches: [DeviceMatch] {
        var registers: [Int: DeviceSubject] = [:]
        var matches: [DeviceMatch] = []
        func load(_ subject: DeviceSubject?, into register: Register) {
            // A name fills four words; whatever else began there is gone.
            for word in register.word..<(register.word + (subject?.isName == true ? 4 : 1)) {
                registers[word] = nil
            }
            registers[register.word] = subject
        }
        for expression in expressions {
            switch expression {
            case .meta(let key, let destination):
                let known: [MetaKey] = [
                    .inputIndex, .outputIndex, .inputName, .outputName, .portIndex, .portName,
                ]
                load(known.contains(key) ? .meta(key) : nil, into: destination)
            case .routeDevice(let isName, let destination):
                load(.route(isName: isName), into: destination)
            case .compare(let register, _, let value):
                if let subject = registers[register.word] {
                    matches.append(DeviceMatch(subject: subject, test: .compare(value)))
                }
            case .range(let register, let from, let to):
                if let subject = registers[register.word] {
                    matches.append(DeviceMatch(subject: subject, test: .range(from, to)))
                }
            case .lookup(let set, let source, _), .map(let set, let source, _),
                .verdictMap(let set, let source), .objectMap(let set, let source):
                for (word, subject) in registers.sorted(by: { $0.key < $1.key }) where word >= source.word {
                    let offset = (word - source.word) * 4
                    matches.append(DeviceMatch(subject: subject, test: .lookup(set, offset: offset)))
                }
                if let destination = expression.destination { load(nil, into: destination) }
            default:
                // A bitwise operation changes a value; what it came from stays what it is about.
                if case .bitwise = expression { continue }
                if let destination = expression.destination { load(nil, into: destination) }
            }
        }
        return matches
    }
}

extension DeviceIdentity {
    /// A comparison with fewer than 16 octets is one with the beginning of a name: `iifname "eth*"`.
    func matches(_ value: [UInt8], _ subject: DeviceSubject) -> Bool {
        if subject.isName { return !value.isEmpty && nameOctets.starts(with: value) }
        return value == indexOctets || value == indexOctets.reversed()
    }

    func isWithin(_ from: [UInt8], _ to: [UInt8], _ subject: DeviceSubject) -> Bool {
        // Ranges are compared octet by octet, so an index is in network order there.
        let value = subject.isName ? nameOctets : indexOctets.reversed()
        return !value.lexicographicallyPrecedes(from) && !to.lexicographicallyPrecedes(value)
    }

    /// Whether a text of a device list names it; one that ends with `*` names all that begin so.
    func isNamed(_ text: String) -> Bool {
        text == name || (text.hasSuffix("*") && name.hasPrefix(text.dropLast()))
    }
}

extension NamedSet {
    /// Whether an element names the device at an offset of its key.
    func names(_ device: DeviceIdentity, _ subject: DeviceSubject, at offset: Int) -> Bool {
        let length = subject.isName ? 16 : 4
        func part(_ key: [UInt8]) -> [UInt8]? {
            key.count >= offset + min(length, 4) ? Array(key[offset..<min(offset + length, key.count)]) : nil
        }
        let ranged = elements.contains { $0.keyEnd != nil }
        if isInterval && !ranged && offset == 0 {
            let sorted = elements.sorted { left, right in
                left.key == right.key
                    ? left.isIntervalEnd && !right.isIntervalEnd
                    : left.key.lexicographicallyPrecedes(right.key)
            }
            let value = subject.isName ? device.nameOctets : device.indexOctets.reversed()
            let last = sorted.last { !value.lexicographicallyPrecedes(part($0.key) ?? []) }
            return last.map { !$0.isIntervalEnd } ?? false
        }
        return elements.contains { element in
            guard let from = part(element.key) else { return false }
            if let end = element.keyEnd, let to = part(end), to != from {
                return device.isWithin(from, to, subject)
            }
            return subject.isName
                ? from == device.nameOctets : from == device.indexOctets
        }
    }

    /// Where devices stand in its keys, as far as nft(8)'s type numbers tell.
    var deviceParts: [(DeviceSubject, Int)] {
        var types: [UInt32] = []
        var rest = keyType
        while rest != 0 {
            types.insert(rest & 0x3f, at: 0)
            rest >>= 6
        }
        var parts: [(DeviceSubject, Int)] = []
        var offset = 0
        for type in types {
            switch type {
            case 41: parts.append((.key(isName: true), offset))
            case 20: parts.append((.key(isName: false), offset))
            default: break
            }
            guard let size = Self.sizes[type] else { return parts }
            offset += size
        }
        return parts
    }

    /// The sizes of nft(8)'s types in a concatenation, rounded up to words: link layer, IP, IPv6 and Ethernet
    /// addresses, Ethernet type, protocol, port, mark, index and name of a device, connection state.
    private static let sizes: [UInt32: Int] = [
        2: 4, 7: 4, 8: 16, 9: 8, 10: 4, 12: 4, 13: 4, 14: 4, 19: 4, 20: 4, 26: 4, 41: 16,
    ]
}

extension [String] {
    fileprivate func uniqued() -> [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
