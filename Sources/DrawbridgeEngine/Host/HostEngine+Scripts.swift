import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Logging
import NetworkTypes

extension HostEngine {
    public func run(_ invocation: ScriptInvocation, by caller: Caller) async -> ScriptReply {
        let words = ([invocation.script] + invocation.arguments).joined(separator: " ")
        logger.info("\(words) XENBUS_PATH=\(invocation.environment["XENBUS_PATH"] ?? "")")
        // What a program calls that itself handles an event runs inside that event, which has the turn already.
        let outer = invocation.environment["DRAWBRIDGE_EVENT"].flatMap { tokens.event(for: $0) }
        do throws(DrawbridgeError) {
            // Events of vifs wait for their turn together.
            if let script = BuiltInScript(rawValue: invocation.script), !script.isForNetworks {
                return try await vifBridge(invocation, by: caller, hasTurn: outer != nil)
            }
            if outer == nil { await turn.begin() }
            defer { if outer == nil { turn.end() } }
            return try await handle(invocation, by: caller)
        } catch {
            log.add(
                "script-failed", invocation.script, invocation.arguments.joined(separator: " "),
                error: "\(error)")
            return ScriptReply(exitCode: 1, message: "\(error)")
        }
    }

    private func handle(
        _ invocation: ScriptInvocation, by caller: Caller
    ) async throws(DrawbridgeError) -> ScriptReply {
        switch BuiltInScript(rawValue: invocation.script) {
        case .networkBridge: return try await networkBridge(invocation.arguments)
        case let script? where script.isForNetworks:
            return try await networkRoute(invocation.arguments, script: script)
        default:
            throw DrawbridgeError(
                .invalidArgument, invocation.script, "is not a script of Drawbridge",
                advice: "the scripts are \(BuiltInScript.allCases.map(\.rawValue).joined(separator: ", "))")
        }
    }

    /// The built-in `network-bridge`. Runs within a turn.
    func networkBridge(_ words: [String]) async throws(DrawbridgeError) -> ScriptReply {
        let arguments = ScriptArguments(words)
        let command = try NetworkCommand(arguments, script: "network-bridge")
        let bridge = try BridgeArguments(arguments)
        for notice in bridge.notices { logger.notice("network-bridge: \(notice)") }
        let compatibility = configuration.compatibility
        let network = try bridge.network(
            defaultRoute: try await defaultRouteName(), compatibility: compatibility,
            settings: configuration.networkDefaults)
        // bridge=null
        guard let network else { return ScriptReply(exitCode: 0) }
        let known = raised.values.first { $0.network.bridge == network.bridge }?.network.name ?? network.name
        switch command {
        case .start:
            if compatibility.startOnlyWithoutBridges, raised[known] == nil,
                try await host.transact({ (access) throws(DrawbridgeError) in try access.bridges().isEmpty })
                    == false
            {
                logger.notice("network-bridge: there is a bridge already, so nothing is started (compat)")
                return ScriptReply(exitCode: 0)
            }
            let outcome = try await raise(raised[known]?.network ?? network, dryRun: false)
            return ScriptReply(exitCode: 0, message: outcome.warnings.joined(separator: "; "))
        case .stop:
            let outcome = try await lower(known, dryRun: false)
            return ScriptReply(exitCode: 0, message: outcome.warnings.joined(separator: "; "))
        case .status:
            return ScriptReply(
                exitCode: 0, output: try await statusPage(of: raised[known]?.network ?? network))
        }
    }

    /// The interface of the default route, by the name it has without Drawbridge.
    private func defaultRouteName() async throws(DrawbridgeError) -> LinkName? {
        let name = try await host.transact { (access) throws(DrawbridgeError) -> String? in
            guard let index = try access.defaultRouteDevice() else { return nil }
            return try access.link(index: index)?.name
        }
        guard let name else { return nil }
        let carrier = raised.values.first { $0.network.bridge.rawValue == name }
        return LinkName(carrier.map { $0.baseline.state.name(of: .uplink($0.network.name)) } ?? name)
    }

    /// The built-ins `vif-bridge`, `vif-route` and `vif-nat`.
    private func vifBridge(
        _ invocation: ScriptInvocation, by caller: Caller, hasTurn: Bool
    ) async throws(DrawbridgeError) -> ScriptReply {
        let reading = try VifEvent.read(
            script: invocation.script, arguments: invocation.arguments, environment: invocation.environment,
            store: invocation.store)
        guard case .event(let event) = reading else {
            if case .nothing(let reason) = reading { logger.debug("\(invocation.script): \(reason)") }
            return ScriptReply(exitCode: 0)
        }
        for notice in event.notices { logger.notice("\(invocation.script): \(notice)") }
        switch event.command {
        case .online, .add:
            var request = event.request
            request.owner = caller.user
            request.kind = BuiltInScript(rawValue: invocation.script)?.kind
            let work = Work(request: request, caller: caller)
            let outcome =
                hasTurn
                ? try await attachNow([work], dryRun: false).first : try await awaitTurn(.attach(work))
            return ScriptReply(exitCode: 0, message: outcome?.warnings.joined(separator: "; ") ?? "")
        case .offline, .remove:
            var request = event.request
            request.kind = BuiltInScript(rawValue: invocation.script)?.kind
            if hasTurn {
                _ = try await detachNow([request], dryRun: false)
            } else {
                _ = try await awaitTurn(.offline(request))
            }
            return ScriptReply(exitCode: 0)
        }
    }
}
