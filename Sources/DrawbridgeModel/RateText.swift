/// The grammar of a vif's `rate`: what a domain's file says (`10Mb/s`, `10MB/s@50ms`; xl-network-configuration(5))
/// or what the toolstack stores (`62500,50000`: octets and microseconds).
public enum RateText {
    /// The word for no limit; `4294967295,0` in the store.
    public static let unlimited = "unlimited"
    /// What xend stored for no limit.
    public static let storedUnlimited = "4294967295,0"

    /// Why a text is not a rate.
    public struct Problem: Error, Hashable, Sendable {
        /// One line for people, with the text.
        public var message: String
    }

    /// A text that was understood.
    public struct Reading: Hashable, Sendable {
        public var limit: RateLimit
        /// What was understood otherwise than a reader may expect, a line each.
        public var notices: [String] = []
    }

    /// Reads a rate.
    ///
    /// The numbers are from 1 to 4294967295 and, as xl has them, octal with a leading zero; K, M and G are powers of
    /// 1000; an interval without a unit is in seconds.
    public static func read(_ text: String) throws(Problem) -> Reading { try read(text, isOwn: false) }

    /// - Parameter isOwn: Drawbridge wrote it, so that no number is too large.
    static func read(_ text: String, isOwn: Bool) throws(Problem) -> Reading {
        if text == unlimited || text == storedUnlimited { return Reading(limit: .unlimited) }
        if let stored = try readStored(text) { return Reading(limit: .limited(stored)) }
        var reader = RateReader(text: text, largest: isOwn ? .max : UInt64(UInt32.max))
        let rate = try reader.read()
        return Reading(limit: .limited(rate), notices: reader.notices)
    }

    /// Why the text is not a rate, for people; nil if it is one.
    public static func problem(in text: String) -> String? {
        do throws(Problem) {
            _ = try read(text)
            return nil
        } catch {
            return error.message
        }
    }

    /// Octets and microseconds; nil for another form.
    private static func readStored(_ text: String) throws(Problem) -> Rate? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy(isNumber) else { return nil }
        guard let credit = UInt64(parts[0]), let window = UInt32(parts[1]) else {
            throw Problem(message: "'\(text)' holds a number that is too large")
        }
        guard credit > 0, window > 0 else { throw Problem(message: "'\(text)' is a rate of zero") }
        // Rounded up, so that the credit is what was stored.
        let octets = (UInt128(credit) * 1_000_000 + UInt128(window) - 1) / UInt128(window)
        guard let octets = UInt64(exactly: octets),
            let rate = Rate(octetsPerSecond: octets, window: window)
        else { throw Problem(message: "'\(text)' is too large") }
        return rate
    }

    static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }

    /// What xend stored for a text of a domain's file, where whatever it did not understand was no limit: decimal
    /// numbers, an interval with a unit, at most 32 bits of credit and of window.
    public static func storedByXend(_ text: String) -> String {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.hasSuffix("/s") else { return storedUnlimited }
        var amount = first.dropLast(2)
        guard let unit = amount.popLast(), unit == "b" || unit == "B" else { return storedUnlimited }
        let scale = RateReader.takeScale(of: &amount)
        guard isNumber(amount), let number = UInt64(amount) else { return storedUnlimited }
        let octets = UInt128(number) * UInt128(scale) / (unit == "b" ? 8 : 1)
        var window = UInt128(Rate.standardWindow)
        if parts.count == 2 {
            guard parts[1].last == "s" else { return storedUnlimited }
            var digits = parts[1].dropLast()
            let microseconds = RateReader.takeTimeUnit(of: &digits) ?? 1_000_000
            guard isNumber(digits), let number = UInt64(digits) else { return storedUnlimited }
            window = UInt128(number) * UInt128(microseconds)
        }
        let limit = UInt128(UInt32.max)
        guard window <= limit, octets <= UInt128(UInt64.max) else { return storedUnlimited }
        let credit = octets * window / 1_000_000
        guard credit > 0, credit <= limit else { return storedUnlimited }
        return "\(credit),\(window)"
    }
}

/// Reads one text.
private struct RateReader {
    let text: String
    let largest: UInt64
    var notices: [String] = []

    init(text: String, largest: UInt64) {
        self.text = text
        self.largest = largest
    }

    mutating func read() throws(RateText.Problem) -> Rate {
        guard !text.isEmpty else { throw problem("no rate is specified") }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.hasSuffix("/s") else {
            throw problem("'\(text)' is not a rate; expected one like 10Mb/s, 250KB/s or 10MB/s@50ms")
        }
        var amount = first.dropLast(2)
        guard let unit = amount.popLast(), unit == "b" || unit == "B" else {
            throw problem("'\(text)' has no unit; expected b/s or B/s, with K, M or G before it")
        }
        let scale = Self.takeScale(of: &amount)
        if let letter = amount.last, letter.isLetter {
            throw problem("'\(letter)' in '\(text)' is not a known unit; expected K, M or G")
        }
        let number = try number(amount)
        guard let octets = UInt64(exactly: UInt128(number) * UInt128(scale) / (unit == "b" ? 8 : 1)) else {
            throw problem("'\(text)' is too large")
        }
        guard octets > 0 else { throw problem("'\(text)' is less than one octet a second") }
        let window = parts.count == 2 ? try interval(parts[1]) : Rate.standardWindow
        guard let rate = Rate(octetsPerSecond: octets, window: window) else {
            throw problem("'\(text)' is too large: its credit is beyond 64 bits")
        }
        return rate
    }

    private mutating func interval(_ part: Substring) throws(RateText.Problem) -> UInt32 {
        guard !part.isEmpty else {
            throw problem("'\(text)' has an empty interval after '@'; expected one like 50ms")
        }
        var digits = part
        if digits.last == "s" { digits.removeLast() }
        let unit = Self.takeTimeUnit(of: &digits)
        guard RateText.isNumber(digits) else {
            throw problem("'\(part)' in '\(text)' is not an interval; expected one like 50ms, 100us or 1s")
        }
        let number = try number(digits)
        if digits == part {
            notices.append(
                "'@\(part)' in '\(text)' is \(number) seconds, as xl has it; write @\(number)s, or @\(number)us for microseconds"
            )
        }
        guard let window = UInt32(exactly: UInt128(number) * UInt128(unit ?? 1_000_000)) else {
            throw problem("the interval '\(part)' in '\(text)' is too large; at most 4294 seconds")
        }
        return window
    }

    private mutating func number(_ digits: Substring) throws(RateText.Problem) -> UInt64 {
        guard RateText.isNumber(digits) else {
            throw problem("'\(digits)' in '\(text)' is not a number from 1 to 4294967295")
        }
        let isOctal = digits.first == "0" && digits.count > 1
        guard !isOctal || digits.allSatisfy({ $0 != "8" && $0 != "9" }) else {
            throw problem("'\(digits)' in '\(text)' is octal by its leading zero, and holds an 8 or a 9")
        }
        guard let number = UInt64(digits, radix: isOctal ? 8 : 10), number <= largest else {
            throw problem("'\(digits)' in '\(text)' is too large; at most 4294967295")
        }
        guard number > 0 else { throw problem("'\(text)' is zero; expected a number from 1 to 4294967295") }
        if isOctal {
            notices.append("'\(digits)' in '\(text)' is \(number), octal by its leading zero, as xl has it")
        }
        return number
    }

    /// Takes K, M or G off the end; 1 where there is none.
    static func takeScale(of amount: inout Substring) -> UInt64 {
        let scales: [Character: UInt64] = ["K": 1000, "M": 1_000_000, "G": 1_000_000_000]
        guard let letter = amount.last, let scale = scales[letter] else { return 1 }
        amount.removeLast()
        return scale
    }

    /// Takes `m` or `u` off the end and tells it in microseconds; nil where there is none.
    static func takeTimeUnit(of digits: inout Substring) -> UInt64? {
        guard let letter = digits.last, letter == "m" || letter == "u" else { return nil }
        digits.removeLast()
        return letter == "m" ? 1000 : 1
    }

    private func problem(_ message: String) -> RateText.Problem { RateText.Problem(message: message) }
}
