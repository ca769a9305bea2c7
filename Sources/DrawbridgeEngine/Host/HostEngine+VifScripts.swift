import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// A program of the administrator's in the place of `vif-bridge`: it connects what is asked for through the API, as it
// connects what a hypervisor makes. It is given a device, and whatever built-in it calls runs inside its event.

extension HostEngine {
    /// The program that connects vifs; nil where a built-in does.
    var ownVifScript: ScriptCall? {
        configuration.vifScript.builtIn == nil ? configuration.vifScript : nil
    }

    /// Makes the vif's device where there is none and lets the program connect it. A vif that the program does not
    /// connect is as it was before.
    func attach(_ work: Work, by call: ScriptCall, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        try checkOwner(of: work.request.id, work.caller)
        let id = work.request.id
        let prepared = try await prepare(work, dryRun: dryRun)
        var outcome = Outcome(
            changed: true, plan: prepared.lines + ["run \(call.name) online for \(id)"],
            warnings: prepared.warnings)
        guard !dryRun else { return outcome }

        var request = work.request
        guard let device = LinkName(prepared.bindings.names[.vif(id)] ?? "\(id)") else {
            throw DrawbridgeError(.invalidArgument, "\(id)", "is too long for the name of an interface")
        }
        request.source = .existing(device)
        do throws(DrawbridgeError) {
            try await run(call, .online, for: request)
        } catch {
            log.add("vif-script", "\(id)", call.name, error: "\(error)")
            do throws(DrawbridgeError) { _ = try await detachNow([work.request], dryRun: false) } catch {
                log.add("vif-offline", "\(id)", error: "\(error)")
            }
            throw error
        }
        log.add("vif-script", "\(id)", "\(call.name) online")
        // The built-in that the program called was called by root; the vif is whose it was to be.
        var known =
            attachments[id]
            ?? Attachment(
                request: request, network: nil, device: device,
                index: prepared.bindings.index(of: .vif(id)) ?? 0)
        known.request.owner = work.caller.user
        if known.network == nil {
            outcome.warnings.append("\(id): \(call.name) made it no port of a network")
        }
        attachments[id] = known
        try await writeAttachments()
        return outcome
    }

    /// Lets the program disconnect a vif, and then takes away what is left of it.
    func detach(
        _ known: Attachment, by call: ScriptCall, dryRun: Bool
    ) async throws(DrawbridgeError) -> Outcome {
        let id = known.request.id
        var warnings: [String] = []
        if !dryRun {
            var request = known.request
            request.source = .existing(known.device)
            do throws(DrawbridgeError) {
                try await run(call, .offline, for: request)
                log.add("vif-script", "\(id)", "\(call.name) offline")
            } catch {
                // Nothing keeps a vif from going.
                log.add("vif-script", "\(id)", call.name, error: "\(error)")
                warnings.append("\(error)")
            }
        }
        var outcome =
            try await detachNow([known.request], dryRun: dryRun).first ?? Outcome(changed: false)
        outcome.plan.insert("run \(call.name) offline for \(id)", at: 0)
        outcome.warnings += warnings
        outcome.changed = true
        return outcome
    }

    private func run(
        _ call: ScriptCall, _ command: VifCommand, for request: VifRequest
    ) async throws(DrawbridgeError) {
        let token = tokens.issue(for: .vif(request.id))
        defer { tokens.revoke(token) }
        let event = VifEvent(command: command, interface: .vif, request: request)
        let script = CustomScript(call, scriptDirectory: paths.scriptDirectory)
        try await script.runForVif(event, scriptContext(token, call.name), on: runner)
    }

    private func prepare(_ work: Work, dryRun: Bool) async throws(DrawbridgeError) -> Reached {
        let group = linkGroup
        let request = work.request
        let key = LinkKey.vif(request.id)
        let peers = work.namespace.map { [key: $0] } ?? [:]
        return try await host.transact { (access) throws(DrawbridgeError) in
            try access.checkName(of: request)
            if case .existing(let device) = request.source, try access.link(named: device) == nil {
                throw DrawbridgeError(.notFound, device.rawValue, "no such interface")
            }
            return try access.reach(
                .vifs([VifDevice(id: request.id, names: request.possibleNames)], bridges: [:]),
                within: PlanScope(vifs: [request.id]), dryRun: dryRun, peers: peers,
                desire: { state in BridgeVif(request, group: group).prepared(in: state) })
        }
    }
}
