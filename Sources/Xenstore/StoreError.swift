/// Why the store did not do what was asked.
public enum StoreError: Error, Hashable, Sendable {
    /// The store's own word, an errno's name such as `ENOENT`, and what it was about.
    case refused(code: String, request: String)
    /// Nobody serves the store there, with the kernel's own text.
    case unreachable(place: String, cause: String)
    /// The connection was cut, or given up.
    case disconnected
    /// The store did not answer in time.
    case timeout(seconds: Int)
    /// What was asked for cannot be said in the protocol.
    case invalid(String)
    /// What arrived is not the protocol.
    case malformed(String)
    /// A transaction was in the way of others each time it was tried.
    case contended(attempts: Int)

    /// Whether the store said that there is no such entry.
    public var isMissing: Bool { code == "ENOENT" }

    /// The store's own word, where it gave one.
    public var code: String? { if case .refused(let code, _) = self { code } else { nil } }

    /// Whether another connection may have more luck.
    public var isOfConnection: Bool {
        switch self {
        case .unreachable, .disconnected, .timeout, .malformed: true
        case .refused, .invalid, .contended: false
        }
    }
}

extension StoreError: CustomStringConvertible {
    /// One line, with the cause.
    public var description: String {
        switch self {
        case .refused(let code, let request): "xenstore: \(request): \(code)"
        case .unreachable(let place, let cause): "xenstore: \(place): \(cause)"
        case .disconnected: "xenstore: the connection was cut"
        case .timeout(let seconds): "xenstore: no answer within \(seconds) s"
        case .invalid(let cause): "xenstore: \(cause)"
        case .malformed(let cause): "xenstore: what arrived is not its protocol: \(cause)"
        case .contended(let attempts):
            "xenstore: the transaction was in the way of others \(attempts) times"
        }
    }
}
