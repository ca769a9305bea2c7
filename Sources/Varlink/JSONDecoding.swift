// From JSON values to types, without a text in between.

extension JSONValue {
    /// Reads a value of a type. Members that the type does not know are passed over, null is as good as absent.
    ///
    /// - Throws: `DecodingError` with the path of what is missing or malformed, and what the type itself throws.
    public func decoded<Value: Decodable>(as type: Value.Type) throws -> Value {
        try Value(from: ValueDecoder(value: self, path: Path()))
    }
}

private struct ValueDecoder: Decoder {
    let value: JSONValue
    let path: Path

    var codingPath: [any CodingKey] { path.keys }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .object(let members) = value else { throw mismatch([String: Any].self, "an object") }
        return KeyedDecodingContainer(KeyedDecoder(members: members, path: path))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .array(let elements) = value else { throw mismatch([Any].self, "an array") }
        return UnkeyedDecoder(elements: elements, path: path)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { SingleDecoder(decoder: self) }

    private func mismatch(_ type: Any.Type, _ expected: String) -> DecodingError {
        value.isNull
            ? .valueNotFound(type, .init(codingPath: codingPath, debugDescription: "null, not \(expected)"))
            : .typeMismatch(type, .init(codingPath: codingPath, debugDescription: "not \(expected)"))
    }
}

extension JSONValue {
    fileprivate var isNull: Bool { if case .null = self { true } else { false } }

    fileprivate func bool(_ path: () -> [any CodingKey]) throws -> Bool {
        guard case .bool(let value) = self else { throw mismatch(Bool.self, path()) }
        return value
    }

    fileprivate func string(_ path: () -> [any CodingKey]) throws -> String {
        guard case .string(let text) = self else { throw mismatch(String.self, path()) }
        return text
    }

    fileprivate func double(_ path: () -> [any CodingKey]) throws -> Double {
        switch self {
        case .integer(let value): return Double(value)
        case .unsigned(let value): return Double(value)
        case .number(let value): return value
        default: throw mismatch(Double.self, path())
        }
    }

    fileprivate func integer<Value: FixedWidthInteger>(
        _ path: () -> [any CodingKey]
    ) throws -> Value {
        let number: Value?
        switch self {
        case .integer(let value): number = Value(exactly: value)
        case .unsigned(let value): number = Value(exactly: value)
        case .number(let value): number = Value(exactly: value)
        default: throw mismatch(Value.self, path())
        }
        guard let number else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: path(), debugDescription: "a number that does not fit"))
        }
        return number
    }

    private func mismatch(_ type: Any.Type, _ path: [any CodingKey]) -> DecodingError {
        isNull
            ? .valueNotFound(type, .init(codingPath: path, debugDescription: "null, not a \(type)"))
            : .typeMismatch(type, .init(codingPath: path, debugDescription: "not a \(type)"))
    }
}

private struct KeyedDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let members: [String: JSONValue]
    let path: Path

    var codingPath: [any CodingKey] { path.keys }
    var allKeys: [Key] { members.keys.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }
    func decodeNil(forKey key: Key) throws -> Bool { try value(key).isNull }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
        try value(key).bool { codingPath + [key] }
    }
    func decode(_ type: String.Type, forKey key: Key) throws -> String {
        try value(key).string { codingPath + [key] }
    }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double {
        try value(key).double { codingPath + [key] }
    }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float {
        Float(try value(key).double { codingPath + [key] })
    }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try integer(key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try integer(key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try integer(key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try integer(key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try integer(key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try integer(key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try integer(key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try integer(key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try integer(key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try integer(key) }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try Value(from: decoder(key))
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try decoder(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try decoder(key).unkeyedContainer()
    }

    func superDecoder() -> any Decoder {
        ValueDecoder(value: members[SuperKey().stringValue] ?? .null, path: path.appending(SuperKey()))
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }

    private func decoder(_ key: Key) throws -> ValueDecoder {
        ValueDecoder(value: try value(key), path: path.appending(key))
    }

    private func integer<Value: FixedWidthInteger>(_ key: Key) throws -> Value {
        try value(key).integer { codingPath + [key] }
    }

    private func value(_ key: Key) throws -> JSONValue {
        guard let value = members[key.stringValue] else {
            throw DecodingError.keyNotFound(
                key, .init(codingPath: codingPath, debugDescription: "'\(key.stringValue)' is missing"))
        }
        return value
    }
}

private struct UnkeyedDecoder: UnkeyedDecodingContainer {
    let elements: [JSONValue]
    let path: Path
    private(set) var currentIndex = 0

    init(elements: [JSONValue], path: Path) {
        self.elements = elements
        self.path = path
    }

    var codingPath: [any CodingKey] { path.keys }
    var count: Int? { elements.count }
    var isAtEnd: Bool { currentIndex >= elements.count }

    mutating func decodeNil() throws -> Bool {
        guard try current(Never.self).isNull else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try next(type) { try $0.bool($1) } }
    mutating func decode(_ type: String.Type) throws -> String { try next(type) { try $0.string($1) } }
    mutating func decode(_ type: Double.Type) throws -> Double { try next(type) { try $0.double($1) } }
    mutating func decode(_ type: Float.Type) throws -> Float { try next(type) { Float(try $0.double($1)) } }
    mutating func decode(_ type: Int.Type) throws -> Int { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next(type) { try $0.integer($1) } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next(type) { try $0.integer($1) } }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let value = try Value(from: decoder(type))
        currentIndex += 1
        return value
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        let container = try decoder(type).container(keyedBy: type)
        currentIndex += 1
        return container
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let container = try decoder([Any].self).unkeyedContainer()
        currentIndex += 1
        return container
    }

    mutating func superDecoder() throws -> any Decoder {
        let decoder = try decoder(Any.self)
        currentIndex += 1
        return decoder
    }

    private var elementPath: [any CodingKey] { codingPath + [ElementKey(currentIndex)] }

    private func decoder(_ type: Any.Type) throws -> ValueDecoder {
        ValueDecoder(value: try current(type), path: path.appending(ElementKey(currentIndex)))
    }

    private func current(_ type: Any.Type) throws -> JSONValue {
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                type, .init(codingPath: elementPath, debugDescription: "the array is shorter"))
        }
        return elements[currentIndex]
    }

    private mutating func next<Value>(
        _ type: Value.Type, _ read: (JSONValue, () -> [any CodingKey]) throws -> Value
    ) throws -> Value {
        let value = try read(try current(type)) { elementPath }
        currentIndex += 1
        return value
    }
}

private struct SingleDecoder: SingleValueDecodingContainer {
    let decoder: ValueDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool { decoder.value.isNull }
    func decode(_ type: Bool.Type) throws -> Bool { try decoder.value.bool { codingPath } }
    func decode(_ type: String.Type) throws -> String { try decoder.value.string { codingPath } }
    func decode(_ type: Double.Type) throws -> Double { try decoder.value.double { codingPath } }
    func decode(_ type: Float.Type) throws -> Float { Float(try decoder.value.double { codingPath }) }
    func decode(_ type: Int.Type) throws -> Int { try decoder.value.integer { codingPath } }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.value.integer { codingPath } }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.value.integer { codingPath } }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.value.integer { codingPath } }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.value.integer { codingPath } }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.value.integer { codingPath } }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.value.integer { codingPath } }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.value.integer { codingPath } }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.value.integer { codingPath } }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.value.integer { codingPath } }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try Value(from: decoder) }
}
