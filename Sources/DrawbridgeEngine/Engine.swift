public import DrawbridgeHost
public import DrawbridgeModel
public import NetworkTypes

/// The one place where events become changes of the host, one transaction at a time.
public protocol Engine: Actor {
    /// Where what is asked of it is best worked out as well; nil where it makes no difference.
    nonisolated var preferredExecutor: (any TaskExecutor)? { get }

    /// Raises a network: makes its bridge and moves its uplink onto it.
    func startNetwork(_ network: Network, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError)
        -> Outcome

    /// Raises a network that the configuration names.
    func startNetwork(named name: NetworkName, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError)
        -> Outcome

    /// Lowers a network and gives the host its own configuration back.
    func stopNetwork(named name: NetworkName, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError)
        -> Outcome

    /// Connects a vif. `namespace` is the network namespace for the guest's end of a pair.
    func attach(
        _ request: VifRequest, namespace: Int32?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome

    /// Disconnects a vif; what Drawbridge made for it is deleted, what others made is kept.
    func detach(_ id: VifID, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError) -> Outcome

    /// Makes the device of a vif as a tap that is there as long as somebody has its descriptor. It is not connected.
    func makeTap(for id: VifID, hasVirtioHeader: Bool) async throws(DrawbridgeError) -> TapDescriptor

    /// Changes the limits of a vif that is attached, while it goes on.
    func setLimits(
        of id: VifID, _ limits: LimitsChange, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome

    /// Puts a vif that is attached into other VLANs of its bridge, while it goes on.
    func setVLANs(
        of id: VifID, _ vlans: PortVLANs, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome

    /// Takes a vif that is attached to another network, while its guest's link stays.
    ///
    /// - Parameters:
    ///   - network: the network, or the bridge, that it goes to.
    ///   - addresses: the guest's addresses there; nil for those that the network gives, else those that it has.
    func move(
        _ id: VifID, to network: LinkName, addresses: [Prefix]?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome

    /// Handles a script event; failures are told in the reply, as a script would.
    func run(_ invocation: ScriptInvocation, by caller: Caller) async -> ScriptReply

    /// Every network and every vif, as of one look at the host.
    func overview() async throws(DrawbridgeError) -> Overview

    /// Every network that is configured or up.
    func networks() async throws(DrawbridgeError) -> [NetworkStatus]

    /// Every vif that is attached or remembered.
    func vifs() async throws(DrawbridgeError) -> [VifStatus]
    /// One vif with what the filter dropped of it; nil where it is not attached.
    func vif(_ id: VifID) async throws(DrawbridgeError) -> VifStatus?

    /// Every address that was given to a guest of a subnet that is up.
    func addresses() async -> [AddressStatus]

    /// Lets a port of the host's lead to a guest of a subnet, for as long as nobody takes it back.
    func addForward(_ forward: PortForward, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError)
        -> Outcome

    /// Lets a port of the host's be the host's again.
    func removeForward(
        _ transport: TransportProtocol, port: UInt16, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome

    /// Every port that leads to a guest.
    func portForwards() async -> [ForwardStatus]

    /// The event log from now on; with `since` also what is kept of it after that number.
    func events(since sequence: UInt64?) async -> AsyncStream<EventRecord>

    /// How many requests that change something were sent to the kernel so far.
    func kernelChanges() async -> Int

    /// How the filter against spoofing lies in this kernel; nil where there is none.
    func filterLayout() async throws(DrawbridgeError) -> FilterLayout?

    /// Ends the daemon: lowers the networks first unless they are to be kept.
    func shutDown(keepNetwork: Bool, by caller: Caller) async throws(DrawbridgeError)

    /// Finds what an earlier daemon left, adopts or repairs it, runs the network script, raises the networks of
    /// the configuration and attaches the vifs that are remembered. Called once, when the sockets serve already.
    ///
    /// - Throws: only what makes it pointless to go on; a network that does not come up is told in the log.
    func startUp() async throws(DrawbridgeError)

    /// Puts a new configuration in force. Networks that are up stay as they are until they are started again.
    func reload(_ configuration: Configuration) async
}

extension Engine {
    /// An engine without a thread of its own prefers none.
    public nonisolated var preferredExecutor: (any TaskExecutor)? { nil }

    /// An engine without a host looks nowhere.
    public func overview() async throws(DrawbridgeError) -> Overview {
        Overview(networks: try await networks(), vifs: try await vifs())
    }

    /// An engine without memory has nothing to find.
    public func startUp() async throws(DrawbridgeError) {}

    /// An engine without a kernel makes no devices.
    public func makeTap(
        for id: VifID, hasVirtioHeader: Bool
    ) async throws(DrawbridgeError) -> TapDescriptor {
        throw DrawbridgeError(.unsupported, "\(id)", "there is no kernel to make a tap")
    }

    /// An engine without subnets gives no addresses.
    public func addresses() async -> [AddressStatus] { [] }

    /// An engine without subnets leads nowhere.
    public func addForward(
        _ forward: PortForward, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        throw DrawbridgeError(.unsupported, forward.key, "this engine forwards no ports")
    }

    /// An engine without subnets leads nowhere.
    public func removeForward(
        _ transport: TransportProtocol, port: UInt16, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        throw DrawbridgeError(.unsupported, "\(port)", "this engine forwards no ports")
    }

    /// An engine without subnets leads nowhere.
    public func portForwards() async -> [ForwardStatus] { [] }

    /// An engine without a kernel asks nothing of it.
    public func kernelChanges() async -> Int { 0 }

    /// An engine without a kernel filters nothing.
    public func filterLayout() async throws(DrawbridgeError) -> FilterLayout? { nil }

    /// An engine without vifs has none to limit.
    public func setLimits(
        of id: VifID, _ limits: LimitsChange, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        throw DrawbridgeError(.unsupported, "\(id)", "this engine limits no rates")
    }

    /// An engine without bridges knows no VLANs.
    public func setVLANs(
        of id: VifID, _ vlans: PortVLANs, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        throw DrawbridgeError(.unsupported, "\(id)", "this engine knows no VLANs")
    }

    /// An engine without networks moves nothing.
    public func move(
        _ id: VifID, to network: LinkName, addresses: [Prefix]?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        throw DrawbridgeError(.unsupported, "\(id)", "this engine moves no vifs")
    }

    /// An engine without configuration has nothing to put in force.
    public func reload(_ configuration: Configuration) async {}
}
