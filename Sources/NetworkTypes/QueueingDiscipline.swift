/// A queueing discipline of a device (linux/pkt_sched.h).
public struct QueueingDiscipline<Device: Hashable & Sendable>: Hashable, Sendable {
    public var device: Device
    /// `major:minor` as one number.
    public var handle: UInt32
    /// The class it hangs on, or `TC_H_ROOT`.
    public var parent: UInt32
    public var kind: Kind

    /// What it is and how it is set.
    public enum Kind: Hashable, Sendable, Codable {
        case tokenBucket(TokenBucket)
        /// Any other by the kernel's name, with its options as they came.
        case other(String, options: [UInt8])

        /// The kernel's name for it.
        public var name: String {
            switch self {
            case .tokenBucket: "tbf"
            case .other(let name, _): name
            }
        }
    }

    /// `tbf`: all quantities in octets and octets a second.
    public struct TokenBucket: Hashable, Sendable, Codable {
        public var rate: UInt64
        public var burst: UInt32
        public var limit: UInt32
        public init(rate: UInt64, burst: UInt32, limit: UInt32) {
            self.rate = rate
            self.burst = burst
            self.limit = limit
        }
    }

    public init(device: Device, handle: UInt32, parent: UInt32, kind: Kind) {
        self.device = device
        self.handle = handle
        self.parent = parent
        self.kind = kind
    }
}

extension QueueingDiscipline: Codable where Device: Codable {}

extension QueueingDiscipline {
    /// The same on another name of its device; nil where that is not known.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> QueueingDiscipline<Other>? {
        guard let device = translate(device) else { return nil }
        let kind: QueueingDiscipline<Other>.Kind =
            switch kind {
            case .tokenBucket(let bucket):
                .tokenBucket(.init(rate: bucket.rate, burst: bucket.burst, limit: bucket.limit))
            case .other(let name, let options): .other(name, options: options)
            }
        return QueueingDiscipline<Other>(device: device, handle: handle, parent: parent, kind: kind)
    }
}

extension QueueingDiscipline.TokenBucket {
    /// Whether the kernel would tell the two as the same: it keeps the burst as the time that it takes to send it,
    /// cut to nanoseconds, and tells 32 bits of it in ticks of 64 ns (net/sched/sch_tbf.c).
    public func isEqual(to other: Self) -> Bool {
        guard rate == other.rate, limit == other.limit else { return false }
        let tick = Double(rate) * 64e-9
        let span = tick * 4_294_967_296
        let distance = abs(Double(burst) - Double(other.burst)).truncatingRemainder(dividingBy: span)
        return min(distance, span - distance) <= 2 * tick + 1
    }
}
