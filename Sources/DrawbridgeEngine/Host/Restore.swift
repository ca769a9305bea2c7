public import DrawbridgeHost
public import DrawbridgeModel
public import Logging

/// Gives the host its own configuration back from the journal, when no daemon runs.
public enum Restore {
    /// Lowers every network that the journal of `stateDirectory` knows.
    ///
    /// - Parameter host: the host of the namespace that the journal was written in.
    /// - Returns: the plans, a line a step.
    /// - Throws: where a daemon uses the journal, where it belongs to another host or boot, or where the kernel
    ///   refuses; then what is left can be restored by another try.
    public static func run(
        stateDirectory: String, persistentDirectory: String, host: Host, dryRun: Bool, version: String,
        logger: Logger
    ) async throws(DrawbridgeError) -> Outcome {
        let journal = try Journal(path: stateDirectory)
        let engine = try HostEngine(
            configuration: Configuration(),
            paths: EnginePaths(
                stateDirectory: stateDirectory, scriptDirectory: "", socket: "",
                persistentDirectory: persistentDirectory),
            host: host, journal: journal, version: version, logger: logger)
        return try await engine.restore(dryRun: dryRun)
    }
}

extension HostEngine {
    /// Lowers what the journal knows without raising anything first.
    func restore(dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        if !dryRun {
            try await host.transact { (access) throws(DrawbridgeError) in try access.closeLeftBypasses() }
        }
        let current = try await identity(uplink: nil)
        let (remembered, networks, group) = try journalled { () throws(RecordError) in
            (try journal.attachments(), try journal.networks(), try journal.linkGroup())
        }
        linkGroup = group ?? 0
        for one in remembered?.attachments ?? [] { attachments[one.request.id] = one }
        try recoverForwarding(current)
        var outcome = Outcome(changed: false)
        for name in networks {
            guard let known = try self.remembered(name, current) else {
                if !dryRun { outcome.warnings += await wakeClient(of: name) }
                continue
            }
            raised[name] = known
        }
        for name in loweringOrder {
            let lowered = try await lower(name, dryRun: dryRun)
            outcome.changed = outcome.changed || lowered.changed
            outcome.plan += lowered.plan
            outcome.warnings += lowered.warnings
        }
        if !dryRun {
            await settleRouting()
            await settleRates()
        }
        await awaitHandedBack()
        await serverRestart?.finish()
        return outcome
    }
}
