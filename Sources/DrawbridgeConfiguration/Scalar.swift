import DrawbridgeModel
import NetworkTypes

/// Why a value is not of the type that its key wants.
struct ScalarProblem: Error, Hashable {
    var message: String
    var expected: String?
    var suggestion: String?
}

/// A single value of either format.
struct Scalar {
    var text: String
    /// Whether it stood in quotes; in YAML only what has none can be a number or a boolean.
    var isQuoted: Bool
    var format: ConfigurationFormat
    /// The key, as xend's error texts name it.
    var key: String

    func bool() throws(ScalarProblem) -> Bool {
        let word = text.lowercased()
        switch format {
        case .sxp:
            switch word {
            case "yes", "y", "1", "on", "true", "t": return true
            case "no", "n", "0", "off", "false", "f": return false
            default: throw ScalarProblem(message: "invalid xend config \(key): expected bool: \(text)")
            }
        case .yaml:
            switch isQuoted ? "" : word {
            case "yes", "on", "true": return true
            case "no", "off", "false": return false
            default: throw ScalarProblem(message: "\(shown) is not a boolean", expected: "yes or no")
            }
        }
    }

    func number(in range: ClosedRange<UInt32>) throws(ScalarProblem) -> UInt32 {
        var digits = text[...]
        if format == .sxp {
            // What Python's int() takes.
            digits = digits.drop { $0 == " " }
            while digits.last == " " { digits.removeLast() }
            if digits.first == "+" { digits.removeFirst() }
        }
        let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
        let expected = "a number from \(range.lowerBound) to \(range.upperBound)"
        guard isNumber, format == .sxp || !isQuoted else {
            let message =
                format == .sxp
                ? "invalid xend config \(key): expected int: \(text)" : "\(shown) is not a number"
            throw ScalarProblem(message: message, expected: format == .sxp ? nil : expected)
        }
        guard let number = UInt32(digits), range.contains(number) else {
            throw ScalarProblem(message: "\(digits) is out of range", expected: expected)
        }
        return number
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) throws(ScalarProblem) -> Choice where Choice.RawValue == String {
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        throw ScalarProblem(
            message: "\(shown) is not known here", expected: Self.list(words),
            suggestion: NearMiss.of(text, among: words))
    }

    /// A limit.
    func rateLimit() throws(ScalarProblem) -> RateLimit {
        do throws(RateText.Problem) { return try RateText.read(text).limit } catch {
            throw ScalarProblem(
                message: error.message, expected: "a rate like 10Mb/s or 1MB/s@20ms, or unlimited")
        }
    }

    /// VLANs of a bridge's port.
    func vlans() throws(ScalarProblem) -> PortVLANs {
        guard let vlans = VLANText.read(text) else {
            throw ScalarProblem(message: "\(shown) is no VLAN", expected: VLANText.expected)
        }
        return vlans
    }

    /// What of a rate is understood as xl understands it, and perhaps not as it was meant.
    var rateNotices: [String] { (try? RateText.read(text).notices) ?? [] }

    /// A limit of packets.
    func packetLimit() throws(ScalarProblem) -> PacketLimit {
        do throws(PacketLimit.Problem) { return try PacketLimit(reading: text) } catch {
            throw ScalarProblem(
                message: error.message, expected: "packets a second like 10K/s or 500/s@20ms, or unlimited")
        }
    }

    /// Names of groups with blanks between; empty for `none`.
    func groupNames() throws(ScalarProblem) -> [GroupName] {
        if text == "none" { return [] }
        let expected = "names of groups with blanks between, or none"
        guard !isReservedWord else {
            throw ScalarProblem(
                message: "\(text.isEmpty ? "nothing" : shown) is no group", expected: expected)
        }
        var names: [GroupName] = []
        for word in text.split(separator: " ") {
            guard let name = GroupName(word), name.rawValue != "none" else {
                throw ScalarProblem(message: "'\(word)' is no group's name", expected: expected)
            }
            guard !names.contains(name) else {
                throw ScalarProblem(message: "'\(word)' is there twice", expected: expected)
            }
            names.append(name)
        }
        return names
    }

    /// A device's name.
    func linkName() throws(ScalarProblem) -> LinkName {
        if isReservedWord {
            throw ScalarProblem(
                message: "\(text.isEmpty ? "nothing" : shown) is not a name in YAML",
                expected: "a device's name, in quotes if it is a word like this")
        }
        guard let name = LinkName(text) else {
            throw ScalarProblem(
                message: whyNotLinkName(text) ?? "'\(text)' is not a device's name",
                expected: "a device's name")
        }
        return name
    }

    /// Whether YAML takes the word for a boolean or for nothing, not for a text.
    var isReservedWord: Bool {
        format == .yaml && !isQuoted && Self.reservedWords.contains(text.lowercased())
    }

    static let reservedWords: Set<String> = [
        "", "~", "null", "y", "n", "yes", "no", "true", "false", "on", "off",
    ]

    private var shown: String { isQuoted && format == .yaml ? "the text \"\(text)\"" : "'\(text)'" }

    /// `a, b or c`.
    static func list(_ words: [String]) -> String {
        guard words.count > 1, let last = words.last else { return words.joined() }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }
}
