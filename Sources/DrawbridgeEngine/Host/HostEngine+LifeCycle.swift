import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
import Logging
import NetworkTypes

extension HostEngine {
    public func startUp() async throws(DrawbridgeError) {
        // Once, so that telling it asks the kernel for nothing.
        _ = try await filterLayout()
        let filterChanges = try await recover()
        await watch()
        await watchFilter(filterChanges)
        await runNetworkScript("start")
        for network in configuration.networks where raised[network.name] == nil {
            do throws(DrawbridgeError) {
                _ = try await startNetwork(network, dryRun: false, by: .daemon)
            } catch {
                logger.error("\(error)")
            }
        }
        // The configuration may have become another one while no daemon ran.
        await applyIsolation()
        if attachments.keys.count >= UnusedMemory.manyVifs { UnusedMemory.giveBack() }
    }

    /// The networks that are up, each before the one by whose bridge it leads out: what it set there is given back as
    /// long as that is there, and does not go to the uplink as somebody else's.
    var loweringOrder: [NetworkName] {
        var rest = raised.mapValues(\.network)
        var order: [NetworkName] = []
        while !rest.isEmpty {
            let needed = Set(rest.values.compactMap { $0.subnet?.exitName ?? $0.uplinkName })
            let free = rest.values.filter { $0.kind.isRouted || !needed.contains($0.bridge) }.map(\.name)
            let next = free.isEmpty ? Array(rest.keys) : free
            order += next.sorted()
            for name in next { rest[name] = nil }
        }
        return order
    }

    public func shutDown(keepNetwork: Bool, by caller: Caller) async throws(DrawbridgeError) {
        var failure: DrawbridgeError?
        if !keepNetwork {
            // A script of the administrator's may stop what it started; what it leaves is lowered all the same.
            await runNetworkScript("stop")
            await turn.begin()
            for name in loweringOrder {
                do throws(DrawbridgeError) {
                    _ = try await lower(name, dryRun: false)
                } catch {
                    failure = failure ?? error
                }
            }
            do throws(DrawbridgeError) { try await forgetResting() } catch { failure = failure ?? error }
            turn.end()
            await awaitHandedBack()
        }
        await leaveHandovers()
        await serverRestart?.finish()
        for server in nameServers.values { await server.leave() }
        for client in prefixClients.values { await client.leave() }
        for watcher in watchers { watcher.cancel() }
        due.finish()
        named.finish()
        listening.end()
        log.add("daemon-stop", "daemon", keepNetwork ? "the networks stay" : "")
        log.close()
        if let failure { throw failure }
    }

    /// Runs the script of the configuration: a built-in within a turn, a program with a token that lets what it calls
    /// run inside its event. A failure is told and stops nothing, as it stopped nothing in xend.
    private func runNetworkScript(_ operation: String) async {
        guard let call = configuration.networkScript else { return }
        await turn.begin()
        defer { turn.end() }
        do throws(DrawbridgeError) {
            switch call.builtIn {
            case .networkBridge: _ = try await networkBridge([operation] + call.arguments)
            case .networkRoute, .networkNAT:
                if let script = call.builtIn {
                    _ = try await networkRoute([operation] + call.arguments, script: script)
                }
            case .vifRoute, .vifNAT, .vifBridge, .vifOpenVSwitch:
                throw DrawbridgeError(
                    .invalidArgument, call.name, "is a script for vifs, not for networks",
                    advice: "use network-bridge, network-route or network-nat")
            case nil:
                let token = tokens.issue(for: .network(operation))
                defer { tokens.revoke(token) }
                let script = CustomScript(call, scriptDirectory: paths.scriptDirectory)
                try await script.runForNetwork(operation, scriptContext(token, call.name), on: runner)
                log.add("network-script", call.name, operation)
            }
        } catch {
            log.add("network-script", call.name, operation, error: "\(error)")
        }
    }

    func scriptContext(_ token: String, _ name: String) -> CustomScript.Context {
        let logger = logger
        return CustomScript.Context(
            token: token, socket: paths.socket, timeLimit: .seconds(Int64(configuration.scriptTimeout)),
            log: { line in logger.info("\(name): \(line)") })
    }

    /// Reads the journal and brings what an earlier daemon left to the state that it was to have.
    ///
    /// - Returns: what others change in the filter, from before it was taken over.
    private func recover() async throws(DrawbridgeError) -> ForeignFilterChanges? {
        await turn.begin()
        defer { turn.end() }
        try await host.transact { (access) throws(DrawbridgeError) in try access.closeLeftBypasses() }
        let current = try await identity(uplink: nil)
        let (remembered, networks, group) = try journalled { () throws(RecordError) in
            (try journal.attachments(), try journal.networks(), try journal.linkGroup())
        }
        if let group {
            linkGroup = group
        } else {
            linkGroup = try await host.transact { (access) throws(DrawbridgeError) in try access.freeGroup() }
            let chosen = linkGroup
            try journalled { () throws(RecordError) in try journal.setLinkGroup(chosen) }
        }
        if let remembered, remembered.identity.mismatch(with: current) == nil {
            for one in remembered.attachments {
                attachments[one.request.id] = one
                learned[one.request.id] = one.learned
            }
            rememberGroups(of: remembered.attachments.map(\.request.id))
            resting = RestingAddresses(remembered.resting)
            try await findUnfinished(current)
        }
        try recoverForwarding(current)
        recoverForwards()
        let filterChanges = await takeOverFilter(
            of: networks.compactMap { try? self.remembered($0, current)?.network })
        for name in networks {
            do throws(DrawbridgeError) {
                try await recover(name, current)
            } catch {
                log.add("network-recovery", name.rawValue, error: "\(error)")
            }
        }
        await settleRouting()
        await attachToForeignBridges()
        await settleRates()
        await attachToSwitches()
        await settleGroups(without: grouped.filter { attachments[$0].map { !isUp($0) } ?? true })
        // The networks may have other addresses than before they were recovered.
        if !resting.isEmpty || ownAddresses != nil {
            do throws(DrawbridgeError) { try await renewGuarded() } catch {
                log.add("filter", "host", error: "\(error)")
            }
        }
        return filterChanges
    }

    private func recover(_ name: NetworkName, _ current: JournalIdentity) async throws(DrawbridgeError) {
        guard let known = try remembered(name, current) else {
            // The intent is written first: without a baseline nothing was changed yet.
            _ = await wakeClient(of: name)
            try journalled { () throws(RecordError) in try journal.forget(name) }
            return
        }
        raised[name] = known
        await takeUpHandover(of: name)
        let outcome = try await uphold(name, dryRun: false)
        log.add(
            "network-adopted", name.rawValue,
            outcome.changed ? "\(outcome.plan.count) steps" : "as it was left")
        await findRenamed(of: known.network)
        await attachRemembered(to: known.network)
    }

    /// What the journal holds of a network, nil without a baseline; refused where it is another host's or boot's.
    func remembered(
        _ name: NetworkName, _ current: JournalIdentity
    ) throws(DrawbridgeError) -> RaisedNetwork? {
        try journalled { () throws(RecordError) in
            guard let baseline = try journal.baseline(of: name) else { return nil }
            try journal.check(baseline.identity, of: name, against: current)
            return RaisedNetwork(
                baseline: baseline, settled: try journal.settled(of: name),
                phase: try journal.intent(of: name)?.phase ?? .raising)
        }
    }
}

extension Caller {
    /// The daemon itself.
    static let daemon = Caller(process: 0, user: 0, group: 0)
}
