/// A method call as it crosses the wire.
public struct Call: Hashable, Sendable {
    /// The interface and the method: `org.varlink.service.GetInfo`.
    public var method: String
    /// An object.
    public var parameters: JSONValue
    /// Whether several replies are wanted.
    public var more: Bool
    /// Whether no reply is wanted.
    public var oneway: Bool

    /// Makes a call.
    public init(_ method: String, parameters: JSONValue = [:], more: Bool = false, oneway: Bool = false) {
        self.method = method
        self.parameters = parameters
        self.more = more
        self.oneway = oneway
    }

    /// Reads a message.
    public init(parsing message: [UInt8]) throws(MessageError) {
        guard let members = try JSONValue(message: message).object else { throw .notAnObject }
        guard let method = members["method"]?.string, let dot = method.lastIndex(of: "."),
            dot != method.startIndex, method[dot...].count > 1
        else { throw .malformed("method") }
        parameters = members["parameters"] ?? [:]
        if parameters == .null { parameters = [:] }
        guard parameters.object != nil else { throw .malformed("parameters") }
        self.method = method
        more = try Self.flag("more", in: members)
        oneway = try Self.flag("oneway", in: members)
        // A connection can also be handed over to another protocol; nothing here does that.
        guard try !Self.flag("upgrade", in: members) else { throw .malformed("upgrade") }
        guard !(more && oneway) else { throw .malformed("more") }
    }

    private static func flag(_ name: String, in members: [String: JSONValue]) throws(MessageError) -> Bool {
        guard let value = members[name], value != .null else { return false }
        guard let flag = value.bool else { throw .malformed(name) }
        return flag
    }

    /// The interface: all before the last dot.
    public var interface: String { method.lastIndex(of: ".").map { String(method[..<$0]) } ?? "" }

    /// The method's name within its interface: all after the last dot.
    public var name: String { method.lastIndex(of: ".").map { String(method[$0...].dropFirst()) } ?? method }

    /// The message with its NUL.
    public var octets: [UInt8] {
        var members: [String: JSONValue] = ["method": .string(method), "parameters": parameters]
        if more { members["more"] = true }
        if oneway { members["oneway"] = true }
        return JSONValue.object(members).octets + [0]
    }
}

/// A reply as it crosses the wire.
public struct Reply: Hashable, Sendable {
    /// An object.
    public var parameters: JSONValue
    /// Whether more replies to the same call follow.
    public var continues: Bool
    /// The qualified name of the error, where it is one.
    public var error: String?

    /// Makes a reply.
    public init(_ parameters: JSONValue, continues: Bool = false, error: String? = nil) {
        self.parameters = parameters
        self.continues = continues
        self.error = error
    }

    /// Makes a reply that says what went wrong.
    public init(_ error: CallError) {
        self.init(error.parameters, error: error.name)
    }

    /// Reads a message.
    public init(parsing message: [UInt8]) throws(MessageError) {
        let value = try JSONValue(message: message)
        guard value.object != nil else { throw .notAnObject }
        parameters = value["parameters"] ?? [:]
        continues = value["continues"]?.bool ?? false
        error = value["error"]?.string
    }

    /// The message with its NUL.
    public var octets: [UInt8] {
        var members: [String: JSONValue] = ["parameters": parameters]
        if continues { members["continues"] = true }
        if let error { members["error"] = .string(error) }
        return JSONValue.object(members).octets + [0]
    }
}

/// Why a message is neither a call nor a reply.
public enum MessageError: Error, Hashable, Sendable, CustomStringConvertible {
    case notJSON(JSONError)
    case notAnObject
    /// A member that is missing or of the wrong type.
    case malformed(String)

    /// One line for people.
    public var description: String {
        switch self {
        case .notJSON(let error): "not JSON: \(error)"
        case .notAnObject: "not an object"
        case .malformed(let member): "'\(member)' is missing, malformed or not supported"
        }
    }
}

extension JSONValue {
    fileprivate init(message: [UInt8]) throws(MessageError) {
        do throws(JSONError) {
            try self.init(parsing: message)
        } catch {
            throw .notJSON(error)
        }
    }
}
