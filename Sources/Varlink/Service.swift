import Synchronization

/// A Varlink service on a Unix socket (https://varlink.org).
///
/// One thread waits for all connections; calls are answered in tasks. The calls of one connection are answered
/// one after the other, in their order.
public final class Service: Sendable {
    /// What a client may take of the service before it is dropped.
    public struct Limits: Hashable, Sendable {
        /// How long a connection may be without a call, in milliseconds.
        public var idleTimeout: Int64 = 60_000
        /// How long a client may leave its replies unread, in milliseconds.
        public var writeTimeout: Int64 = 10_000
        /// How many octets of replies may wait for a client that does not read, besides the last reply.
        public var queuedOctets = 4 << 20
        /// How many connections there may be.
        public var connections = 256
        /// How many connections one user other than root may have.
        public var connectionsPerUser = 64

        /// Makes the usual limits.
        public init() {}
    }

    private let information: ServiceInformation
    private let interfaces: [String: Interface]
    private let limits: Limits
    private let mailbox: Mailbox<LoopMessage>
    private let ending = Ending()

    /// Makes a service that serves nothing yet.
    ///
    /// - Throws: the error of eventfd(2), where the process is out of descriptors.
    public init(
        _ information: ServiceInformation, interfaces: [Interface], limits: Limits = Limits()
    ) throws(SocketError) {
        self.information = information
        self.interfaces = Dictionary(interfaces.map { ($0.name, $0) }) { first, _ in first }
        self.limits = limits
        mailbox = try Mailbox()
    }

    /// Begins to serve on a listening socket, on a thread of its own, until `stop`.
    public func start(on listener: consuming OwnedDescriptor) throws(SocketError) {
        let loop = ServiceLoop(
            listener: Listener(listener), mailbox: mailbox, limits: limits,
            answer: { [information, interfaces] call, peer, stream in
                await Self.answer(call, from: peer, stream, information, interfaces)
            })
        ending.begin()
        do throws(SocketError) {
            try startThread(named: "varlink") { [ending] in
                loop.run()
                ending.finish()
            }
        } catch {
            ending.finish()
            throw error
        }
    }

    /// Takes no more calls, lets the replies on their way out for at most a second, and closes everything.
    public func stop() async {
        mailbox.send(.stop)
        await ending.wait()
    }

    private static func answer(
        _ call: Call, from peer: PeerCredentials, _ stream: ReplyStream, _ information: ServiceInformation,
        _ interfaces: [String: Interface]
    ) async -> Reply {
        do throws(CallError) {
            if call.interface == "org.varlink.service" {
                return Reply(try answerService(call, information, interfaces))
            }
            guard let interface = interfaces[call.interface] else {
                throw .interfaceNotFound(call.interface)
            }
            guard interface.methods.contains(call.name) else { throw .methodNotFound(call.method) }
            let incoming = IncomingCall(
                method: call.name, parameters: call.parameters, more: call.more, peer: peer)
            return Reply(try await interface.handler(incoming, stream))
        } catch {
            return Reply(error)
        }
    }

    private static func answerService(
        _ call: Call, _ information: ServiceInformation, _ interfaces: [String: Interface]
    ) throws(CallError) -> JSONValue {
        switch call.name {
        case "GetInfo":
            let names = ["org.varlink.service"] + interfaces.keys.sorted()
            return [
                "vendor": .string(information.vendor), "product": .string(information.product),
                "version": .string(information.version), "url": .string(information.url),
                "interfaces": .array(names.map { .string($0) }),
            ]
        case "GetInterfaceDescription":
            guard let name = call.parameters["interface"]?.string else {
                throw .invalidParameter("interface")
            }
            if name == "org.varlink.service" { return ["description": .string(serviceInterface)] }
            guard let interface = interfaces[name] else { throw .interfaceNotFound(name) }
            return ["description": .string(interface.description)]
        default: throw .methodNotFound(call.method)
        }
    }
}

/// Lets tasks wait for the end of a thread.
private final class Ending: Sendable {
    private struct State {
        var isRunning = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func begin() { state.withLock { $0.isRunning = true } }

    func finish() {
        let waiting = state.withLock { state in
            state.isRunning = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.isRunning { state.waiting.append(continuation) }
                return !state.isRunning
            }
            if isOver { continuation.resume() }
        }
    }
}
