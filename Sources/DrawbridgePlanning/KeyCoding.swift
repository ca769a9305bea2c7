import DrawbridgeModel
import NetworkTypes

/// Keys of a dictionary are stored as the keys of an object, so that a stored state has one form and can be read
/// by people: `"bridge xenbr0"`, `"ipv4/conf/rp_filter"`.
private struct TextKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension LinkKey: CodingKeyRepresentable {
    public var codingKey: any CodingKey {
        switch self {
        case .uplink(let network): TextKey(stringValue: "uplink \(network)")
        case .bridge(let network): TextKey(stringValue: "bridge \(network)")
        case .vif(let id): TextKey(stringValue: "vif \(id)")
        case .ifb(let id): TextKey(stringValue: "ifb \(id)")
        case .other(let index): TextKey(stringValue: "index \(index)")
        }
    }

    public init?(codingKey: some CodingKey) { self.init(stored: codingKey.stringValue) }

    private init?(stored text: String) {
        let words = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2 else { return nil }
        switch words[0] {
        case "uplink":
            guard let network = LinkName(words[1]) else { return nil }
            self = .uplink(network)
        case "bridge":
            guard let network = LinkName(words[1]) else { return nil }
            self = .bridge(network)
        case "vif":
            guard let id = VifID(words[1]) else { return nil }
            self = .vif(id)
        case "ifb":
            guard let id = VifID(words[1]) else { return nil }
            self = .ifb(id)
        case "index":
            guard let index = Int32(words[1]) else { return nil }
            self = .other(index)
        default: return nil
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let key = LinkKey(stored: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a link")
        }
        self = key
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(codingKey.stringValue)
    }
}

extension SettingKey: CodingKeyRepresentable {
    public var codingKey: any CodingKey { TextKey(stringValue: "\(tree.rawValue)/\(name)") }

    public init?(codingKey: some CodingKey) {
        let text = codingKey.stringValue
        guard let slash = text.lastIndex(of: "/"), let tree = Tree(rawValue: String(text[..<slash])) else {
            return nil
        }
        self.init(tree, String(text[text.index(after: slash)...]))
    }
}
