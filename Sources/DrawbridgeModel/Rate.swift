/// How much a guest may send or receive: octets a second, and the window in which its credit is given anew.
///
/// Octets are those of whole Ethernet frames, without preamble and checksum, as netback counts them.
public struct Rate: Hashable, Sendable {
    /// The window where none is said, in microseconds: 50 ms.
    public static let standardWindow: UInt32 = 50_000

    /// Octets a second, at least 1.
    public let octetsPerSecond: UInt64
    /// The window in microseconds, at least 1.
    public let window: UInt32
    /// What may be sent at once: the octets of one window, rounded down.
    public let credit: UInt64

    /// Makes a rate; nil where nothing could be sent, or where the credit is beyond 64 bits.
    public init?(octetsPerSecond: UInt64, window: UInt32 = standardWindow) {
        let credit = UInt128(octetsPerSecond) * UInt128(window) / 1_000_000
        guard octetsPerSecond > 0, window > 0, let credit = UInt64(exactly: credit) else { return nil }
        self.octetsPerSecond = octetsPerSecond
        self.window = window
        self.credit = credit
    }

    /// What a toolstack stores for it and netback reads: the credit in octets and the window in microseconds,
    /// `62500,50000` for 10Mb/s.
    public var stored: String { "\(credit),\(window)" }
}

extension Rate: CustomStringConvertible {
    /// The shortest way to write it: `10Mb/s`, `1MB/s@20ms`.
    public var description: String {
        let (bits, isTooLarge) = octetsPerSecond.multipliedReportingOverflow(by: 8)
        let octets = Self.scaled(octetsPerSecond, ["", "K", "M", "G"]) + "B/s"
        let amount = isTooLarge ? octets : Self.scaled(bits, ["", "K", "M", "G"]) + "b/s"
        guard window != Self.standardWindow else { return amount }
        return "\(amount)@\(Self.scaled(UInt64(window), ["u", "m", ""]))s"
    }

    static func scaled(_ number: UInt64, _ units: [String]) -> String {
        var number = number
        var units = units[...]
        while units.count > 1, number >= 1000, number % 1000 == 0 {
            number /= 1000
            units.removeFirst()
        }
        return "\(number)\(units.first ?? "")"
    }
}

extension Rate: Codable {
    /// Reads its description.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let rate = try container.decode(RateLimit.self).rate else {
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

/// What is said of one direction of a vif.
public enum RateLimit: Hashable, Sendable {
    /// Nothing holds it back.
    case unlimited
    /// At most this.
    case limited(Rate)

    /// The rate, where there is one.
    public var rate: Rate? {
        if case .limited(let rate) = self { rate } else { nil }
    }
}

extension RateLimit: CustomStringConvertible {
    /// `10Mb/s`, or `unlimited`.
    public var description: String { rate.map { "\($0)" } ?? RateText.unlimited }
}

extension RateLimit: Codable {
    /// Reads what ``encode(to:)`` wrote.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(RateText.Problem) {
            self = try RateText.read(text, isOwn: true).limit
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

/// How the limits of a vif are to change; nil leaves one as it is.
public struct LimitsChange: Hashable, Sendable {
    /// Octets from the guest.
    public var rate: RateLimit?
    /// Octets to the guest.
    public var rateIn: RateLimit?
    /// Frames from the guest.
    public var ratePackets: PacketLimit?
    /// Frames to the guest.
    public var rateInPackets: PacketLimit?

    /// Changes nothing.
    public init() {}
}

/// The limits of both directions of a vif.
public struct VifRates: Hashable, Sendable {
    /// From the guest, the `rate` of a domain's file; nil for none.
    public var fromGuest: Rate?
    /// To the guest, `rate-in`; nil for none.
    public var toGuest: Rate?
    /// Frames from the guest, `rate-packets`; nil for no limit.
    public var packetsFromGuest: PacketRate?
    /// Frames to the guest, `rate-in-packets`; nil for no limit.
    public var packetsToGuest: PacketRate?

    /// No limit, unless one is told.
    public init(
        fromGuest: Rate? = nil, toGuest: Rate? = nil, packetsFromGuest: PacketRate? = nil,
        packetsToGuest: PacketRate? = nil
    ) {
        self.fromGuest = fromGuest
        self.toGuest = toGuest
        self.packetsFromGuest = packetsFromGuest
        self.packetsToGuest = packetsToGuest
    }

    /// Whether frames are counted in either direction.
    public var countsPackets: Bool { packetsFromGuest != nil || packetsToGuest != nil }

    /// `rate-packets 10K/s, rate-in-packets unlimited`.
    public var packetText: String {
        "rate-packets \(packetsFromGuest.map { "\($0)" } ?? RateText.unlimited), "
            + "rate-in-packets \(packetsToGuest.map { "\($0)" } ?? RateText.unlimited)"
    }
}

extension VifRates: CustomStringConvertible {
    /// `rate 10Mb/s, rate-in unlimited`, and the limits of frames where there are any.
    public var description: String {
        "rate \(fromGuest.map { "\($0)" } ?? RateText.unlimited), "
            + "rate-in \(toGuest.map { "\($0)" } ?? RateText.unlimited)"
            + (countsPackets ? ", \(packetText)" : "")
    }
}
