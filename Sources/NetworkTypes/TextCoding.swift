/// How the value types are stored: each as the text a person would write.
extension CustomStringConvertible {
    func encodeDescription(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    static func parse(from decoder: any Decoder, _ parse: (String) -> Self?) throws -> Self {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = parse(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text)' is not a \(Self.self)")
        }
        return value
    }
}
