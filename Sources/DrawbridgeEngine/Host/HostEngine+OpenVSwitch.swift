import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// Vifs that are ports of Open vSwitch: `vif-openvswitch`. See docs/openvswitch.md.
//
// The kernel and Open vSwitch's database have no transaction together: the device is made ready first, with its filter
// before anything, and joins last; it leaves first, and then goes down. What a killed daemon leaves between the two is
// completed by the next one, since the attachment is written down before either.

extension HostEngine {
    /// The port of Open vSwitch that a vif is to be; nil where it is to be none. Where no script says how it is to be
    /// connected the configuration does, unless the vif names a network that is up.
    func switchPort(of request: VifRequest) -> SwitchPort? {
        if let port = request.switchPort { return port }
        guard request.kind == nil, configuration.vifScript.builtIn == .vifOpenVSwitch else { return nil }
        guard let name = request.bridge else { return SwitchPort() }
        if raised.values.contains(where: { $0.network.name == name || $0.network.bridge == name }) {
            return nil
        }
        return SwitchPort(name.rawValue) ?? SwitchPort()
    }

    /// Whether a vif that goes is a port of Open vSwitch, or was asked to be one.
    func isSwitched(_ request: VifRequest) -> Bool {
        guard let known = attachments[request.id] else { return switchPort(of: request) != nil }
        return known.request.switchPort != nil
    }

    /// Connects vifs of which some become ports of Open vSwitch: those one by one, the others together.
    func attachWithSwitches(_ work: [Work], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome] {
        var outcomes: [VifID: Outcome] = [:]
        var others: [Work] = []
        for one in work {
            if let port = switchPort(of: one.request) {
                outcomes[one.request.id] = try await attach(one, to: port, dryRun: dryRun)
            } else {
                try checkNotSwitched(one.request)
                others.append(one)
            }
        }
        if !others.isEmpty {
            for (one, outcome) in zip(others, try await attachNow(others, dryRun: dryRun)) {
                outcomes[one.request.id] = outcome
            }
        }
        return work.map { outcomes[$0.request.id] ?? Outcome(changed: false) }
    }

    /// Disconnects vifs of which some are ports of Open vSwitch.
    func detachWithSwitches(_ requests: [VifRequest], dryRun: Bool) async throws(DrawbridgeError) -> [Outcome]
    {
        var outcomes: [VifID: Outcome] = [:]
        let others = requests.filter { !isSwitched($0) }
        for request in requests where isSwitched(request) {
            outcomes[request.id] = try await detachFromSwitch(request, dryRun: dryRun)
        }
        if !others.isEmpty {
            for (one, outcome) in zip(others, try await detachNow(others, dryRun: dryRun)) {
                outcomes[one.id] = outcome
            }
        }
        return requests.map { outcomes[$0.id] ?? Outcome(changed: false) }
    }

    /// Refuses to connect otherwise what is a port of Open vSwitch: only its database can take it out of there.
    private func checkNotSwitched(_ request: VifRequest) throws(DrawbridgeError) {
        guard let port = attachments[request.id]?.request.switchPort else { return }
        throw DrawbridgeError(
            .conflict, "\(request.id)", "is connected to \(port) of Open vSwitch",
            advice: "disconnect it first with 'drawbridge vif remove \(request.id)'")
    }

    private func attach(
        _ one: Work, to port: SwitchPort, dryRun: Bool
    ) async throws(DrawbridgeError) -> Outcome {
        try checkOwner(of: one.request.id, one.caller)
        let one = dryRun ? one : withHardwareAddresses([one])[0]
        var request = one.request
        let id = request.id
        request.switchPort = port
        guard let name = port.bridge else {
            throw DrawbridgeError(noSwitchIn: request.bridge?.rawValue, of: "\(id)")
        }
        let known = attachments[id]
        if let known, known.request.switchPort == nil, let network = known.network {
            throw DrawbridgeError(
                .conflict, "\(id)", "is connected to \(network), which is not Open vSwitch's",
                advice: "disconnect it first with 'drawbridge vif remove \(id)'")
        }
        if !one.caller.isRoot, let key = configuration.excess(of: request, on: name) {
            throw DrawbridgeError(
                .permissionDenied, "\(id): \(key)", "is more than the configuration gives it",
                advice: "ask root, or for less")
        }
        let isIsolated = configuration.isolates(request, on: name)
        guard let device = request.filteredDevice,
            let rows = SwitchPortRows(request, device: device, isProtected: isIsolated)
        else { throw DrawbridgeError(.invalidArgument, "\(id)", "is too long for the name of an interface") }
        // What can be refused is refused before anything is changed. A vif that is connected is left to what follows:
        // its filter stands even where Open vSwitch does not answer.
        var isOutside = known?.isOutsideKernel ?? false
        if known == nil {
            isOutside = try await openVSwitch.examine(rows)
            try checkHeld(request, on: name, isOutside: isOutside)
        }
        let prepared = try await makeReady(
            one, request, on: name, isIsolated: isIsolated, isOutside: isOutside, dryRun: dryRun)
        var outcome = prepared.outcome
        guard !dryRun else {
            outcome.plan.append("connect \(device) to \(port) of Open vSwitch")
            return outcome
        }
        let joining: OpenVSwitch.Joining
        do throws(DrawbridgeError) {
            joining = try await openVSwitch.connect(rows)
        } catch {
            await takeBack(prepared, known, request)
            throw error
        }
        if joining.isChanged {
            outcome.plan.append("connect \(device) to \(port) of Open vSwitch")
            outcome.changed = true
        }
        outcome.warnings += warnings(of: request, port, on: name, joining)
        attachments[id] = prepared.attachment
        if joining.isUserspace != isOutside {
            // Somebody has made the bridge another one.
            attachments[id]?.isOutsideKernel = joining.isUserspace ? true : nil
            try await writeAttachments()
        }
        learned[id] = prepared.attachment?.learned
        rememberGroups(of: [id])
        ownAddresses = prepared.own
        _ = resting.give(request.addresses, on: name)
        rememberShapers(prepared.bindings, of: [id])
        try await leadToShapers([id])
        log.add("vif-online", "\(id)", "\(port) of Open vSwitch")
        await settleListening(to: [id])
        return outcome
    }

    /// Refuses a vif that is to be filtered and cannot be, where the configuration will have none.
    private func checkHeld(
        _ request: VifRequest, on name: NetworkName, isOutside: Bool
    ) throws(DrawbridgeError) {
        guard isOutside, configuration.failsClosed, filterPolicy.filter(of: request, on: name) != nil else {
            return
        }
        throw DrawbridgeError(
            .unsafe, "\(request.id)",
            "\(name) forwards outside of the kernel (datapath_type netdev), where it cannot be filtered",
            advice: "use a bridge of the kernel's datapath, or say antispoof: no of this vif")
    }

    private func warnings(
        of request: VifRequest, _ port: SwitchPort, on name: NetworkName, _ joining: OpenVSwitch.Joining
    ) -> [String] {
        var warnings: [String] = []
        let id = request.id
        if port.tag != nil, !port.trunks.isEmpty {
            warnings.append("\(id): with a tag, Open vSwitch leaves the trunks of '\(port)' aside")
        }
        let isFiltered = filterPolicy.filter(of: request, on: name) != nil
        if joining.isUserspace, isFiltered || configuration.rates(of: request, on: name).fromGuest != nil {
            // Its packet socket has the guest's frames before the kernel's ingress has them.
            warnings.append(
                "\(id): \(name) forwards outside of the kernel (datapath_type netdev), where neither the filter nor the limit from the guest holds"
            )
        }
        return warnings
    }

    /// A vif whose device is ready, and what takes that back.
    private struct Prepared: Sendable {
        var outcome: Outcome
        var attachment: Attachment?
        var own: Set<IPAddress>?
        var bindings: Bindings
        var before: HostState
        var filtering: FilterChange
        var scope: PlanScope
        var observed: ObservationScope
    }

    /// Makes the device ready to join, and writes the attachment down before.
    private func makeReady(
        _ one: Work, _ request: VifRequest, on name: NetworkName, isIsolated: Bool, isOutside: Bool,
        dryRun: Bool
    ) async throws(DrawbridgeError) -> Prepared {
        let (id, group, journal) = (request.id, linkGroup, journal)
        let rivals = attachments.rivals(of: [request])
        let known = attachments[id]
        if !dryRun { try await prepareAttachments() }
        var policy = filterPolicy
        if known?.request.mac != request.mac { policy.learned[id] = nil }
        _ = policy.resting.give(request.addresses, on: name)
        let filter = policy.filter(of: request, on: name)
        let groups = groupPolicy
        let vif = SwitchVif(request, group: group)
        let shaping = VifShaping(
            id, configuration.rates(of: request, on: name), group: group, tick: HostAccess.timerTick)
        let scope = PlanScope(vifs: [id])
        let observed = ObservationScope.vifs(
            [VifDevice(id: id, names: request.possibleNames)], bridges: [:])
        let peers = one.namespace.map { [vif.key: $0] } ?? [:]
        return try await host.transact { [policy] (access) throws(DrawbridgeError) in
            var own = policy.own
            try access.checkName(of: request)
            try access.checkUnique([(request, name)], among: rivals)
            let filtering = FilterChange(from: access.permitted(known, policy), to: filter)
            func remember(_ bindings: Bindings) throws(DrawbridgeError) -> Attachment {
                var new = Attachment(
                    request: request, network: name,
                    device: LinkName(bindings.names[vif.key] ?? "\(id)") ?? name,
                    index: bindings.index(of: vif.key) ?? 0)
                new.isIsolated = isIsolated ? true : nil
                new.isOutsideKernel = isOutside ? true : nil
                if let filter, filter.mode == .learning, !filter.addresses.isEmpty {
                    new.learned = filter.addresses
                }
                try journalled { () throws(RecordError) in
                    try journal.changeAttachments(AttachmentsChange(set: [new]))
                }
                return new
            }
            var before: HostState?
            do throws(DrawbridgeError) {
                // Filter first, link up afterwards.
                if !dryRun, filtering.new != nil || filtering.old != nil {
                    let known: Set<IPAddress>
                    if let addresses = own { known = addresses } else { known = try access.ownAddresses() }
                    own = known
                    try access.permit([filtering], guarding: [name: policy.guarded(on: name, known)])
                }
                if !dryRun, groups.concerns(request, on: name) {
                    try access.applyGroups(groups.layout(adding: [(request, name)]))
                }
                let reached = try access.reach(
                    observed, within: scope, dryRun: dryRun, peers: peers,
                    writeDown: { (state, bindings) throws(DrawbridgeError) in
                        before = state
                        _ = try remember(bindings)
                    },
                    desire: { (state) throws(DrawbridgeError) in
                        try planning { () throws(PlanningError) in
                            try shaping.limited(in: try vif.online(in: state))
                        }
                    })
                var outcome = Outcome(
                    changed: !reached.lines.isEmpty, plan: reached.lines, warnings: reached.warnings)
                outcome.warnings += shaping.notices(mtu: reached.after.links[vif.key]?.mtu ?? 1500)
                if filter == nil, policy.settings(of: id, on: name).isOn {
                    outcome.warnings.append(
                        "\(id) is not filtered: its hardware address is not told (mac=)")
                }
                outcome.note(filtering)
                return Prepared(
                    outcome: outcome, attachment: dryRun ? nil : try remember(reached.bindings), own: own,
                    bindings: reached.bindings, before: reached.before, filtering: filtering, scope: scope,
                    observed: observed)
            } catch {
                guard !dryRun else { throw error }
                // What was there before is what is wanted now.
                try? access.permit([filtering.inverse])
                try? access.applyGroups(groups.layout())
                if let before {
                    _ = try? access.reach(observed, within: scope, claiming: group, desire: { _ in before })
                    try? journal.changeAttachments(
                        AttachmentsChange(set: known.map { [$0] } ?? [], removed: known == nil ? [id] : []))
                }
                throw error
            }
        }
    }

    /// Takes back what was made ready for Open vSwitch, which did not take it.
    private func takeBack(_ prepared: Prepared, _ known: Attachment?, _ request: VifRequest) async {
        let (journal, group, id) = (journal, linkGroup, request.id)
        let layout = groupPolicy.layout()
        try? await host.transact { (access) throws(DrawbridgeError) in
            _ = try? access.reach(
                prepared.observed, within: prepared.scope, claiming: group,
                desire: { _ in prepared.before })
            try? access.permit([prepared.filtering.inverse])
            try? access.applyGroups(layout)
            try? journal.changeAttachments(
                AttachmentsChange(set: known.map { [$0] } ?? [], removed: known == nil ? [id] : []))
        }
    }

    /// Disconnects a vif from Open vSwitch, whatever is left of it. Runs within a turn.
    private func detachFromSwitch(
        _ request: VifRequest, dryRun: Bool
    ) async throws(DrawbridgeError) -> Outcome {
        let known = attachments[request.id]
        let (request, id, group) = (known?.request ?? request, request.id, linkGroup)
        let device = known?.vifDevice ?? VifDevice(id: id, names: request.possibleNames)
        var names = request.possibleNames
        if let known, !names.contains(known.device) { names.append(known.device) }
        var lines: [String] = []
        var warnings: [String] = []
        if !dryRun { try await prepareAttachments() }
        do throws(DrawbridgeError) {
            if try await openVSwitch.disconnect(id, names: names, dryRun: dryRun) {
                lines.append("disconnect \(known?.device.rawValue ?? "\(id)") from Open vSwitch")
            }
        } catch {
            // Nothing keeps a vif from going.
            warnings.append("\(error.object): \(error.cause); its port stays in the database")
            log.add("vif-offline", "\(id)", error: "\(error)")
        }
        var policy = filterPolicy
        let filter = try await host.transact { [policy] access in access.permitted(known, policy) }
        let rested = filter.map { filter in
            filter.addresses.map { RestingAddress(network: filter.network, prefix: $0) }
        }
        for one in rested ?? [] { _ = policy.resting.rest(one) }
        var guarded: [NetworkName: Set<Prefix>] = [:]
        if let own = policy.own, let name = filter?.network { guarded[name] = policy.guarded(on: name, own) }
        let guards = guarded
        let hadGroups = grouped.contains(id)
        let groups = hadGroups ? groupPolicy.layout(removing: [id]) : GroupLayout()
        let vif = SwitchVif(request, group: group)
        let reached = try await host.transact { (access) throws(DrawbridgeError) in
            let reached = try access.reach(
                .vifs([device], bridges: [:]), within: PlanScope(vifs: [id]), dryRun: dryRun, claiming: group,
                desire: { state in vif.offline(in: state) })
            guard !dryRun else { return reached }
            if let filter { try access.forbid([filter], guarding: guards) }
            if hadGroups { try access.applyGroups(groups) }
            return reached
        }
        let plan = lines + reached.lines
        var outcome = Outcome(changed: !plan.isEmpty, plan: plan, warnings: warnings + reached.warnings)
        outcome.note(FilterChange(from: filter, to: nil))
        guard !dryRun else { return outcome }
        attachments[id] = nil
        await forgetShapers(of: [id])
        learned[id] = nil
        grouped.remove(id)
        resting = policy.resting
        let journal = journal
        try journalled { () throws(RecordError) in
            try journal.changeAttachments(AttachmentsChange(removed: [id], resting: rested ?? []))
        }
        log.add("vif-offline", "\(id)")
        await settleListening(to: [id])
        return outcome
    }

    /// Connects again what an earlier daemon connected to Open vSwitch, where the same device is there still. A vif that is
    /// down and has no port was going, or was not finished: it is disconnected.
    func attachToSwitches() async {
        let known = attachments.values.filter { $0.request.switchPort != nil && $0.index != 0 }
            .sorted { $0.request.id < $1.request.id }
        guard !known.isEmpty else { return }
        let links: [Int32: Link<Int32>]
        do throws(DrawbridgeError) {
            links = try await host.transact { (access) throws(DrawbridgeError) in
                try access.links(known.map(\.index))
            }
        } catch {
            return log.add("network-adopted", "Open vSwitch", error: "\(error)")
        }
        for one in known {
            let names = Set(one.request.possibleNames + [one.device])
            guard let link = links[one.index], let name = LinkName(link.name), names.contains(name) else {
                continue
            }
            var isWanted = link.isUp
            if !isWanted {
                // Where that cannot be found out now, it is tried.
                isWanted = (try? await openVSwitch.hasPort(one.request.id, names: [name])) ?? true
            }
            if isWanted {
                var work = Work(request: one.request, caller: .daemon)
                if case .existing = work.request.source { work.request.source = .existing(name) }
                _ = await attachEach([work])
                continue
            }
            do throws(DrawbridgeError) { _ = try await detachNow([one.request], dryRun: false) } catch {
                log.add("vif-offline", "\(one.request.id)", error: "\(error)")
            }
        }
    }
}
