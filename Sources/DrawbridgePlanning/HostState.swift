public import NetworkTypes

/// What is known or wanted of the host's networking, within the scope of one event.
///
/// The same type is observed, desired and stored: a plan is the difference of two of them.
public struct HostState: Hashable, Sendable, Codable {
    public var links: [LinkKey: Link<LinkKey>] = [:]
    /// The addresses of each link in the kernel's order, which decides who is primary.
    public var addresses: [LinkKey: [Address<LinkKey>]] = [:]
    /// Routes in the kernel's order.
    public var routes: [Route<LinkKey>] = []
    public var nexthops: [UInt32: Nexthop<LinkKey>] = [:]
    public var neighbors: [Neighbor<LinkKey>] = []
    /// Per-interface sysctls, as text without the newline.
    public var settings: [LinkKey: [SettingKey: String]] = [:]
    /// Policy rules: read to find references to the uplink, never changed.
    public var rules: [Rule] = []

    public init() {}
}
