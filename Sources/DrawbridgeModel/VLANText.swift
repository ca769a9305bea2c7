public import NetworkTypes

/// The VLANs of a vif as people write them, and as Xen's store has them.
public enum VLANText {
    /// What a text of people's may be.
    public static let expected =
        "a VLAN like 10, or 10:20:30-40 with those whose tags the guest sends and sees"

    /// Reads `10` (what the guest sends without a tag is in VLAN 10), `10:20:30-40` (and it sends and sees the tags of the
    /// others) and `:20:30` (nothing without a tag); nil for anything else.
    public static func read(_ text: some StringProtocol) -> PortVLANs? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let first = parts.first, !(first.isEmpty && parts.count == 1) else { return nil }
        var untagged: UInt16?
        if !first.isEmpty {
            guard let number = number(first) else { return nil }
            untagged = number
        }
        var tagged: [UInt16] = []
        for part in parts.dropFirst() {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count <= 2, let from = number(ends[0]), let to = number(ends[ends.count - 1]),
                from <= to
            else { return nil }
            tagged += from...to
        }
        guard !tagged.contains(where: { $0 == untagged }) else { return nil }
        return PortVLANs(untagged: untagged, tagged: tagged)
    }

    /// Reads the key `vlan` of Xen's store, as xl 4.19 and later write it: `10p/20/30-40/100+10x3`, where `p` marks the
    /// one of what has no tag, `u` one that leaves without; nil for anything else.
    ///
    /// What leaves without a tag and does not come without one, a bridge's port of Drawbridge's is not: `u` counts where
    /// it says the same as `p`.
    public static func readXen(_ text: some StringProtocol) -> PortVLANs? {
        var untagged: UInt16?
        var (tagged, leaving): ([UInt16], [UInt16]) = ([], [])
        for item in text.split(separator: "/", omittingEmptySubsequences: false) {
            var item = item[...]
            let mark = item.last.flatMap { $0 == "p" || $0 == "u" ? $0 : nil }
            if mark != nil { item = item.dropLast() }
            guard let vlans = series(item) else { return nil }
            switch mark {
            case "p":
                guard vlans.count == 1, untagged == nil else { return nil }
                untagged = vlans.first
            case "u": leaving += vlans
            default: tagged += vlans
            }
        }
        guard leaving.allSatisfy({ $0 == untagged }), untagged != nil || !tagged.isEmpty else { return nil }
        return PortVLANs(untagged: untagged, tagged: tagged)
    }

    /// `20`, `20-30` or `20+10x3`, which is 20, 30 and 40.
    private static func series(_ text: some StringProtocol) -> [UInt16]? {
        if let plus = text.firstIndex(of: "+") {
            let steps = text[text.index(after: plus)...].split(
                separator: "x", omittingEmptySubsequences: false)
            guard steps.count == 2, let from = number(text[..<plus]), let step = number(steps[0]),
                let count = number(steps[1]), PortVLANs.numbers.contains(from),
                Int(from) + (Int(count) - 1) * Int(step) <= Int(PortVLANs.numbers.upperBound)
            else { return nil }
            return (0..<count).map { from + $0 * step }
        }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = ends.first, let from = number(first),
            let to = number(ends[ends.count - 1]), from <= to
        else { return nil }
        return Array(from...to)
    }

    private static func number(_ text: some StringProtocol) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(text),
            PortVLANs.numbers.contains(number)
        else { return nil }
        return number
    }
}

extension PortVLANs {
    /// The text that ``VLANText/read(_:)`` reads.
    public var text: String { (untagged.map(String.init) ?? "") + tagged.map { ":\($0)" }.joined() }
}
