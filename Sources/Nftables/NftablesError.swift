public import Netlink

/// One request of a transaction, named for errors.
public struct NftablesRequest: Hashable, Sendable, CustomStringConvertible {
    /// `add set`, `delete chain`, ….
    public var act: String
    /// The table it is about; nil for the batch itself.
    public var table: Table?
    /// The name of the chain, set or object.
    public var name: String?

    init(_ act: String, _ table: Table? = nil, _ name: String? = nil) {
        self.act = act
        self.table = table
        self.name = name
    }

    /// `add element: netdev drawbridge senders`.
    public var description: String {
        guard let table else { return act }
        return "\(act): \(table.family) \(table.name)" + (name.map { " \($0)" } ?? "")
    }
}

/// Why a transaction was not carried out; nothing of it was.
public struct NftablesError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The request that the kernel refused first; nil where it refused none (see `cause`).
    public var request: NftablesRequest?
    /// What happened, with the kernel's own text.
    public var cause: NetlinkError

    /// The kernel's errno.
    public var errno: Int32? { cause.errno }

    /// Whether the ruleset was changed by others since the generation that the transaction was made for
    /// (`ERESTART`).
    public var isOutdated: Bool { cause.errno == 85 }

    /// `add element: netdev drawbridge senders: No such file or directory`.
    public var description: String { (request.map { "\($0): " } ?? "") + "\(cause)" }
}
