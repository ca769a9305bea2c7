import Varlink

/// A value of a column (RFC 7047, section 5.1): an atom, a set of atoms or a map between them.
public enum Value: Hashable, Sendable {
    case integer(Int64)
    case real(Double)
    case boolean(Bool)
    case string(String)
    /// A row that is there, by its UUID as text.
    case uuid(String)
    /// A row that the same transaction inserts, by the name it is given there.
    case named(String)
    /// A set of atoms. A set of one may come as the atom alone.
    case set([Value])
    case map([Value: Value])

    /// A map of texts, as in `external_ids`.
    public static func texts(_ texts: [String: String]) -> Value {
        var pairs: [Value: Value] = [:]
        for (key, value) in texts { pairs[.string(key)] = .string(value) }
        return .map(pairs)
    }

    /// An optional integer: a set of one, or of none.
    public static func optional(_ number: Int64?) -> Value { .set(number.map { [.integer($0)] } ?? []) }

    /// The atoms, also where a set of one came as its atom alone.
    public var atoms: [Value] {
        switch self {
        case .set(let atoms): atoms
        case .map: []
        default: [self]
        }
    }

    /// The text, where this is one.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// The integer, where this is one.
    public var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
    /// The UUID as text, where this is one.
    public var uuid: String? { if case .uuid(let text) = self { text } else { nil } }

    /// The pairs of a map that are texts.
    public var texts: [String: String] {
        guard case .map(let pairs) = self else { return [:] }
        var texts: [String: String] = [:]
        for (key, value) in pairs { if let key = key.string { texts[key] = value.string } }
        return texts
    }
}

extension Value {
    /// The value as it is written: maps in the order of their keys, so that the same value is the same text.
    var json: JSONValue {
        switch self {
        case .integer(let number): .integer(number)
        case .real(let number): .number(number)
        case .boolean(let isTrue): .bool(isTrue)
        case .string(let text): .string(text)
        case .uuid(let text): ["uuid", .string(text)]
        case .named(let name): ["named-uuid", .string(name)]
        case .set(let atoms): ["set", .array(atoms.map(\.json))]
        case .map(let pairs):
            [
                "map",
                .array(
                    pairs.map { ($0.key.json, $0.value.json) }
                        .sorted { "\($0.0)" < "\($1.0)" }
                        .map { .array([$0.0, $0.1]) }),
            ]
        }
    }

    /// Reads a value; nil for what is none.
    init?(_ json: JSONValue) {
        switch json {
        case .integer(let number): self = .integer(number)
        case .unsigned(let number): self = .real(Double(number))
        case .number(let number): self = .real(number)
        case .bool(let isTrue): self = .boolean(isTrue)
        case .string(let text): self = .string(text)
        case .array(let parts):
            guard parts.count == 2, let word = parts[0].string else { return nil }
            switch word {
            case "uuid":
                guard let text = parts[1].string else { return nil }
                self = .uuid(text)
            case "set":
                guard let elements = parts[1].array else { return nil }
                let atoms = elements.compactMap { Value($0) }
                guard atoms.count == elements.count else { return nil }
                self = .set(atoms)
            case "map":
                guard let elements = parts[1].array else { return nil }
                var pairs: [Value: Value] = [:]
                for element in elements {
                    guard let pair = element.array, pair.count == 2, let key = Value(pair[0]),
                        let value = Value(pair[1])
                    else { return nil }
                    pairs[key] = value
                }
                self = .map(pairs)
            default: return nil
            }
        case .null, .object: return nil
        }
    }
}
