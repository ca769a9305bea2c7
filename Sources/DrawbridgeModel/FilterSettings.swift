/// How the vifs of a network are held to what is theirs. See docs/filter.md.
public struct FilterSettings: Hashable, Sendable, Codable {
    /// Whether they are; `antispoof`, as `network-bridge` names it.
    public var isOn = true
    /// What a vif may send of which no address is told.
    public var withoutAddress: UnaddressedVif = .macOnly
    /// Which link-local address a vif may use.
    public var linkLocal: LinkLocalChoice = .pinned
    /// Whether vifs may send RARP, as machines do after a migration.
    public var allowsRARP = false
    /// Whether what is dropped is told in the kernel's log, at a bounded rate.
    public var logsDrops = false

    /// Held to their addresses, or to their hardware address where no address is told.
    public init() {}
}

/// What a vif may send of which no address is told.
public enum UnaddressedVif: String, Hashable, Sendable, Codable, CaseIterable {
    /// What speaks for its hardware address, and for no address that is somebody else's.
    case macOnly = "mac-only"
    /// Everything.
    case open
    /// Nothing.
    case closed
}

/// Which link-local address a vif may use.
public enum LinkLocalChoice: String, Hashable, Sendable, Codable, CaseIterable {
    /// The one made of its hardware address (RFC 4291, appendix A).
    case eui64
    /// The first one that it uses and that is nobody else's.
    case pinned
}
