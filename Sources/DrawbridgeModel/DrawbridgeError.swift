/// What went wrong, told so that one line is enough: the object, the cause, and what to do.
public struct DrawbridgeError: Error, Hashable, Sendable, Codable {
    /// What sort of failure it is; programs decide by this and people never see it alone.
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        /// What was asked for is malformed.
        case invalidArgument = "InvalidArgument"
        /// A configuration file is wrong.
        case invalidConfiguration = "InvalidConfiguration"
        /// Something named is not there.
        case notFound = "NotFound"
        /// Something is in the way: a name taken, two networks on one uplink, another daemon.
        case conflict = "Conflict"
        /// The host is in a state in which doing it would be dangerous.
        case unsafe = "Unsafe"
        /// The caller may not do this.
        case permissionDenied = "PermissionDenied"
        /// The kernel said no.
        case kernel = "Kernel"
        /// A program of the administrator's failed.
        case script = "Script"
        /// It took too long.
        case timeout = "Timeout"
        /// It is not built.
        case unsupported = "Unsupported"
        /// The journal cannot be written, or does not belong to this host.
        case journal = "Journal"
        /// A defect of Drawbridge.
        case `internal` = "Internal"
    }

    /// What sort of failure it is.
    public var kind: Kind
    /// The thing it is about: `eth0`, `vif3.1`, `network-bridge`, `/etc/…:3:7`.
    public var object: String
    /// The cause, the kernel's own words included.
    public var cause: String
    /// What to do about it, where that is known.
    public var advice: String?

    /// Makes an error of its object and its cause.
    public init(_ kind: Kind, _ object: String, _ cause: String, advice: String? = nil) {
        self.kind = kind
        self.object = object
        self.cause = cause
        self.advice = advice
    }
}

extension DrawbridgeError: CustomStringConvertible {
    /// One line, whatever the parts hold.
    public var description: String {
        let line = "\(object): \(cause)" + (advice.map { "; \($0)" } ?? "")
        return String(line.map { $0.isNewline ? " " : $0 })
    }
}
