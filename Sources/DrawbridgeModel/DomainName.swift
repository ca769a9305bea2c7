/// Names of hosts and domains as DNS and DHCP servers take them (RFC 1123, 2.1).
public enum DomainName {
    /// Whether it is one label, or several with dots between.
    public static func isValid(_ text: some StringProtocol) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isLabel($0) }
    }

    /// Whether it is one label: letters, digits and hyphens, 63 at most, no hyphen at either end.
    public static func isLabel(_ text: some StringProtocol) -> Bool {
        (1...63).contains(text.utf8.count) && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy { octet in
                (97...122).contains(octet | 32) || (48...57).contains(octet) || octet == 45
            }
    }
}
