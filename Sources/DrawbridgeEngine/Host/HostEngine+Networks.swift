import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
public import NetworkTypes

extension HostEngine {
    public func startNetwork(
        named name: NetworkName, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        guard let network = configuration.network(named: name) ?? raised[name]?.network else {
            throw DrawbridgeError(
                .notFound, name.rawValue, "no network of this name is configured",
                advice: "'drawbridge network list' shows those there are")
        }
        return try await startNetwork(network, dryRun: dryRun, by: caller)
    }

    public func startNetwork(
        _ network: Network, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        return try await raise(network, dryRun: dryRun)
    }

    public func stopNetwork(
        named name: NetworkName, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        return try await lower(name, dryRun: dryRun)
    }

    /// Raises a network, or repairs one that is up. Runs within a turn.
    func raise(_ network: Network, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        if let known = raised[network.name] {
            guard known.network.bridge == network.bridge else {
                throw DrawbridgeError(
                    .conflict, network.name.rawValue, "is up on bridge \(known.network.bridge) already",
                    advice: "stop it first with 'drawbridge network stop \(network.name)'")
            }
            return try await uphold(network.name, dryRun: dryRun)
        }
        if let other = raised.values.first(where: { $0.network.bridge == network.bridge }) {
            throw DrawbridgeError(
                .conflict, network.bridge.rawValue, "is the bridge of network \(other.network.name) already")
        }
        do throws(DrawbridgeError) {
            let outcome =
                network.kind.isRouted
                ? try await raiseRouted(network, dryRun: dryRun)
                : try await raiseAnew(network, dryRun: dryRun)
            if !dryRun {
                log.add("network-start", network.name.rawValue, "\(outcome.plan.count) steps")
                await attachRemembered(to: network)
            }
            return outcome
        } catch {
            if !dryRun { log.add("network-start", network.name.rawValue, error: "\(error)") }
            throw error
        }
    }

    private func raiseAnew(_ asked: Network, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        try checkFiltersVLANs(asked)
        let network = try await resolved(asked)
        let uplink = try await uplink(of: network)
        let wanted = BridgeNetwork(network, group: linkGroup)
        let reference: UplinkReference =
            uplink.map { .identity(index: $0.index, permanentAddress: nil) } ?? .none
        let identity = try await identity(uplink: uplink.map { ($0.index, $0.address) })
        let others = raised.values.map { ($0.network, $0.baseline.state.name(of: .uplink($0.network.name))) }

        let (inspection, state, findings) = try await host.transact { (access) throws(DrawbridgeError) in
            let inspection = try uplink.map { (uplink) throws(DrawbridgeError) in
                try access.inspect(uplink: uplink.index)
            }
            let state = try access.observe(.network(network, uplink: reference)).state
            let facts = inspection?.facts ?? UplinkFacts()
            return (inspection, state, wanted.findings(in: state, facts: facts, others: others))
        }
        if let refusal = findings.first(where: { $0.severity == .error }) { throw refusal.error }
        let handover = try await planHandover(inspection, in: state, of: network)
        let warnings = findings.map { "\($0.error)" } + handover.warnings
        for warning in warnings where !dryRun { log.add("warning", network.name.rawValue, warning) }

        let journal = journal
        if !dryRun, let plan = handover.plan { try await beginHandover(plan, of: network.name) }
        do throws(DrawbridgeError) {
            let (reached, baseline) = try await host.transact { (access) throws(DrawbridgeError) in
                var baseline: BaselineRecord?
                let reached = try access.reach(
                    .network(network, uplink: reference), within: wanted.scope, dryRun: dryRun,
                    writeDown: { (state, _) throws(DrawbridgeError) in
                        // What the host was is on disk before anything changes.
                        let record = BaselineRecord(
                            network: network, state: state, takenAt: Journal.now(), identity: identity)
                        baseline = record
                        try journalled { () throws(RecordError) in
                            try journal.setIntent(
                                IntentRecord(.raising, since: Journal.now(), identity: identity),
                                of: network.name)
                            try journal.setBaseline(record, of: network.name)
                        }
                    },
                    desire: { (state) throws(DrawbridgeError) in
                        try planning { () throws(PlanningError) in try wanted.raised(from: state) }
                    })
                return (reached, baseline)
            }
            var lines =
                (handover.plan?.linesBefore ?? []) + reached.lines + (handover.plan?.linesAfter ?? [])
            // A dry run writes nothing down.
            guard let baseline else {
                let exit = try await leadOut(network, dryRun: true)
                return Outcome(lines: lines + exit, warnings: warnings)
            }
            raised[network.name] = RaisedNetwork(baseline: baseline, phase: .raising)
            lines += try await leadOut(network, dryRun: false)
            try await beginHandingOut(on: network)
            try await raiseSubstitute(of: network.name)
            try settle(network.name, reached)
            try await beginAsking(for: network)
            return Outcome(changed: !lines.isEmpty, plan: lines, warnings: warnings + reached.warnings)
        } catch {
            if !dryRun { await takeBack(network.name, identity) }
            throw error
        }
    }

    /// The device that a network is to take, found before anything changes.
    func uplink(
        of network: Network
    ) async throws(DrawbridgeError) -> (index: Int32, address: MACAddress?)? {
        try await host.transact { (access) throws(DrawbridgeError) in
            switch network.uplink {
            case .none: return nil
            case .named(let name):
                guard let found = try access.link(named: name) else {
                    throw DrawbridgeError(
                        .notFound, name.rawValue, "no such interface",
                        advice: "name an interface that 'ip link' lists as the uplink of \(network.name)")
                }
                return (found.index, found.link.permanentAddress)
            case .defaultRoute:
                guard let index = try access.defaultRouteDevice(), let link = try access.link(index: index)
                else {
                    throw DrawbridgeError(
                        .notFound, network.name.rawValue, "there is no default route to take the uplink from",
                        advice: "name the uplink")
                }
                return (index, link.permanentAddress)
            }
        }
    }

    /// Repairs a network that is up, adopts what others changed, and finishes what was left half done.
    func uphold(_ name: NetworkName, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        guard let known = raised[name] else { throw notUp(name) }
        if known.network.kind.isRouted { return try await upholdRouted(name, dryRun: dryRun) }
        let wanted = BridgeNetwork(known.network, group: linkGroup)
        let baseline = known.agedBaseline
        let settled = known.agedSettled
        let wasInterrupted = known.phase != .up || known.problem != nil
        let forwarding = forwarding
        do throws(DrawbridgeError) {
            let reached = try await host.transact { (access) throws(DrawbridgeError) in
                try access.reach(
                    .network(known.network, uplink: known.uplink), within: wanted.scope, dryRun: dryRun,
                    desire: { (state) throws(DrawbridgeError) in
                        try planning { () throws(PlanningError) in
                            try state.desired(besides: forwarding) { (state) throws(PlanningError) in
                                try wanted.upheld(
                                    baseline: baseline, settled: settled, observed: state,
                                    wasInterrupted: wasInterrupted)
                            }
                        }
                    })
            }
            let exit = try await leadOut(known.network, dryRun: dryRun)
            if !dryRun {
                try await beginHandingOut(on: known.network)
                try await raiseSubstitute(of: name)
                try settle(name, reached)
                try await beginAsking(for: known.network)
            }
            return Outcome(lines: reached.lines + exit, warnings: reached.warnings)
        } catch {
            if !dryRun { raised[name]?.problem = "\(error)" }
            throw error
        }
    }

    /// Lowers a network. Runs within a turn.
    func lower(_ name: NetworkName, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        guard let known = raised[name] else { return Outcome(changed: false) }
        if known.network.kind.isRouted { return try await lowerRouted(name, dryRun: dryRun) }
        let wanted = BridgeNetwork(known.network, group: linkGroup)
        let guests = attachments.values.filter { $0.network == name }.sorted { $0.request.id < $1.request.id }
        let scope = PlanScope(networks: [name], vifs: Set(guests.map(\.request.id)))
        let baseline = known.agedBaseline
        let settled = known.agedSettled
        let wasInterrupted = known.phase != .up || known.problem != nil
        let (group, forwarding) = (linkGroup, forwarding)
        let identity = known.baseline.identity
        let journal = journal
        let handover = try await handoverLines(of: name)
        do throws(DrawbridgeError) {
            if !dryRun {
                await endAsking(for: known.network)
                await endHandingOut(on: known.network)
                try await lowerSubstitute(of: name)
            }
            let reached = try await host.transact { (access) throws(DrawbridgeError) in
                try access.reach(
                    .network(known.network, uplink: known.uplink, vifs: scope.vifs), within: scope,
                    dryRun: dryRun,
                    claiming: group,
                    writeDown: { (_, _) throws(DrawbridgeError) in
                        try journalled { () throws(RecordError) in
                            try journal.setIntent(
                                IntentRecord(.lowering, since: Journal.now(), identity: identity), of: name)
                        }
                    },
                    desire: { (state) throws(DrawbridgeError) in
                        var desired = state.desired(besides: forwarding) { state in
                            wanted.lowered(
                                baseline: baseline, settled: settled, observed: state,
                                wasInterrupted: wasInterrupted)
                        }
                        for guest in guests {
                            desired = BridgeVif(guest.request, group: group).releasing(in: desired)
                        }
                        return desired
                    })
            }
            let exit = try await closeExit(of: known.network, dryRun: dryRun)
            let lines = handover.before + reached.lines + exit + handover.after
            guard !dryRun else { return Outcome(changed: !lines.isEmpty, plan: lines) }
            let warnings = reached.warnings + (await wakeClient(of: name, isForgotten: false))
            raised[name] = nil
            await forgetShapers(of: guests.map(\.request.id))
            await withdrawAcceptance(of: guests.map(\.request.id))
            await followForwards()
            try await removeFilters(of: guests, on: known.network)
            suspects.remove(name)
            try journalled { () throws(RecordError) in try journal.forget(name) }
            log.add("network-stop", name.rawValue, "\(lines.count) steps")
            return Outcome(changed: !lines.isEmpty, plan: lines, warnings: warnings)
        } catch {
            guard !dryRun else { throw error }
            raised[name]?.phase = .lowering
            raised[name]?.problem = "\(error)"
            log.add("network-stop", name.rawValue, error: "\(error)")
            await resumeHandover(of: name)
            throw error
        }
    }

    /// Goes back to the baseline after a start that failed.
    private func takeBack(_ name: NetworkName, _ identity: JournalIdentity) async {
        do throws(DrawbridgeError) {
            // Without a record of this host's nothing was changed yet.
            guard let known = try remembered(name, identity) else {
                _ = await wakeClient(of: name)
                return
            }
            raised[name] = known
            _ = try await lower(name, dryRun: false)
        } catch {
            log.add("network-degraded", name.rawValue, error: "\(error)")
        }
    }

    /// Writes down that a network is up and how it was found then.
    func settle(_ name: NetworkName, _ reached: Reached) throws(DrawbridgeError) {
        guard var known = raised[name] else { return }
        let identity = known.baseline.identity
        // What is written down already stays as it is: a look that finds all in order changes no file.
        let isWritten = known.settled != nil && known.phase == .up
        // What others change while the network is up stays theirs: the state to compare with is the first one.
        if known.settled == nil {
            known.settled = SettledRecord(state: reached.after, takenAt: Journal.now(), identity: identity)
        }
        known.bridgeIndex = reached.bindings.index(of: .bridge(name))
        known.phase = .up
        known.problem = nil
        let settled = known.settled
        if !isWritten {
            try journalled { () throws(RecordError) in
                try journal.setSettled(settled, of: name)
                try journal.setIntent(IntentRecord(.up, since: Journal.now(), identity: identity), of: name)
            }
        }
        raised[name] = known
    }

    func notUp(_ name: NetworkName) -> DrawbridgeError {
        DrawbridgeError(
            .notFound, name.rawValue, "no network of this name is up",
            advice: "'drawbridge network list' shows those there are")
    }
}
