import DrawbridgeAPI
import DrawbridgeConfiguration
public import DrawbridgeEngine
import DrawbridgeHost
public import DrawbridgeModel
import Glibc
public import Logging
import Varlink
import Xenstore

/// The daemon: an engine, the two sockets before it, and a life from start to orderly end.
public actor Daemon {
    /// Makes the engine that the daemon serves.
    public typealias EngineFactory =
        @Sendable (Configuration, DaemonOptions, Logger) async throws(DrawbridgeError) -> any Engine

    private let options: DaemonOptions
    private let environment: [String: String]
    private let makeEngine: EngineFactory
    private let logger: Logger
    private let systemd: Systemd
    private let syslog: Syslog
    private let callers: Callers
    private let sockets: DaemonSockets
    private var configuration: Configuration
    private var configurationFile: String?
    private var engine: (any Engine)?
    private var isReady = false
    private var xenBackend: Task<Void, Never>?
    private let end: AsyncStream<End>
    private let endContinuation: AsyncStream<End>.Continuation

    /// Why the daemon ends.
    private enum End: Sendable {
        case signal(ManagementSignal)
        /// The networks are dealt with already.
        case asked
    }

    /// Reads the configuration, takes the locks in the network namespace of the calling thread, and makes the
    /// sockets, which hold what comes until `run`. Changes nothing of the host's network.
    ///
    /// - Parameters:
    ///   - environment: read for what the service manager tells, and for `XEND_CONFIG`.
    ///   - syslogSocket: where the system's log is.
    ///   - groupFile: where the group is looked up whose members may connect vifs (group(5)).
    public init(
        options: DaemonOptions, environment: [String: String], logger: Logger,
        syslogSocket: String = "/dev/log", groupFile: String = "/etc/group",
        makeEngine: @escaping EngineFactory
    ) throws(DrawbridgeError) {
        self.options = options
        self.environment = environment
        self.logger = logger
        self.makeEngine = makeEngine
        systemd = Systemd(environment: environment)
        syslog = Syslog(path: syslogSocket)
        callers = Callers(groupFile: groupFile)
        let loaded = try Self.load(options, environment)
        for diagnostic in loaded.diagnostics { logger.notice("\(diagnostic)") }
        configuration = loaded.configuration
        configurationFile = loaded.path
        sockets = try DaemonSockets(
            options, Systemd.takeSockets(environment: environment), group: callers.groupIdentifier())
        (end, endContinuation) = AsyncStream.makeStream(of: End.self)
    }

    /// Serves until SIGTERM, SIGINT or a call to end, and ends orderly.
    ///
    /// - Parameter takesSignals: whether the process's signals are this daemon's (see `ManagementSignal.block`).
    public func run(takesSignals: Bool) async throws(DrawbridgeError) {
        defer { sockets.remove() }
        let engine = try await makeEngine(configuration, options, logger)
        self.engine = engine
        let operations = Operations(engine: engine, control: self, callers: callers)
        let direct = DirectService(
            operations: operations, scriptDirectory: options.scriptDirectory, syslog: syslog)
        let service: Service
        let directSocket: DirectSocket
        do throws(SocketError) {
            service = try Service(
                ServiceInformation(
                    vendor: "Drawbridge", product: "drawbridged", version: API.version,
                    url: "file:///usr/share/doc/drawbridge/README.md"),
                interfaces: [APIService(operations: operations).interface()].compactMap(\.self))
            directSocket = try DirectSocket { packet, caller in await direct.answer(packet, from: caller) }
            try service.start(on: sockets.takeStream())
            try directSocket.start(on: sockets.takeSequencedPacket())
            if takesSignals { try forwardSignals() }
        } catch {
            throw DrawbridgeError(.internal, "daemon", error.description)
        }
        logger.info("serving on \(options.socket)")
        let startUp = Task { await self.startUp(engine) }
        let result = await untilEnd(engine)
        startUp.cancel()
        xenBackend?.cancel()
        directSocket.stop()
        await service.stop()
        if let error = result { throw error }
    }

    /// Runs the scripts and raises the networks of the configuration while the sockets serve, and tells then.
    private func startUp(_ engine: any Engine) async {
        do throws(DrawbridgeError) {
            try await engine.startUp()
        } catch {
            logger.error("\(error)")
        }
        guard !Task.isCancelled else { return }
        watchXenVifs()
        isReady = true
        logger.info("ready")
        systemd.tellReady("ready")
    }

    /// Watches Xen's store where the configuration says so, and ends a watch that it does not want any more.
    private func watchXenVifs() {
        xenBackend?.cancel()
        xenBackend = nil
        guard configuration.xenVifs != .scripts, let engine else { return }
        let environment = environment
        let backend = XenBackend(mode: configuration.xenVifs, engine: engine, logger: logger) {
            StoreLocation.find(environment: environment)
        }
        xenBackend = Task { await backend.run() }
    }

    /// Waits for the end; an error is what kept the networks from being lowered.
    private func untilEnd(_ engine: any Engine) async -> DrawbridgeError? {
        for await event in end {
            switch event {
            case .asked: return nil
            case .signal(.reload): await reloadOnSignal()
            case .signal(.stop):
                let keepNetwork = !configuration.stopOnExit
                logger.info("ending\(keepNetwork ? ", the networks stay" : "")")
                systemd.tellStopping(
                    keepNetwork ? "leaving the networks as they are" : "lowering the networks")
                do throws(DrawbridgeError) {
                    try await engine.shutDown(
                        keepNetwork: keepNetwork, by: Caller(process: getpid(), user: 0, group: 0))
                    return nil
                } catch {
                    logger.error("\(error)")
                    return error
                }
            }
        }
        return nil
    }

    private func forwardSignals() throws(SocketError) {
        let signals = try ManagementSignal.stream()
        let continuation = endContinuation
        Task.detached {
            for await signal in signals { continuation.yield(.signal(signal)) }
        }
    }

    private func reloadOnSignal() async {
        systemd.tellReloading()
        do throws(DrawbridgeError) {
            _ = try await reload(dryRun: false)
            logger.info("configuration reloaded")
        } catch {
            logger.error("configuration not reloaded: \(error)")
        }
        if isReady { systemd.tellReady("ready") }
    }

    private static func load(
        _ options: DaemonOptions, _ environment: [String: String]
    ) throws(DrawbridgeError) -> LoadedConfiguration {
        do throws(ConfigurationError) {
            return try ConfigurationLoader.load(path: options.configurationFile, environment: environment)
        } catch {
            throw error.drawbridgeError
        }
    }
}

extension Daemon: DaemonControl {
    func report() async -> DaemonReport {
        let changes = await engine?.kernelChanges() ?? 0
        let layout = try? await engine?.filterLayout()
        var report = DaemonReport(
            version: API.version, process: getpid(), ready: isReady, configurationFile: configurationFile,
            stateDirectory: options.stateDirectory, scriptDirectory: options.scriptDirectory,
            stopOnExit: configuration.stopOnExit, kernelChanges: changes)
        report.filterLayout = layout?.description
        return report
    }

    func vifsPerUser() async -> UInt32 { configuration.vifsPerUser }

    func reload(dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        let loaded = try Self.load(options, environment)
        let outcome = Outcome(
            changed: loaded.configuration != configuration, warnings: loaded.diagnostics.map(\.description))
        guard !dryRun else { return outcome }
        let before = configuration.xenVifs
        configuration = loaded.configuration
        configurationFile = loaded.path
        await engine?.reload(loaded.configuration)
        if isReady, before != loaded.configuration.xenVifs { watchXenVifs() }
        return outcome
    }

    func shutDown(keepNetwork: Bool, by caller: Caller) async throws(DrawbridgeError) {
        systemd.tellStopping(keepNetwork ? "leaving the networks as they are" : "lowering the networks")
        try await engine?.shutDown(keepNetwork: keepNetwork, by: caller)
        endContinuation.yield(.asked)
    }
}
