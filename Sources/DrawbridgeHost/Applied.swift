public import DrawbridgeModel

/// What became of a plan.
public struct Applied: Hashable, Sendable {
    /// How many steps took effect. Steps of one send are independent of each other, so after a failure these are
    /// not always the first ones: what is there is told by observing again.
    public var steps = 0
    /// The devices after it, those that were made included.
    public var bindings: Bindings
    /// The first failure, which ended it; nil if every step took effect.
    public var failure: DrawbridgeError?
    /// Which step of the plan failed.
    public var failedStep: Int?
    /// What should be told although it worked: a carrier that did not come, reports that could not be sent.
    public var warnings: [String] = []

    public init(bindings: Bindings) { self.bindings = bindings }

    /// Throws the failure, if there was one.
    public func get() throws(DrawbridgeError) {
        if let failure { throw failure }
    }
}

/// How much was asked of the kernel.
public struct KernelTraffic: Hashable, Sendable {
    /// Messages that change something: netlink requests, sysctl writes and ioctls, refused ones included.
    public var changes = 0
    /// Sends on netlink sockets, each answered before the next.
    public var sends = 0
    /// Dumps and single look-ups.
    public var reads = 0

    public init() {}
}
