/// The VLANs of a port of a bridge that filters by them (`struct bridge_vlan_info`, linux/if_bridge.h).
public struct PortVLANs: Hashable, Sendable, Codable {
    /// The VLAN that frames without a tag are in, and whose frames leave without one; nil where those are dropped.
    public private(set) var untagged: UInt16?
    /// The VLANs whose frames come and go with their tags, in order.
    public private(set) var tagged: [UInt16]

    /// The numbers that a VLAN can have (IEEE 802.1Q).
    public static let numbers: ClosedRange<UInt16> = 1...4094
    /// What the kernel gives every port of a bridge whose default it leaves alone.
    public static let initial = PortVLANs(untagged: 1)

    /// Makes a set of VLANs; one that is untagged is not tagged besides.
    public init(untagged: UInt16? = nil, tagged: some Sequence<UInt16> = []) {
        self.untagged = untagged
        self.tagged = Set(tagged).filter { $0 != untagged }.sorted()
    }

    /// All of them.
    public var all: Set<UInt16> { Set(tagged + [untagged].compactMap(\.self)) }

    /// The same with one more, or one that is tagged otherwise from now on.
    public func adding(_ vlan: UInt16, isUntagged: Bool) -> PortVLANs {
        isUntagged
            ? PortVLANs(untagged: vlan, tagged: tagged + [untagged].compactMap(\.self))
            : PortVLANs(untagged: untagged == vlan ? nil : untagged, tagged: tagged + [vlan])
    }

    /// The same without some.
    public func removing(_ vlans: some Sequence<UInt16>) -> PortVLANs {
        let gone = Set(vlans)
        return PortVLANs(
            untagged: untagged.flatMap { gone.contains($0) ? nil : $0 },
            tagged: tagged.filter { !gone.contains($0) })
    }
}

extension PortVLANs: CustomStringConvertible {
    /// `10 untagged, 20, 30`
    public var description: String {
        let words = [untagged.map { "\($0) untagged" }].compactMap(\.self) + tagged.map(String.init)
        return words.isEmpty ? "none" : words.joined(separator: ", ")
    }
}
