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
    /// Whether what a guest uses counts where its address is learnt, besides what DHCP gives it; nil, as in records of
    /// before, for no.
    public var learnsFromUse: Bool?
    /// How many addresses are learnt of one vif; nil for ``defaultLearnLimit``.
    public var learnLimit: UInt32?

    /// An address of each family that guests are given, one that is temporary, and one more.
    public static let defaultLearnLimit: UInt32 = 4

    /// Held to their addresses, or to their hardware address where no address is told.
    public init() {}
}

/// What a vif may send of which no address is told.
public enum UnaddressedVif: String, Hashable, Sendable, Codable, CaseIterable {
    /// What speaks for its hardware address, and for no address that is somebody else's.
    case macOnly = "mac-only"
    /// Nothing but what asks for an address, until it is given one: that is its own from then on.
    case learn
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
