import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// Vifs of routed and NAT networks: `vif-route` and `vif-nat`.

extension HostEngine {
    /// How a vif is to be connected: as a script says, else by the network it names, else by the configuration.
    func kind(of request: VifRequest) -> NetworkKind {
        if let kind = request.kind { return kind }
        if let name = request.bridge {
            return raised.values.first { $0.network.name == name || $0.network.bridge == name }?.network.kind
                ?? .bridged
        }
        return configuration.vifScript.builtIn?.kind ?? .bridged
    }

    /// The network of a routed vif, whether it is up or yet to be raised: its uplink is what `netdev` says, or
    /// `gatewaydev` of the store, else that of the only network of the kind, else `eth0`.
    private func routedNetwork(
        for request: VifRequest, _ kind: NetworkKind
    ) throws(DrawbridgeError) -> Network {
        let networks = routedNetworks.filter { $0.kind == kind }
        if let name = request.bridge, let known = networks.first(where: { $0.name == name }) { return known }
        let call = configuration.vifScript
        let told = call.builtIn?.kind == kind ? ScriptArguments(call.arguments)["netdev"] : nil
        let netdev = request.netdev?.rawValue ?? told
        if netdev == nil, networks.count == 1 { return networks[0] }
        let script: BuiltInScript = kind == .nat ? .networkNAT : .networkRoute
        let words = ScriptArguments(["start", "netdev=\(netdev ?? "eth0")"])
        let route = try RouteArguments(words, script: script)
        return networks.first { $0.uplinkName == route.netdev }
            ?? route.network(settings: configuration.networkDefaults)
    }

    /// Worded as Xen's script words it.
    private static func notAddressed(_ netdev: LinkName, _ kind: NetworkKind) -> DrawbridgeError {
        let script = kind == .nat ? "vif-nat" : "vif-route"
        return DrawbridgeError(
            .notFound, netdev.rawValue,
            "\(netdev) is not up.  Bring it up or specify another interface with netdev=<if> as a parameter to \(script)."
        )
    }

    /// Connects a vif to a routed or NAT network. Runs within a turn.
    func attachRouted(_ one: Work, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        try checkOwner(of: one.request.id, one.caller)
        if let vlans = configuration.vlans(of: one.request) {
            throw DrawbridgeError(
                .unsupported, "\(one.request.id): vlan",
                "'\(vlans.text)' needs a bridge that filters by VLANs, and it is routed",
                advice: "leave it out")
        }
        let kind = kind(of: one.request)
        let one = dryRun ? one : withHardwareAddresses([one])[0]
        var request = one.request
        var router: IPv4Address?
        if kind == .nat {
            let addresses = try planning { () throws(PlanningError) in try NATAddresses(of: request) }
            router = addresses.router
            request.addresses.removeAll { $0.family == .ipv4 }
            request.addresses.insert(Prefix(host: .ipv4(addresses.guest)), at: 0)
        }
        var network = try routedNetwork(for: request, kind)
        let name = network.name
        guard let netdev = network.uplinkName else { throw notUp(name) }
        request.kind = kind
        request.netdev = netdev
        if !one.caller.isRoot, let key = configuration.excess(of: request, on: name) {
            throw DrawbridgeError(
                .permissionDenied, "\(request.id): \(key)", "is more than the configuration gives it",
                advice: "ask root, or for less")
        }
        let rivals = attachments.rivals(of: [request])
        let elders = one.caller.isRoot ? rivals.filter { request.succeeds($0, on: name) } : []
        let others = rivals.filter { rival in !elders.contains { $0.request.id == rival.request.id } }
        let index = raised[name]?.baseline.identity.uplinkIndex
        // What can be refused is refused before a network is raised for it.
        let facts = try await host.transact { [request] (access) throws(DrawbridgeError) in
            try access.checkName(of: request)
            if case .existing(let device) = request.source, try access.link(named: device) == nil {
                throw DrawbridgeError(.notFound, device.rawValue, "no such interface")
            }
            try access.checkUnique([(request, name)], among: others)
            var uplink = index
            if uplink == nil { uplink = try access.link(named: netdev)?.index }
            guard let uplink else { throw Self.notAddressed(netdev, kind) }
            return (try access.mainAddress(of: uplink), access.hasIPv6())
        }
        request.handsOut = tells(request, on: network)
        try checkTells(request, on: network)
        if kind == .routed { router = facts.0 }
        let hasIPv4 = request.addresses.contains { $0.family == .ipv4 }
        if router == nil, hasIPv4 || request.addresses.isEmpty { throw Self.notAddressed(netdev, kind) }
        try request.checkAddresses(host: facts.0, router: router)
        var lines: [String] = []
        if raised[name] == nil {
            lines = try await raise(network, dryRun: dryRun).plan
            guard let known = raised[name] else {
                guard dryRun else { throw notUp(name) }
                return Outcome(lines: lines + ["connect \(request.id) to \(name)"])
            }
            network = known.network
        }
        var vif = RoutedVif(request, group: linkGroup, network: name, router: router)
        vif.hasIPv6 = facts.1
        if case .existing(let device) = request.source { vif.isTap = device.rawValue.hasSuffix("-emu") }
        var outcome = try await connect(vif, one, on: network, elders: elders, dryRun: dryRun)
        if !vif.hasIPv6, request.addresses.contains(where: { $0.family == .ipv6 }) {
            outcome.warnings.append(
                "\(request.id): IPv6 is off in this kernel; its IPv6 addresses are left aside")
        }
        outcome.plan = lines + outcome.plan
        guard !dryRun, request.handsOut == true else { return outcome }
        do throws(DrawbridgeError) {
            outcome.warnings += try await tell(request, insteadOf: elders, on: network)
        } catch {
            do throws(DrawbridgeError) { _ = try await detachRouted(request, dryRun: false) } catch {
                log.add("vif-offline", "\(request.id)", error: "\(error)")
            }
            throw error
        }
        return outcome
    }

    private func connect(
        _ vif: RoutedVif, _ one: Work, on network: Network, elders: [Attachment], dryRun: Bool
    ) async throws(DrawbridgeError) -> Outcome {
        let (request, name, id) = (vif.request, network.name, vif.request.id)
        var lines: [String] = []
        if vif.speaksIPv6, !forwarding.ipv6Networks.contains(name) {
            lines += try await forward(for: forwardingNetworks, ipv6: name, dryRun: dryRun)
        }
        if !dryRun {
            if configuration.rates(of: request, on: name).fromGuest != nil { try await demandWays() }
            try await prepareAttachments()
        }
        let known = attachments[id]
        let journal = journal
        let shaping = VifShaping(
            id, configuration.rates(of: request, on: name), group: linkGroup, tick: HostAccess.timerTick)
        var policy = filterPolicy
        _ = policy.resting.give(request.addresses, on: name)
        let filter = policy.filter(of: request, on: name)
        let groups = groupPolicy
        let limiters = limiters(of: [id])
        let formerGuest = known.flatMap {
            $0.routedGuest(on: network, isIsolated: $0.isIsolated ?? false)
        }
        let isIsolated = configuration.isolates(request, on: name)
        let guest = request.routedGuest(on: network, isIsolated: isIsolated)
        let uplinks = raised[name]?.uplinks ?? [:]
        let devices = [VifDevice(id: id, names: request.possibleNames)] + elders.map(\.vifDevice)
        let scope = PlanScope(networks: [name], vifs: Set(devices.map(\.id)))
        let elderIDs = elders.map(\.request.id)
        let addresses = request.hostAddresses.union(known?.request.hostAddresses ?? [])
        let released = releasedAddresses(of: known, for: request)
        let observation = ObservationScope.routed(devices, uplinks: uplinks, addresses: addresses)
        let peers = one.namespace.map { [vif.key: $0] } ?? [:]
        let (reached, attachment, own) = try await host.transact {
            [policy] (access) throws(DrawbridgeError) -> (Reached, Attachment?, Set<IPAddress>?) in
            var before: HostState?
            var own = policy.own
            let filtering = FilterChange(from: access.permitted(known, policy), to: filter)
            let move = known.move(to: name, as: request, filtering)
            func remember(
                _ bindings: Bindings, _ state: HostState, isDone: Bool = true
            ) throws(DrawbridgeError) -> Attachment {
                var new = Attachment(
                    request: request, network: name,
                    device: LinkName(bindings.names[vif.key] ?? "\(id)") ?? name,
                    index: bindings.index(of: vif.key) ?? 0)
                new.isIsolated = isIsolated ? true : nil
                new.isMoving = isDone || move == nil ? nil : true
                new.formerSettings = known?.formerSettings ?? state.settings[vif.key]?.asText
                try journalled { () throws(RecordError) in
                    try journal.changeAttachments(AttachmentsChange(set: [new]))
                }
                return new
            }
            do throws(DrawbridgeError) {
                // Filter first, link up afterwards.
                if !dryRun {
                    if filtering.new != nil || filtering.old != nil || move != nil {
                        let known: Set<IPAddress>
                        if let own { known = own } else { known = try access.ownAddresses() }
                        own = known
                        try access.permit(
                            [move?.closing ?? filtering], guarding: [name: policy.guarded(on: name, known)])
                    }
                    if move != nil { try access.empty(Array(limiters.values)) }
                    if groups.concerns(request, on: name) {
                        try access.applyGroups(groups.layout(adding: [(request, name)]))
                    }
                    if let guest { try access.admit([guest]) }
                }
                var observed = HostState()
                let reached = try access.reach(
                    observation, within: scope, dryRun: dryRun, peers: peers,
                    writeDown: { (state, bindings) throws(DrawbridgeError) in
                        before = state
                        observed = state
                        _ = try remember(bindings, state, isDone: false)
                    },
                    desire: { (state) throws(DrawbridgeError) in
                        try planning { () throws(PlanningError) in
                            try shaping.limited(
                                in: try vif.online(
                                    in: state, insteadOf: elderIDs, releasing: released))
                        }
                    })
                guard !dryRun else { return (reached, nil, own) }
                let remembered = try remember(reached.bindings, observed)
                if let move { try access.permit([move.opening]) }
                return (reached, remembered, own)
            } catch {
                guard !dryRun else { throw error }
                // What was there before is what is wanted now.
                try? access.permit([move?.turning ?? filtering.inverse])
                try? access.applyGroups(groups.layout())
                if let guest { try? access.expel([guest]) }
                if let formerGuest { try? access.admit([formerGuest]) }
                if let before {
                    _ = try? access.reach(
                        observation, within: scope, claiming: vif.group,
                        desire: { _ in before })
                    try? journal.changeAttachments(
                        AttachmentsChange(set: known.map { [$0] } ?? [], removed: known == nil ? [id] : []))
                }
                if let move { try? access.permit([move.reopening]) }
                throw error
            }
        }
        var outcome = Outcome(lines: lines + reached.lines, warnings: reached.warnings)
        outcome.notePackets(of: id, shaping.rates, insteadOf: rateEntries[id])
        outcome.warnings += shaping.notices(mtu: reached.after.links[vif.key]?.mtu ?? request.mtu ?? 1500)
        if filter == nil, policy.settings(of: id, on: name).isOn {
            outcome.warnings.append("\(id) is not filtered: its hardware address is not told (mac=)")
        }
        if let attachment {
            attachments[id] = attachment
            rememberGroups(of: [id])
            ownAddresses = own
            _ = resting.give(request.addresses, on: name)
            rememberShapers(reached.bindings, of: [id])
            try await leadToShapers([id])
            log.add("vif-online", "\(id)", name.rawValue)
            for elder in elders {
                log.add("vif-yielded", "\(elder.request.id)", "its addresses are those of \(id) now")
            }
        }
        return outcome
    }
}
