// From types to JSON values, without a text in between.

extension JSONValue {
    /// The value as JSON; absent optionals are left out.
    ///
    /// - Throws: `EncodingError` for what JSON cannot say, such as an infinity, and what the type itself throws.
    public init(encoding value: some Encodable) throws {
        let encoder = ValueEncoder(Path())
        try value.encode(to: encoder)
        self = encoder.value
    }
}

/// Takes in what one value says of itself.
private final class ValueEncoder: Encoder {
    private enum Content {
        case nothing
        case single(JSONValue)
        case object([String: JSONValue])
        case array([JSONValue])
    }

    let path: Path
    private var content = Content.nothing
    /// Containers that were asked for and may still be written to, with their places.
    private var nested: [(key: String?, index: Int, encoder: ValueEncoder)] = []

    init(_ path: Path) { self.path = path }

    var codingPath: [any CodingKey] { path.keys }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// What was said; an empty object where nothing was.
    var value: JSONValue {
        for one in nested {
            if let key = one.key {
                insert(one.encoder.value, key)
            } else {
                replace(one.index, one.encoder.value)
            }
        }
        switch content {
        case .nothing: return .object([:])
        case .single(let value): return value
        case .object(let members): return .object(members)
        case .array(let elements): return .array(elements)
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        beginObject()
        return KeyedEncodingContainer(KeyedEncoder(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        beginArray()
        return UnkeyedEncoder(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { SingleEncoder(encoder: self) }

    // What the containers put here.

    func set(_ value: JSONValue) { content = .single(value) }

    func insert(_ value: JSONValue, _ key: String) {
        guard case .object(var members) = content else { return content = .object([key: value]) }
        // Nobody else holds the members while they change: else they would be copied for each.
        content = .nothing
        members[key] = value
        content = .object(members)
    }

    func append(_ value: JSONValue) {
        guard case .array(var elements) = content else { return content = .array([value]) }
        content = .nothing
        elements.append(value)
        content = .array(elements)
    }

    var count: Int { if case .array(let elements) = content { elements.count } else { 0 } }

    func nest(_ key: any CodingKey) -> ValueEncoder {
        let encoder = ValueEncoder(path.appending(key))
        nested.append((key.stringValue, 0, encoder))
        return encoder
    }

    func nestElement() -> ValueEncoder {
        let encoder = ValueEncoder(path.appending(ElementKey(count)))
        nested.append((nil, count, encoder))
        append(.null)
        return encoder
    }

    /// What a value of a type that says itself what it is comes to.
    func encoded(_ value: some Encodable, at key: any CodingKey) throws -> JSONValue {
        let encoder = ValueEncoder(path.appending(key))
        try value.encode(to: encoder)
        return encoder.value
    }

    private func replace(_ index: Int, _ value: JSONValue) {
        guard case .array(var elements) = content else { return }
        content = .nothing
        elements[index] = value
        content = .array(elements)
    }

    private func beginObject() { if case .nothing = content { content = .object([:]) } }
    private func beginArray() { if case .nothing = content { content = .array([]) } }

    // What JSON knows by itself.

    func json(_ value: some BinaryInteger, _ path: @autoclosure () -> [any CodingKey]) throws -> JSONValue {
        if let integer = Int64(exactly: value) { return .integer(integer) }
        guard let integer = UInt64(exactly: value) else {
            throw EncodingError.invalidValue(
                value, .init(codingPath: path(), debugDescription: "a number that does not fit"))
        }
        return .unsigned(integer)
    }

    func json(_ value: Double, _ path: @autoclosure () -> [any CodingKey]) throws -> JSONValue {
        guard value.isFinite else {
            throw EncodingError.invalidValue(
                value, .init(codingPath: path(), debugDescription: "JSON has no infinities"))
        }
        return .number(value)
    }
}

private struct KeyedEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: ValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }

    func encodeNil(forKey key: Key) { encoder.insert(.null, key.stringValue) }
    func encode(_ value: Bool, forKey key: Key) { encoder.insert(.bool(value), key.stringValue) }
    func encode(_ value: String, forKey key: Key) { encoder.insert(.string(value), key.stringValue) }
    func encode(_ value: Double, forKey key: Key) throws { try number(value, key) }
    func encode(_ value: Float, forKey key: Key) throws { try number(Double(value), key) }
    func encode(_ value: Int, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int8, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int16, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int32, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int64, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt8, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt16, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt32, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt64, forKey key: Key) throws { try integer(value, key) }

    func encode(_ value: some Encodable, forKey key: Key) throws {
        encoder.insert(try encoder.encoded(value, at: key), key.stringValue)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        encoder.nest(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        encoder.nest(key).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { encoder.nest(SuperKey()) }
    func superEncoder(forKey key: Key) -> any Encoder { encoder.nest(key) }

    private func integer(_ value: some BinaryInteger, _ key: Key) throws {
        encoder.insert(try encoder.json(value, codingPath + [key]), key.stringValue)
    }

    private func number(_ value: Double, _ key: Key) throws {
        encoder.insert(try encoder.json(value, codingPath + [key]), key.stringValue)
    }
}

private struct UnkeyedEncoder: UnkeyedEncodingContainer {
    let encoder: ValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.count }

    func encodeNil() { encoder.append(.null) }
    func encode(_ value: Bool) { encoder.append(.bool(value)) }
    func encode(_ value: String) { encoder.append(.string(value)) }
    func encode(_ value: Double) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: Float) throws { encoder.append(try encoder.json(Double(value), codingPath)) }
    func encode(_ value: Int) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: Int8) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: Int16) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: Int32) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: Int64) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt8) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt16) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt32) throws { encoder.append(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt64) throws { encoder.append(try encoder.json(value, codingPath)) }

    func encode(_ value: some Encodable) throws {
        encoder.append(try encoder.encoded(value, at: ElementKey(encoder.count)))
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        encoder.nestElement().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder.nestElement().unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder.nestElement() }
}

private struct SingleEncoder: SingleValueEncodingContainer {
    let encoder: ValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }

    func encodeNil() { encoder.set(.null) }
    func encode(_ value: Bool) { encoder.set(.bool(value)) }
    func encode(_ value: String) { encoder.set(.string(value)) }
    func encode(_ value: Double) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: Float) throws { encoder.set(try encoder.json(Double(value), codingPath)) }
    func encode(_ value: Int) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: Int8) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: Int16) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: Int32) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: Int64) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt8) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt16) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt32) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: UInt64) throws { encoder.set(try encoder.json(value, codingPath)) }
    func encode(_ value: some Encodable) throws { try value.encode(to: encoder) }
}
