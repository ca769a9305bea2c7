public import Varlink

/// Between the types of the API and the values of the wire.
public enum Coding {
    /// Reads the parameters of a call, strictly: what the type does not know is refused.
    public static func decode<Value: Codable>(
        _ type: Value.Type, from parameters: JSONValue
    ) throws(CallError) -> Value {
        let value: Value
        do {
            value = try parameters.decoded(as: type)
        } catch let error as DecodingError {
            throw .invalidParameter(error.parameter)
        } catch {
            throw .invalidParameter("\(error)")
        }
        // Whatever was understood is there when the value is written again; what is not, was not understood.
        if let unknown = unknownMember(of: parameters, knowing: encode(value), path: "") {
            throw .invalidParameter(unknown)
        }
        return value
    }

    /// Reads the answer of a newer or older service, leniently: what the type does not know is left out.
    public static func decodeAnswer<Value: Decodable>(
        _ type: Value.Type, from parameters: JSONValue
    ) throws(ClientError) -> Value {
        do {
            return try parameters.decoded(as: type)
        } catch let error as DecodingError {
            throw .message(.malformed(error.parameter))
        } catch {
            throw .message(.malformed("parameters"))
        }
    }

    /// Writes a value as the wire has it; absent optionals are left out.
    public static func encode(_ value: some Encodable) -> JSONValue {
        // The types of the API hold only what JSON can say, so that neither of the two can fail.
        (try? JSONValue(encoding: value)) ?? .object([:])
    }

    private static func unknownMember(
        of given: JSONValue, knowing known: JSONValue, path: String
    ) -> String? {
        switch (given, known) {
        case (.object(let given), .object(let known)):
            for (key, value) in given.sorted(by: { $0.key < $1.key }) where value != .null {
                let path = path.isEmpty ? key : "\(path).\(key)"
                guard let member = known[key] else { return path }
                if let unknown = unknownMember(of: value, knowing: member, path: path) { return unknown }
            }
            return nil
        case (.array(let given), .array(let known)):
            return zip(given, known).lazy.compactMap { unknownMember(of: $0, knowing: $1, path: path) }.first
        default: return nil
        }
    }
}

extension DecodingError {
    /// The path of the parameter that was missing or malformed.
    var parameter: String {
        let path: [any CodingKey] =
            switch self {
            case .keyNotFound(let key, let context): context.codingPath + [key]
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                context.codingPath
            @unknown default: []
            }
        guard !path.isEmpty else { return "parameters" }
        return path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
}
