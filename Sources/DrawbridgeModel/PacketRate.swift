/// How many frames a guest may send or receive: frames a second, and the window in which its credit is given anew.
///
/// A frame is what the host's network stack hands over at once: one that the sender leaves to be cut into segments
/// counts as one.
public struct PacketRate: Hashable, Sendable {
    /// The largest rate: beyond it the kernel's limits, which count whole nanoseconds a frame, are not kept.
    public static let largest: UInt32 = 10_000_000

    /// Frames a second, from 1 to ``largest``.
    public let perSecond: UInt32
    /// The window in microseconds, at least 1.
    public let window: UInt32

    /// Makes a rate; nil for one of no frames or of no window, or beyond what the kernel counts.
    public init?(perSecond: UInt32, window: UInt32 = Rate.standardWindow) {
        guard (1...Self.largest).contains(perSecond), window > 0 else { return nil }
        self.perSecond = perSecond
        self.window = window
    }

    /// Makes the rate that has this credit, as far as a window tells it; nil where no rate does.
    public init?(perSecond: UInt32, credit: UInt32) {
        guard perSecond > 0 else { return nil }
        let window = (UInt64(credit) * 1_000_000 + UInt64(perSecond) - 1) / UInt64(perSecond)
        self.init(perSecond: perSecond, window: UInt32(clamping: window))
    }

    /// How many may come at once: those of one window, but at least one.
    public var credit: UInt32 {
        UInt32(clamping: max(1, UInt64(perSecond) * UInt64(window) / 1_000_000))
    }
}

extension PacketRate: CustomStringConvertible {
    /// The shortest way to write it: `10K/s`, `500/s@20ms`.
    public var description: String {
        let amount = Rate.scaled(UInt64(perSecond), ["", "K", "M"]) + "/s"
        guard window != Rate.standardWindow else { return amount }
        return "\(amount)@\(Rate.scaled(UInt64(window), ["u", "m", ""]))s"
    }
}

/// What is said of the frames of one direction of a vif.
public enum PacketLimit: Hashable, Sendable {
    /// Nothing holds them back.
    case unlimited
    /// At most this.
    case limited(PacketRate)

    /// The rate, where there is one.
    public var rate: PacketRate? {
        if case .limited(let rate) = self { rate } else { nil }
    }

    /// Why a text is not a limit.
    public struct Problem: Error, Hashable, Sendable {
        /// One line for people, with the text.
        public var message: String
    }

    /// Reads `<number>[K|M]/s[@<number>[u|m]s]`, or `unlimited`: decimal numbers, powers of 1000.
    public init(reading text: String) throws(Problem) {
        guard text != RateText.unlimited else {
            self = .unlimited
            return
        }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.hasSuffix("/s") else {
            throw Problem(
                message: "'\(text)' is not a number of packets a second; expected one like 1000/s, 10K/s")
        }
        var amount = first.dropLast(2)
        let scale: UInt64
        switch amount.last {
        case "K": scale = 1000
        case "M": scale = 1_000_000
        default: scale = 1
        }
        if scale > 1 { amount.removeLast() }
        let (perSecond, isTooLarge) = try Self.number(amount, in: text).multipliedReportingOverflow(by: scale)
        guard !isTooLarge, perSecond <= PacketRate.largest else {
            throw Problem(message: "'\(text)' is too large; at most \(PacketRate.largest)/s")
        }
        var window = UInt64(Rate.standardWindow)
        if parts.count == 2 { window = try Self.window(parts[1], in: text) }
        guard let window = UInt32(exactly: window),
            let rate = PacketRate(perSecond: UInt32(perSecond), window: window)
        else { throw Problem(message: "the interval in '\(text)' is too large; at most 4294 seconds") }
        self = .limited(rate)
    }

    private static func window(_ part: Substring, in text: String) throws(Problem) -> UInt64 {
        guard part.last == "s" else {
            throw Problem(
                message: "'\(part)' in '\(text)' is not an interval; expected one like 50ms, 100us or 1s")
        }
        var digits = part.dropLast()
        var unit: UInt64 = 1_000_000
        if digits.last == "m" { unit = 1000 }
        if digits.last == "u" { unit = 1 }
        if unit < 1_000_000 { digits.removeLast() }
        let (window, isTooLarge) = try number(digits, in: text).multipliedReportingOverflow(by: unit)
        return isTooLarge ? .max : window
    }

    private static func number(_ digits: Substring, in text: String) throws(Problem) -> UInt64 {
        guard RateText.isNumber(digits), digits == "0" || digits.first != "0" else {
            throw Problem(message: "'\(digits)' in '\(text)' is not a number")
        }
        guard let number = UInt64(digits) else {
            throw Problem(message: "'\(digits)' in '\(text)' is too large")
        }
        guard number > 0 else { throw Problem(message: "'\(text)' is zero") }
        return number
    }
}

extension PacketLimit: CustomStringConvertible {
    /// `10K/s`, or `unlimited`.
    public var description: String { rate.map { "\($0)" } ?? RateText.unlimited }
}

extension PacketLimit: Codable {
    /// Reads its description.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(Problem) {
            self = try PacketLimit(reading: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message)
        }
    }

    /// Writes its description.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension PacketRate: Codable {
    /// Reads its description.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let rate = try container.decode(PacketLimit.self).rate else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "there is no limit")
        }
        self = rate
    }

    /// Writes its description.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
