import DrawbridgeModel

extension YAMLConfigurationReader {
    /// The kinds of networks by their words in the file.
    static let kinds = ["bridge", "routed", "nat"]

    /// What `kind` and `connect-guests` say; `.some(nil)` for a bridge, nil where it is wrong.
    mutating func routing(_ parts: [String: YAMLNode], _ path: String) -> Routing?? {
        var routing: Routing?
        if let node = parts["kind"] {
            guard let text = scalar(node, "\(path).kind")?.text else { return nil }
            switch text {
            case "bridge": break
            case "routed", "nat":
                routing = Routing()
                routing?.isNAT = text == "nat"
            default:
                findings.add(
                    .error, "\(path).kind", at: node.place, "'\(text)' is not a kind of network",
                    expected: Scalar.list(Self.kinds), suggestion: NearMiss.of(text, among: Self.kinds))
                return nil
            }
        }
        if routing != nil, let node = parts["bridge"] {
            findings.add(
                .error, "\(path).bridge", at: node.place, "a network that is no bridge has none",
                expected: "no bridge, or kind: bridge")
            return nil
        }
        guard let node = parts["connect-guests"] else { return .some(routing) }
        guard routing != nil else {
            findings.add(
                .error, "\(path).connect-guests", at: node.place,
                "the guests of a bridge are connected by it",
                expected: "kind: routed or kind: nat")
            return nil
        }
        guard let scalar = scalar(node, "\(path).connect-guests") else { return nil }
        do { routing?.connectsGuests = try scalar.bool() } catch {
            findings.add(error, "\(path).connect-guests", at: node.place)
            return nil
        }
        return .some(routing)
    }
}
