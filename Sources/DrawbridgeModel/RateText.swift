/// The grammar of a vif's `rate`: what a domain's file says (`10Mb/s`, `10MB/s@50ms`; xl-network-configuration(5))
/// or what the toolstack stores (`62500,50000`: octets and microseconds).
public enum RateText {
    /// Why the text is not a rate, for people; nil if it is one.
    public static func problem(in text: String) -> String? {
        let stored = text.split(separator: ",", omittingEmptySubsequences: false)
        if stored.count == 2, stored.allSatisfy(isNumber) {
            return stored.allSatisfy { UInt64($0) != nil }
                ? nil : "'\(text)' holds a number that is too large"
        }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.hasSuffix("/s") else {
            return "'\(text)' is not a rate; expected one like 10Mb/s, 250KB/s or 10MB/s@50ms"
        }
        var amount = first.dropLast(2)
        guard let unit = amount.popLast(), unit == "b" || unit == "B" else {
            return "'\(text)' has no unit; expected b/s or B/s, with K, M or G before it"
        }
        if let scale = amount.last, "KMG".contains(scale) { amount.removeLast() }
        guard isNumber(amount), let number = UInt32(amount), number > 0 else {
            return "'\(amount)' in '\(text)' is not a number from 1 to 4294967295"
        }
        guard parts.count == 2 else { return nil }
        var window = parts[1]
        if window.last == "s" {
            window.removeLast()
            if window.last == "m" || window.last == "u" { window.removeLast() }
        }
        guard isNumber(window), let number = UInt32(window), number > 0 else {
            return "'\(parts[1])' in '\(text)' is not an interval like 50ms"
        }
        return nil
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}
