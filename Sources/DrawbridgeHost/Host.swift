public import DrawbridgeModel

/// The host's kernel, as seen from one network namespace: the only place that talks to it.
///
/// Everything happens on one thread that never leaves its namespace. A transaction is one synchronous call of
/// ``transact(_:)``: nothing else of Drawbridge's comes between its observation, its plan and its verification.
public actor Host {
    /// The thread everything runs on; another actor may share it by returning it as its own executor.
    public nonisolated let thread: KernelThread
    private var access: HostAccess

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Opens the host of the calling thread's network namespace, or of the one that `namespace` is a descriptor of.
    ///
    /// - Parameters:
    ///   - namespace: Only borrowed during the call.
    ///   - filterLayout: How the filter against spoofing is to lie in the kernel; nil for the best that it can do.
    /// - Throws: `kernel` where a socket cannot be opened; CAP_NET_ADMIN and CAP_NET_RAW are needed.
    public init(namespace: Int32? = nil, filterLayout: FilterLayout? = nil) throws(DrawbridgeError) {
        let thread = try KernelThread(namespace: namespace)
        let handover = Handover()
        thread.performAndWait { handover.open(filterLayout) }
        do throws(DrawbridgeError) { access = try handover.take() } catch {
            thread.stop()
            throw error
        }
        self.thread = thread
    }

    deinit { thread.stop() }

    /// Runs a transaction: observations and plans in one piece, without suspension.
    public func transact<Value: Sendable>(
        _ body: @Sendable (inout HostAccess) throws(DrawbridgeError) -> Value
    ) throws(DrawbridgeError) -> Value {
        try body(&access)
    }

    /// How much was asked of the kernel so far.
    public func traffic() -> KernelTraffic { access.traffic }

    /// What tells this boot and this namespace from every other.
    public func identity() throws(DrawbridgeError) -> HostIdentity { try access.identity() }
}

/// Carries the open sockets from the thread that opens them to the actor.
///
/// `@unchecked`: it is written on the kernel thread while the creator waits for that, and read by the creator
/// alone afterwards.
private final class Handover: @unchecked Sendable {
    private var access: HostAccess?
    private var failure: DrawbridgeError?

    func open(_ layout: FilterLayout?) {
        do throws(DrawbridgeError) { access = try HostAccess(layout: layout) } catch { failure = error }
    }

    func take() throws(DrawbridgeError) -> sending HostAccess {
        if let failure { throw failure }
        guard let access = access.take() else {
            throw DrawbridgeError(.internal, "kernel thread", "it ended before the host was opened")
        }
        return access
    }
}
