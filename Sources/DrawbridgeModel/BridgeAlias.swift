public import NetworkTypes

extension LinkName {
    /// The bridge meant: `xen-brN`, the spelling of Xen's early manuals, is an alias of `xenbrN`.
    public var bridgeAliasResolved: LinkName {
        let number = rawValue.dropFirst("xen-br".count)
        guard rawValue.hasPrefix("xen-br"), !number.isEmpty,
            number.utf8.allSatisfy({ (48...57).contains($0) })
        else { return self }
        return LinkName("xenbr\(number)") ?? self
    }
}

/// Why a text cannot be a device's name, for people; nil if it can.
public func whyNotLinkName(_ text: String) -> String? {
    if LinkName(text) != nil { return nil }
    if text.isEmpty { return "the name is empty" }
    if text == "." || text == ".." { return "'\(text)' is not a device's name" }
    if text.utf8.count > LinkName.maximumLength {
        return
            "'\(text)' has \(text.utf8.count) octets, a device's name has at most \(LinkName.maximumLength)"
    }
    let bad = text.unicodeScalars.first { LinkName("a\($0)") == nil }
    guard let bad else { return "'\(text)' is not a device's name" }
    let shown = bad.value < 33 || bad.value == 127 ? "character code \(bad.value)" : "'\(bad)'"
    return "a device's name may not hold \(shown)"
}
