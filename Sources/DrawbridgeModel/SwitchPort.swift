public import NetworkTypes

/// What a vif is to be at a bridge of Open vSwitch: `name[.tag][:trunk[:trunk…]]`, as Xen's `vif-openvswitch` has it.
public struct SwitchPort: Hashable, Sendable, Codable {
    /// The bridge; nil where nobody named one, which is enough for a vif that goes.
    public var bridge: LinkName?
    /// The VLAN that the guest is in without knowing of it.
    public var tag: UInt16?
    /// The VLANs whose tags the guest sends and sees; with neither these nor a tag it is all of them.
    public var trunks: [UInt16] = []

    /// The greatest number that Open vSwitch takes for a VLAN.
    public static let greatestVLAN: UInt16 = 4095

    /// A port of a bridge that nobody named.
    public init() {}

    /// Reads `ovs0`, `ovs0.5`, `ovs0:6:7` and `ovs0.5:6:7`; nil for everything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let words = (parts.first ?? "").split(separator: ".", omittingEmptySubsequences: false)
        guard let name = words.first.flatMap({ LinkName($0) }), words.count <= 2 else { return nil }
        bridge = name
        if words.count == 2 {
            guard let number = Self.vlan(words[1]) else { return nil }
            tag = number
        }
        for part in parts.dropFirst() {
            guard let number = Self.vlan(part) else { return nil }
            if !trunks.contains(number) { trunks.append(number) }
        }
        trunks.sort()
    }

    private static func vlan(_ text: Substring) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(text),
            number <= greatestVLAN
        else { return nil }
        return number
    }
}

extension SwitchPort: CustomStringConvertible {
    /// The text that it is read from.
    public var description: String {
        (bridge?.rawValue ?? "") + (tag.map { ".\($0)" } ?? "") + trunks.map { ":\($0)" }.joined()
    }
}

extension DrawbridgeError {
    /// No bridge of Open vSwitch was named, or not as one is named. Worded as Xen's script words it.
    public init(noSwitchIn text: String?, of object: String) {
        self.init(
            .invalidArgument, object,
            "No valid bridge was specified" + (text.map { ": '\($0)'" } ?? ""),
            advice: "it is name[.tag][:trunk[:trunk…]], a number being from 0 to \(SwitchPort.greatestVLAN)")
    }
}
