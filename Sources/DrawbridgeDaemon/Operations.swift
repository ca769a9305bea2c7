import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeHost
import DrawbridgeModel
import NetworkTypes

/// What can be asked of the daemon, by whichever socket it comes: who may is decided, texts become types of the
/// model, and the engine does it.
struct Operations: Sendable {
    let engine: any Engine
    let control: any DaemonControl
    var callers = Callers()
    private let numbers = VifNumbers()

    init(engine: any Engine, control: any DaemonControl, callers: Callers = Callers()) {
        self.engine = engine
        self.control = control
        self.callers = callers
    }

    func status(by caller: Caller) async throws(DrawbridgeError) -> GetStatus.Answer {
        try demand(.look, of: "status", by: caller)
        let overview = try await engine.overview()
        return GetStatus.Answer(
            daemon: await control.report(), networks: overview.networks.map(NetworkReport.init),
            vifs: overview.vifs.map(VifReport.init))
    }

    func daemonStatus(by caller: Caller) async throws(DrawbridgeError) -> GetDaemonStatus.Answer {
        try demand(.look, of: "daemon", by: caller)
        return GetDaemonStatus.Answer(daemon: await control.report())
    }

    func startNetwork(
        _ request: StartNetwork, by caller: Caller
    ) async throws(DrawbridgeError) -> OutcomeAnswer {
        let dryRun = request.dryRun ?? false
        let name = try Mapping.linkName(request.name, "network")
        try demand(.manageNetworks, of: name.rawValue, by: caller)
        guard let specification = request.specification else {
            return Self.answer(try await engine.startNetwork(named: name, dryRun: dryRun, by: caller))
        }
        let network = try Mapping.network(request.name, specification)
        return Self.answer(try await engine.startNetwork(network, dryRun: dryRun, by: caller))
    }

    func stopNetwork(_ request: StopNetwork, by caller: Caller) async throws(DrawbridgeError) -> OutcomeAnswer
    {
        let name = try Mapping.linkName(request.name, "network")
        try demand(.manageNetworks, of: name.rawValue, by: caller)
        return Self.answer(
            try await engine.stopNetwork(named: name, dryRun: request.dryRun ?? false, by: caller))
    }

    func networks(by caller: Caller) async throws(DrawbridgeError) -> ListNetworks.Answer {
        try demand(.look, of: "networks", by: caller)
        return ListNetworks.Answer(networks: try await engine.networks().map(NetworkReport.init))
    }

    func network(_ request: GetNetwork, by caller: Caller) async throws(DrawbridgeError) -> GetNetwork.Answer
    {
        try demand(.look, of: request.name, by: caller)
        let networks = try await engine.networks()
        let found =
            networks.first { $0.network.name.rawValue == request.name }
            ?? networks.first { $0.network.bridge.rawValue == request.name }
        guard let found else {
            throw DrawbridgeError(
                .notFound, "network '\(request.name)'", "is neither configured nor up",
                advice: "'drawbridge network list' shows all")
        }
        return GetNetwork.Answer(network: NetworkReport(found))
    }

    /// The vif whose device bears this name, or bore it when it was there; nil if there is none.
    func vif(onDevice name: String, by caller: Caller) async throws(DrawbridgeError) -> VifID? {
        try demand(.attachDevice, of: name, by: caller)
        return try await engine.vifs().first { status in
            if case .existing(let device) = status.request.source, device.rawValue == name { return true }
            return status.device == name
        }?.request.id
    }

    /// Connects a vif; `namespace` is the checked descriptor of a network namespace.
    ///
    /// - Parameter choosingID: whether an id is chosen for a device whose name tells none.
    func addVif(
        _ request: AddVif, namespace: Int32?, choosingID: Bool = false, by caller: Caller
    ) async throws(DrawbridgeError) -> AddVif.Answer {
        let specification = request.vif
        let dryRun = request.dryRun ?? false
        // Whatever can be wrong is found before a number is taken.
        let draft = try Mapping.request(
            specification, id: VifID(domain: 0, device: 0), owner: caller.user)
        let given =
            choosingID && specification.id == nil
            ? nil : try Self.identifier(of: specification)
        let name = given?.description ?? specification.domain ?? "vif"
        switch draft.source {
        case .existing: try demand(.attachDevice, of: name, by: caller)
        case .pair: try demand(.attachPair(owner: nil), of: name, by: caller)
        case .tap(let options): try demand(.attachTap(opener: options.owner), of: name, by: caller)
        }
        switch draft.source {
        case .pair: break
        case .existing, .tap:
            guard namespace == nil else {
                throw DrawbridgeError(
                    .invalidArgument, name,
                    "a \(specification.tap == nil ? "device that exists already" : "tap") has no end to put into a namespace"
                )
            }
        }
        if case .pair = draft.source, namespace == nil, !dryRun {
            throw DrawbridgeError(
                .invalidArgument, name, "a pair needs the network namespace for its other end",
                advice: "pass its descriptor on the direct socket, or name a device")
        }
        let id = try await reserve(given, for: specification, by: caller)
        do throws(DrawbridgeError) {
            var vif = draft
            vif.id = id
            var outcome = try await engine.attach(vif, namespace: namespace, dryRun: dryRun, by: caller)
            outcome.warnings = Mapping.notices(specification.rate, specification.rateIn) + outcome.warnings
            await numbers.release(id)
            return AddVif.Answer(id: id.description, outcome: OutcomeReport(outcome))
        } catch {
            await numbers.release(id)
            throw error
        }
    }

    /// Makes a tap for a program of the caller's and connects it. It is the caller's vif, and goes with its descriptor.
    func addTap(
        _ specification: VifSpecification, hasVirtioHeader: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> (AddVif.Answer, TapDescriptor) {
        try demand(.attachPair(owner: nil), of: "tap", by: caller)
        let draft = try Mapping.request(
            specification, id: VifID(domain: 0, device: 0), owner: caller.user)
        let id = try await reserve(nil, for: specification, by: caller)
        do throws(DrawbridgeError) {
            let tap = try await engine.makeTap(for: id, hasVirtioHeader: hasVirtioHeader)
            var vif = draft
            vif.id = id
            vif.source = .existing(try Mapping.linkName(id.description, "tap"))
            let outcome = try await engine.attach(vif, namespace: nil, dryRun: false, by: caller)
            await numbers.release(id)
            return (AddVif.Answer(id: id.description, outcome: OutcomeReport(outcome)), tap)
        } catch {
            await numbers.release(id)
            throw error
        }
    }

    func removeVif(_ request: RemoveVif, by caller: Caller) async throws(DrawbridgeError) -> OutcomeAnswer {
        let id = try await resolve(request.id, by: caller)
        try demand(.detach(owner: nil), of: id.description, by: caller)
        try await numbers.reserve(id, owner: caller.user, domain: nil)
        do throws(DrawbridgeError) {
            if !caller.isRoot {
                try demand(.detach(owner: try await owner(of: id)), of: id.description, by: caller)
            }
            let outcome = try await engine.detach(id, dryRun: request.dryRun ?? false, by: caller)
            await numbers.release(id)
            return Self.answer(outcome)
        } catch {
            await numbers.release(id)
            throw error
        }
    }

    /// Changes a vif that is attached.
    func setVif(_ request: SetVif, by caller: Caller) async throws(DrawbridgeError) -> OutcomeAnswer {
        let id = try await resolve(request.id, by: caller)
        try demand(.limit, of: id.description, by: caller)
        let limits = try Mapping.limits(request)
        let vlans = try request.vlan.map { (text) throws(DrawbridgeError) in try Mapping.vlans(text) }
        guard limits != LimitsChange() || vlans != nil else {
            throw DrawbridgeError(
                .invalidArgument, id.description, "nothing is said of what is to change",
                advice: "give a rate, a rateIn, a ratePackets, a rateInPackets or a vlan")
        }
        let dryRun = request.dryRun ?? false
        var outcome = Outcome(changed: false)
        if let vlans {
            outcome = try await engine.setVLANs(of: id, vlans, dryRun: dryRun, by: caller)
        }
        if limits != LimitsChange() {
            let limited = try await engine.setLimits(of: id, limits, dryRun: dryRun, by: caller)
            outcome.changed = outcome.changed || limited.changed
            outcome.plan += limited.plan
            outcome.warnings += limited.warnings
        }
        outcome.warnings = Mapping.notices(request.rate, request.rateIn) + outcome.warnings
        return Self.answer(outcome)
    }

    /// Takes a vif that is attached to another network.
    func moveVif(_ request: MoveVif, by caller: Caller) async throws(DrawbridgeError) -> OutcomeAnswer {
        let id = try await resolve(request.id, by: caller)
        try demand(.detach(owner: nil), of: id.description, by: caller)
        let network = try Mapping.linkName(request.network, "network").bridgeAliasResolved
        let addresses = try request.addresses.map { (texts) throws(DrawbridgeError) in
            try Mapping.addresses(texts)
        }
        try await numbers.reserve(id, owner: caller.user, domain: nil)
        do throws(DrawbridgeError) {
            if !caller.isRoot {
                try demand(.detach(owner: try await owner(of: id)), of: id.description, by: caller)
            }
            let outcome = try await engine.move(
                id, to: network, addresses: addresses, dryRun: request.dryRun ?? false, by: caller)
            await numbers.release(id)
            return Self.answer(outcome)
        } catch {
            await numbers.release(id)
            throw error
        }
    }

    func vifs(by caller: Caller) async throws(DrawbridgeError) -> ListVifs.Answer {
        try demand(.look, of: "vifs", by: caller)
        return ListVifs.Answer(vifs: try await engine.vifs().map(VifReport.init))
    }

    func vif(_ request: GetVif, by caller: Caller) async throws(DrawbridgeError) -> GetVif.Answer {
        try demand(.look, of: request.id, by: caller)
        let id = try await resolve(request.id, by: caller)
        guard let status = try await engine.vif(id) else {
            throw DrawbridgeError(
                .notFound, id.description, "is not attached", advice: "'drawbridge vif list' shows all")
        }
        return GetVif.Answer(vif: VifReport(status))
    }

    func events(
        _ request: FollowEvents, by caller: Caller
    ) async throws(DrawbridgeError) -> AsyncStream<EventRecord> {
        try demand(.look, of: "events", by: caller)
        return await engine.events(since: request.since)
    }

    func reload(_ request: ReloadConfiguration, by caller: Caller) async throws(DrawbridgeError)
        -> OutcomeAnswer
    {
        try demand(.administer, of: "configuration", by: caller)
        return Self.answer(try await control.reload(dryRun: request.dryRun ?? false))
    }

    func shutDown(_ request: Shutdown, by caller: Caller) async throws(DrawbridgeError) -> OutcomeAnswer {
        try demand(.administer, of: "daemon", by: caller)
        let report = await control.report()
        let keepNetwork = request.keepNetwork ?? !report.stopOnExit
        guard request.dryRun == true else {
            try await control.shutDown(keepNetwork: keepNetwork, by: caller)
            return Self.answer(Outcome(changed: true))
        }
        var outcome = Outcome(changed: true)
        guard !keepNetwork else { return Self.answer(outcome) }
        for network in try await engine.networks() where network.state != .down {
            let part = try await engine.stopNetwork(named: network.network.name, dryRun: true, by: caller)
            outcome.plan += part.plan
            outcome.warnings += part.warnings
        }
        return Self.answer(outcome)
    }

    /// Handles a script's event.
    func run(_ invocation: ScriptInvocation, by caller: Caller) async throws(DrawbridgeError) -> ScriptReply {
        try demand(.runScript, of: invocation.script, by: caller)
        return await engine.run(invocation, by: caller)
    }

    func demand(_ action: Action, of object: String, by caller: Caller) throws(DrawbridgeError) {
        let standing = callers.standing(of: caller)
        guard Authorization.permits(standing, action) else {
            throw DrawbridgeError(.permissionDenied, object, Authorization.reason(standing, action))
        }
    }

    /// Reserves the id of a vif that is to come, where its user may have one more.
    private func reserve(
        _ given: VifID?, for specification: VifSpecification, by caller: Caller
    ) async throws(DrawbridgeError) -> VifID {
        let id = try await choose(given, for: specification, by: caller)
        guard !caller.isRoot else { return id }
        do throws(DrawbridgeError) {
            // Asked for while it is reserved, so that several at once do not each pass for the last one.
            let limit = await control.vifsPerUser()
            let own = try await engine.vifs().filter {
                $0.request.owner == caller.user && $0.state != .vanished
            }
            guard await numbers.count(of: caller.user, among: own.map(\.request.id)) <= Int(limit) else {
                throw DrawbridgeError(
                    .permissionDenied, id.description,
                    "the user \(caller.user) has \(own.count) vifs, and vifs-per-user allows \(limit)",
                    advice: "remove one, or ask root for a higher limit")
            }
        } catch {
            await numbers.release(id)
            throw error
        }
        return id
    }

    private func choose(
        _ given: VifID?, for specification: VifSpecification, by caller: Caller
    ) async throws(DrawbridgeError) -> VifID {
        guard let given else {
            while true {
                let vifs = try await engine.vifs().map(\.request)
                let id = await numbers.reserveNext(
                    domain: specification.domain, owner: caller.user, among: vifs)
                // Another request may have ended, and given its number up, since the vifs were listed.
                do throws(DrawbridgeError) {
                    if try await engine.vif(id) == nil { return id }
                } catch {
                    await numbers.release(id)
                    throw error
                }
                await numbers.release(id)
            }
        }
        try await numbers.reserve(given, owner: caller.user, domain: specification.domain)
        guard !caller.isRoot else { return given }
        // Asked for while the id is reserved, so that nobody can take it between the question and the act.
        do throws(DrawbridgeError) {
            try demand(.attachPair(owner: try await owner(of: given)), of: given.description, by: caller)
        } catch {
            await numbers.release(given)
            throw error
        }
        return given
    }

    private func owner(of id: VifID) async throws(DrawbridgeError) -> UInt32? {
        try await engine.vif(id)?.request.owner
    }

    /// The vif meant by `vif3.1`, `3.1` or the name that its device bears now.
    private func resolve(_ text: String, by caller: Caller) async throws(DrawbridgeError) -> VifID {
        if let id = VifID(text) ?? VifID("vif\(text)") { return id }
        if callers.standing(of: caller) != .stranger,
            let status = try await engine.vifs().first(where: { $0.device == text })
        {
            return status.request.id
        }
        return try Mapping.vifID(text)
    }

    /// The id that was given, or that the name of an existing device says.
    private static func identifier(of specification: VifSpecification) throws(DrawbridgeError) -> VifID? {
        if let text = specification.id { return try Mapping.vifID(text) }
        // A tap may have any name; one of this form tells its vif.
        if specification.tap != nil { return specification.vifName.flatMap { VifID($0) } }
        guard let device = specification.device else { return nil }
        guard let id = VifID(device) else {
            throw DrawbridgeError(
                .invalidArgument, "device '\(device)'", "does not say which vif it is", advice: "add an id")
        }
        return id
    }

    static func answer(_ outcome: Outcome) -> OutcomeAnswer {
        OutcomeAnswer(outcome: OutcomeReport(outcome))
    }
}

/// What the daemon does about itself.
protocol DaemonControl: Sendable {
    /// What it is and does.
    func report() async -> DaemonReport
    /// How many vifs a user other than root may have.
    func vifsPerUser() async -> UInt32
    /// Reads the configuration file again.
    func reload(dryRun: Bool) async throws(DrawbridgeError) -> Outcome
    /// Ends the daemon after its networks, unless they are kept.
    func shutDown(keepNetwork: Bool, by caller: Caller) async throws(DrawbridgeError)
}
