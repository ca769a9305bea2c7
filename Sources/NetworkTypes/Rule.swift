/// A policy rule (`ip rule`, linux/fib_rules.h).
public struct Rule: Hashable, Sendable, Codable {
    public var family: AddressFamily
    public var priority: UInt32
    /// The name of the device a packet came in by; it keeps matching that name whatever bears it.
    public var inputName: String?
    /// The name of the device a socket is bound to.
    public var outputName: String?
    public var table: UInt32
    /// Everything else, as it came.
    public var opaque: [OpaqueAttribute] = []

    public init(_ family: AddressFamily, priority: UInt32, table: UInt32) {
        self.family = family
        self.priority = priority
        self.table = table
    }
}
