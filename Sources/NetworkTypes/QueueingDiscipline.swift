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
