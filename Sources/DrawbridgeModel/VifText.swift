/// A vif as one entry of a domain's file describes it: `mac=00:16:3e:5e:6c:00,bridge=xenbr0,ip=10.0.0.5`.
///
/// The grammar of xm and xl (xl-network-configuration(5)): items with commas between, each a key and a value, blanks
/// around them without meaning. An empty text is a vif with defaults.
public struct VifText: Hashable, Sendable {
    /// What has a meaning here.
    private static let known: Set<String> = ["mac", "bridge", "ip", "vifname", "rate", "mtu", "vlan"]
    /// What xm or xl knows and what has none here: the daemon is what connects the vif, and no hypervisor is asked.
    private static let foreign: Set<String> = [
        "backend", "script", "type", "model", "accel", "policy", "label", "gatewaydev", "netdev", "devid",
        "trusted", "gw", "colo_forwarded",
    ]

    /// Every key that has a meaning with its value; of several with one key the last one.
    public private(set) var values: [String: String] = [:]
    /// What was accepted without having a meaning, a line each.
    public private(set) var notices: [String] = []

    /// Reads a text.
    ///
    /// - Throws: `invalidArgument` for an item that is no pair and for a key that is none, with xm's words.
    public init(_ text: String) throws(DrawbridgeError) {
        func trimmed(_ part: Substring) -> String {
            let blanks: (Character) -> Bool = { $0.isWhitespace }
            return String(part.drop(while: blanks).reversed().drop(while: blanks).reversed())
        }
        guard !trimmed(text[...]).isEmpty else { return }
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = item.firstIndex(of: "=") else {
                throw DrawbridgeError(
                    .invalidArgument, "vif",
                    "\(trimmed(item)) should be a pair, separated by an equals sign.")
            }
            let (key, value) = (trimmed(item[..<equals]), trimmed(item[item.index(after: equals)...]))
            if Self.known.contains(key) {
                values[key] = value
            } else if Self.foreign.contains(key) {
                notices.append("'\(key)=\(value)' has no meaning here; ignored")
            } else {
                throw DrawbridgeError(.invalidArgument, "vif", "Invalid vif option: \(key)")
            }
        }
    }

    /// The value of a key; nil where it is not there or empty.
    public subscript(_ key: String) -> String? { values[key].flatMap { $0.isEmpty ? nil : $0 } }

    /// The MTU, where one is told.
    ///
    /// - Throws: `invalidArgument` for what is no number.
    public var mtu: UInt32? {
        get throws(DrawbridgeError) {
            guard let text = self["mtu"] else { return nil }
            guard text.utf8.allSatisfy({ (48...57).contains($0) }), let mtu = UInt32(text) else {
                throw DrawbridgeError(.invalidArgument, "vif: mtu", "'\(text)' is not a number")
            }
            return mtu
        }
    }
}
