/// The failure of a call, as it is told to the caller: the error's qualified name and its parameters.
public struct CallError: Error, Hashable, Sendable {
    /// The interface and the error: `org.varlink.service.MethodNotFound`.
    public var name: String
    /// An object.
    public var parameters: JSONValue

    /// Makes an error.
    public init(_ name: String, parameters: JSONValue = [:]) {
        self.name = name
        self.parameters = parameters
    }

    /// No such interface is served here.
    public static func interfaceNotFound(_ interface: String) -> CallError {
        CallError("org.varlink.service.InterfaceNotFound", parameters: ["interface": .string(interface)])
    }

    /// The interface has no such method.
    public static func methodNotFound(_ method: String) -> CallError {
        CallError("org.varlink.service.MethodNotFound", parameters: ["method": .string(method)])
    }

    /// The interface has the method, but this service does not.
    public static func methodNotImplemented(_ method: String) -> CallError {
        CallError("org.varlink.service.MethodNotImplemented", parameters: ["method": .string(method)])
    }

    /// A parameter is missing, unknown or malformed.
    public static func invalidParameter(_ parameter: String) -> CallError {
        CallError("org.varlink.service.InvalidParameter", parameters: ["parameter": .string(parameter)])
    }

    /// The method answers with a stream, and the call did not say `more`.
    public static let expectedMore = CallError("org.varlink.service.ExpectedMore")
}

extension CallError: CustomStringConvertible {
    /// The name and the parameters.
    public var description: String { "\(name) \(parameters)" }
}
