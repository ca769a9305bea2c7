import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import NetworkTypes

/// An engine that does nothing but remember what it was asked.
actor FakeEngine: Engine {
    private(set) var calls: [String] = []
    private(set) var requests: [VifRequest] = []
    private(set) var invocations: [ScriptInvocation] = []
    private(set) var inodes: [UInt64] = []
    private var known: [VifStatus] = []
    private var up: [NetworkStatus] = []
    private var listeners: [AsyncStream<EventRecord>.Continuation] = []
    private(set) var reloaded: [Configuration] = []
    var scriptReply = ScriptReply(exitCode: 0)
    private var failing: [String: String] = [:]
    private var startGate: AsyncStream<Void>?

    init() {}

    func set(networks: [NetworkStatus], vifs: [VifStatus]) {
        up = networks
        known = vifs
    }

    func set(reply: ScriptReply) { scriptReply = reply }

    /// Answers scripts for the vif with this place in the store with a failure.
    func fail(_ path: String, with message: String) { failing[path] = message }

    /// Keeps the start from ending until the stream does.
    func hold(until gate: AsyncStream<Void>) { startGate = gate }

    func emit(_ record: EventRecord) {
        for listener in listeners { listener.yield(record) }
    }

    var listenerCount: Int { listeners.count }

    func startUp() async throws(DrawbridgeError) {
        calls.append("startUp")
        if let startGate { for await _ in startGate {} }
        calls.append("started")
    }

    func reload(_ configuration: Configuration) async { reloaded.append(configuration) }

    func startNetwork(
        _ network: Network, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        calls.append("start \(network.name) \(network.bridge) \(network.uplink) dryRun=\(dryRun)")
        return Outcome(changed: true, plan: ["create \(network.bridge)"])
    }

    func startNetwork(
        named name: NetworkName, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        calls.append("start \(name) dryRun=\(dryRun)")
        guard name.rawValue != "nosuch" else {
            throw DrawbridgeError(.notFound, "network 'nosuch'", "is not configured", advice: "name another")
        }
        return Outcome(changed: true, plan: ["create \(name)", "port eth0"], warnings: ["watch out"])
    }

    func stopNetwork(
        named name: NetworkName, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        calls.append("stop \(name) dryRun=\(dryRun)")
        return Outcome(changed: true, plan: ["delete \(name)"])
    }

    func attach(
        _ request: VifRequest, namespace: Int32?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        calls.append("attach \(request.id) dryRun=\(dryRun)")
        requests.append(request)
        if let namespace {
            var status = stat()
            inodes.append(fstat(namespace, &status) == 0 ? UInt64(status.st_ino) : 0)
        }
        if !dryRun {
            known.removeAll { $0.request.id == request.id }
            known.append(VifStatus(request: request, state: .connected, device: request.id.description))
        }
        return Outcome(changed: true, plan: ["create \(request.id)"])
    }

    func detach(_ id: VifID, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError) -> Outcome {
        calls.append("detach \(id) dryRun=\(dryRun)")
        if !dryRun { known.removeAll { $0.request.id == id } }
        return Outcome(changed: true, plan: ["delete \(id)"])
    }

    func run(_ invocation: ScriptInvocation, by caller: Caller) async -> ScriptReply {
        invocations.append(invocation)
        if let message = failing[invocation.environment["XENBUS_PATH"] ?? ""] {
            return ScriptReply(exitCode: 1, message: message)
        }
        return scriptReply
    }

    func networks() async throws(DrawbridgeError) -> [NetworkStatus] { up }

    func vifs() async throws(DrawbridgeError) -> [VifStatus] { known }

    func vif(_ id: VifID) async throws(DrawbridgeError) -> VifStatus? { known.first { $0.request.id == id } }

    func events(since sequence: UInt64?) async -> AsyncStream<EventRecord> {
        let (stream, continuation) = AsyncStream.makeStream(of: EventRecord.self)
        listeners.append(continuation)
        return stream
    }

    func shutDown(keepNetwork: Bool, by caller: Caller) async throws(DrawbridgeError) {
        calls.append("shutDown keepNetwork=\(keepNetwork)")
        for listener in listeners { listener.finish() }
    }
}
