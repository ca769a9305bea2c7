/// A dictionary that is stored in the order of its keys, so that equal values are stored alike.
///
/// A dictionary whose keys are numbers other than `Int` would be stored in the order of its hashes.
@propertyWrapper
public struct SortedCoding<Key: Hashable & Comparable & Sendable, Value: Hashable & Sendable>: Hashable,
    Sendable
{
    public var wrappedValue: [Key: Value]

    public init(wrappedValue: [Key: Value]) { self.wrappedValue = wrappedValue }
}

extension SortedCoding: Encodable where Key: Encodable, Value: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for (key, value) in wrappedValue.sorted(by: { $0.key < $1.key }) {
            try container.encode(key)
            try container.encode(value)
        }
    }
}

extension SortedCoding: Decodable where Key: Decodable, Value: Decodable {
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        wrappedValue = [:]
        while !container.isAtEnd {
            let key = try container.decode(Key.self)
            guard wrappedValue.updateValue(try container.decode(Value.self), forKey: key) == nil else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(key) occurs twice")
            }
        }
    }
}
