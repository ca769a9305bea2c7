public import Varlink

/// An error of `io.drawbridge`: the thing it is about, the cause, and what to do.
public struct Failure: Error, Hashable, Sendable, Codable {
    /// The name of the error within the interface: `NotFound`.
    public var kind: String
    public var object: String
    public var cause: String
    public var advice: String?

    /// Makes a failure.
    public init(kind: String, object: String, cause: String, advice: String? = nil) {
        self.kind = kind
        self.object = object
        self.cause = cause
        self.advice = advice
    }

    /// The failure as the wire has it.
    public var callError: CallError {
        var parameters: [String: JSONValue] = ["object": .string(object), "cause": .string(cause)]
        if let advice { parameters["advice"] = .string(advice) }
        return CallError("\(API.interface).\(kind)", parameters: .object(parameters))
    }

    /// Reads what the wire has; nil for an error of another interface.
    public init?(_ error: CallError) {
        let prefix = API.interface + "."
        guard error.name.hasPrefix(prefix), let object = error.parameters["object"]?.string,
            let cause = error.parameters["cause"]?.string
        else { return nil }
        self.init(
            kind: String(error.name.dropFirst(prefix.count)), object: object, cause: cause,
            advice: error.parameters["advice"]?.string)
    }
}

extension Failure: CustomStringConvertible {
    /// One line: `object: cause; advice`.
    public var description: String {
        let line = "\(object): \(cause)" + (advice.map { "; \($0)" } ?? "")
        return String(line.map { $0.isNewline ? " " : $0 })
    }
}
