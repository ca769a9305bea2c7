/// Who may do what with an entry: `n0`, `r3`, `w3` or `b3` (docs/misc/xenstore.txt, GET_PERMS).
///
/// The first of an entry's permissions names its owner, and what all others may who are not named.
public struct StorePermission: Hashable, Sendable {
    /// What a domain may do.
    public enum Access: Character, Hashable, Sendable, CaseIterable {
        case none = "n"
        case read = "r"
        case write = "w"
        case both = "b"
    }

    /// What it may do.
    public var access: Access
    /// Which domain.
    public var domain: UInt32

    /// Gives a domain an access.
    public init(_ access: Access, domain: UInt32) {
        self.access = access
        self.domain = domain
    }

    /// Reads `r3`; nil for anything else.
    public init?(_ text: String) {
        guard let first = text.first, let access = Access(rawValue: first),
            let domain = UInt32(text.dropFirst())
        else { return nil }
        self.init(access, domain: domain)
    }
}

extension StorePermission: CustomStringConvertible {
    /// `r3`, as it stands on the wire.
    public var description: String { "\(access.rawValue)\(domain)" }
}
