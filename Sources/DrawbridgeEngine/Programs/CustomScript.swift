public import DrawbridgeModel
import NetworkTypes

/// A program of the administrator's in the place of a built-in, run as Xen ran it: see docs/scripts.md.
public struct CustomScript: Sendable {
    /// The path, and the arguments of the configuration.
    public let path: String
    public let arguments: [String]
    /// What a call needs besides what it is about.
    public struct Context: Sendable {
        /// The token of the event that it runs for (`DRAWBRIDGE_EVENT`).
        public var token: String
        /// The socket on which the built-ins that it calls find the daemon (`DRAWBRIDGE_SOCKET`).
        public var socket: String
        /// How long it may run.
        public var timeLimit: Duration
        /// Takes every line it writes.
        public var log: @Sendable (String) -> Void
        /// The program that runs it outside of the daemon's sandbox; nil makes it a child of the daemon.
        public var launcher: String? = ScriptLauncher.configured

        public init(
            token: String, socket: String, timeLimit: Duration, log: @escaping @Sendable (String) -> Void
        ) {
            self.token = token
            self.socket = socket
            self.timeLimit = timeLimit
            self.log = log
        }
    }

    /// The script of a configuration's call, its name looked up in the script directory.
    public init(_ call: ScriptCall, scriptDirectory: String) {
        path = ScriptFile.path(of: call.name, in: scriptDirectory)
        arguments = call.arguments
    }

    /// Where programs are looked up by a script.
    static let searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// `argv` for an event of a network: the operation stands before the configured arguments, where xend put it.
    public func networkArguments(_ operation: String) -> [String] { [path, operation] + arguments }

    /// `argv` for an event of a vif, as libxl gives it; the configured arguments follow.
    public func vifArguments(_ event: VifEvent) -> [String] {
        [path, event.command.rawValue, "type_if=\(event.interface.rawValue)"] + arguments
    }

    /// The whole environment of an event of a network, as `NAME=value`.
    public static func networkEnvironment(_ context: Context) -> [String] {
        [
            "PATH=\(searchPath)", "LANG=C", "LC_ALL=C", "DRAWBRIDGE_EVENT=\(context.token)",
            "DRAWBRIDGE_SOCKET=\(context.socket)",
        ]
    }

    /// The whole environment of an event of a vif: what the driver and libxl set, and what is known of the vif,
    /// since there need not be a store to read it from.
    ///
    /// - Parameter gatewayDevice: the value of `gatewaydev`; empty where there is none, as libxl has it.
    public func vifEnvironment(
        _ event: VifEvent, gatewayDevice: String = "", _ context: Context
    ) -> [String] {
        let request = event.request
        var variables: [(String, String)] = [
            ("script", path), ("XENBUS_TYPE", "vif"), ("XENBUS_BASE_PATH", "backend"),
            ("XENBUS_PATH", "backend/vif/\(request.id.domain)/\(request.id.device)"),
            ("netdev", gatewayDevice),
        ]
        var device = "\(request.id)"
        if case .existing(let name) = request.source { device = name.rawValue }
        switch event.interface {
        case .vif: variables.append(("vif", device))
        case .tap: variables += [("vif", "\(request.id.own)"), ("INTERFACE", device)]
        }
        if let bridge = request.bridge { variables.append(("bridge", bridge.rawValue)) }
        if !request.addresses.isEmpty {
            // One address is written as such, without the length of its whole.
            let texts = request.addresses.map { prefix in
                prefix.length == prefix.family.bits ? "\(prefix.address)" : "\(prefix)"
            }
            variables.append(("ip", texts.joined(separator: " ")))
        }
        if let mac = request.mac { variables.append(("mac", "\(mac)")) }
        if let mtu = request.mtu { variables.append(("mtu", "\(mtu)")) }
        if let name = request.vifName {
            // A tap's name has its suffix appended by whoever reads the variable.
            let text = name.rawValue
            let isTap = event.interface == .tap && text.hasSuffix("-emu")
            variables.append(("vifname", isTap ? String(text.dropLast(4)) : text))
        }
        if let rate = request.rate { variables.append(("rate", "\(rate)")) }
        if let rate = request.rateIn { variables.append(("rate_in", "\(rate)")) }
        if let rate = request.ratePackets { variables.append(("rate_packets", "\(rate)")) }
        if let rate = request.rateInPackets { variables.append(("rate_in_packets", "\(rate)")) }
        if let name = request.domainName { variables.append(("domain", name)) }
        return Self.networkEnvironment(context)
            + variables.filter { !$0.1.utf8.contains(0) }.map { "\($0.0)=\($0.1)" }
    }

    /// Runs it for an event of a network, `start` or `stop`, and waits for its end.
    ///
    /// - Throws: as ``run(_:environment:_:on:)`` does.
    public func runForNetwork(
        _ operation: String, _ context: Context, on runner: ProgramRunner
    ) async throws(DrawbridgeError) {
        try await run(
            networkArguments(operation), environment: Self.networkEnvironment(context), context, on: runner)
    }

    /// Runs it for an event of a vif and waits for its end.
    ///
    /// - Throws: as ``run(_:environment:_:on:)`` does.
    public func runForVif(
        _ event: VifEvent, gatewayDevice: String = "", _ context: Context, on runner: ProgramRunner
    ) async throws(DrawbridgeError) {
        try await run(
            vifArguments(event), environment: vifEnvironment(event, gatewayDevice: gatewayDevice, context),
            context, on: runner)
    }

    /// Checks the file, runs it, and waits for its end.
    ///
    /// - Throws: `notFound` or `script` where it is not there or not to be trusted; `script` with the exit code or
    ///   signal and the last line it wrote where it fails; `timeout` where its time was over.
    func run(
        _ arguments: [String], environment: [String], _ context: Context, on runner: ProgramRunner
    ) async throws(DrawbridgeError) {
        // Opened anew for every call, so that what was replaced since is what is run, after the same checks.
        let file = try ScriptFile(path: path)
        // It is held until the script has ended: a launcher hands its descriptor on.
        defer { withExtendedLifetime(file) {} }
        var program = Program(.script(file), arguments: arguments, environment: environment)
        if let launcher = context.launcher {
            program = ScriptLauncher.program(
                launcher, running: file, arguments, environment: environment, timeLimit: context.timeLimit)
        }
        program.timeLimit = context.timeLimit
        program.log = context.log
        let result = try await runner.run(program)
        if result.droppedOctets > 0 {
            context.log("\(result.droppedOctets) octets of output were not logged")
        }
        if let error = Self.failure(of: result, path: path, timeLimit: context.timeLimit) { throw error }
    }

    /// What to tell of a program that did not succeed; nil where it did.
    static func failure(of result: ProgramResult, path: String, timeLimit: Duration) -> DrawbridgeError? {
        guard !result.succeeded else { return nil }
        let last = result.lastLine.isEmpty ? "" : ": \(result.lastLine)"
        if result.exceededTimeLimit {
            let (seconds, attoseconds) = timeLimit.components
            let tenths = attoseconds / 100_000_000_000_000_000
            let limit = tenths == 0 ? "\(seconds)" : "\(seconds).\(tenths)"
            return DrawbridgeError(
                .timeout, path, "took longer than \(limit) s and was ended\(last)",
                advice: "script-timeout allows more")
        }
        if result.wasCancelled { return DrawbridgeError(.script, path, "was ended\(last)") }
        switch result.ending {
        case .exited(let code): return DrawbridgeError(.script, path, "exited with status \(code)\(last)")
        case .signalled(let number):
            return DrawbridgeError(.script, path, "was ended by signal \(number)\(last)")
        case .unknown: return DrawbridgeError(.script, path, "ended, it is not known how\(last)")
        }
    }
}
