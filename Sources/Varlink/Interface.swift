/// One interface that a service offers, with what answers its calls.
public struct Interface: Sendable {
    /// Answers a call. The value returned is the last reply, or the only one; before it, a method that streams
    /// sends others through the `ReplyStream`.
    public typealias Handler =
        @Sendable (IncomingCall, ReplyStream) async throws(CallError) -> JSONValue

    /// The qualified name: `org.example.thing`.
    public let name: String
    /// The interface in Varlink's own language, given to whoever asks for it.
    public let description: String
    /// The names of its methods, as the description has them.
    public let methods: Set<String>
    let handler: Handler

    /// Makes an interface from its description; nil if that does not say `interface NAME`.
    public init?(description: String, handler: @escaping Handler) {
        var name: String?
        var methods: Set<String> = []
        for line in description.split(whereSeparator: \.isNewline) {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "(" }
            guard words.count >= 2 else { continue }
            if words[0] == "interface" { name = String(words[1]) }
            if words[0] == "method" { methods.insert(String(words[1])) }
        }
        guard let name else { return nil }
        self.name = name
        self.description = description
        self.methods = methods
        self.handler = handler
    }
}

/// A call as its handler sees it.
public struct IncomingCall: Sendable {
    /// The method's name within its interface.
    public var method: String
    /// An object.
    public var parameters: JSONValue
    /// Whether the caller takes several replies.
    public var more: Bool
    /// Who calls, as it was when the connection was made.
    public var peer: PeerCredentials

    /// Makes a call.
    public init(method: String, parameters: JSONValue, more: Bool, peer: PeerCredentials) {
        self.method = method
        self.parameters = parameters
        self.more = more
        self.peer = peer
    }
}

/// Sends replies that others follow.
///
/// Whoever does not read them is dropped, and the task of the handler is then cancelled.
public struct ReplyStream: Sendable {
    private let post: @Sendable (JSONValue) -> Void

    /// Makes a stream that hands each reply to `post`.
    public init(_ post: @escaping @Sendable (JSONValue) -> Void) { self.post = post }

    /// Sends one reply with `continues`. Never waits.
    public func send(_ parameters: JSONValue) { post(parameters) }
}

/// What `org.varlink.service.GetInfo` tells.
public struct ServiceInformation: Hashable, Sendable {
    public var vendor: String
    public var product: String
    public var version: String
    public var url: String

    /// Makes the information.
    public init(vendor: String, product: String, version: String, url: String) {
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }
}

/// The interface that every service has (https://varlink.org/Service).
let serviceInterface = """
    # The Varlink Service Interface is provided by every varlink service. It
    # describes the service and the interfaces it implements.
    interface org.varlink.service

    # Get a list of all the interfaces a service provides and information
    # about the implementation.
    method GetInfo() -> (
      vendor: string,
      product: string,
      version: string,
      url: string,
      interfaces: []string
    )

    # Get the description of an interface that is implemented by this service.
    method GetInterfaceDescription(interface: string) -> (description: string)

    # The requested interface was not found.
    error InterfaceNotFound (interface: string)

    # The requested method was not found
    error MethodNotFound (method: string)

    # The interface defines the requested method, but the service does not
    # implement it.
    error MethodNotImplemented (method: string)

    # One of the passed parameters is invalid.
    error InvalidParameter (parameter: string)

    # Client is denied access
    error PermissionDenied ()

    # Method is expected to be called with 'more' set to true, but wasn't
    error ExpectedMore ()

    """
