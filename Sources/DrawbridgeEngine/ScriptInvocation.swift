/// A script event as the hotplug client sends it: what a shell script would have found in `$0`, `$@` and its
/// environment.
public struct ScriptInvocation: Hashable, Sendable {
    /// The name under which the client was called: `vif-bridge`.
    public var script: String
    public var arguments: [String]
    /// Only the documented variables.
    public var environment: [String: String]
    /// What xenstore says of the vif; nil where there is no store.
    public var store: [String: String]?

    public init(
        script: String, arguments: [String], environment: [String: String], store: [String: String]? = nil
    ) {
        self.store = store
        self.script = script
        self.arguments = arguments
        self.environment = environment
    }
}

/// What the client prints and exits with.
public struct ScriptReply: Hashable, Sendable {
    public var exitCode: UInt8
    /// For standard output (`status` prints a page); may be empty.
    public var output: String
    /// One line for standard error; empty where all went well.
    public var message: String

    public init(exitCode: UInt8, output: String = "", message: String = "") {
        self.exitCode = exitCode
        self.output = output
        self.message = message
    }
}
