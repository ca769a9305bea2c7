import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Logging
import NetworkTypes

// Routed and NAT networks: the host forwards between an uplink and vifs that have routes of their own. See
// docs/routing.md.

extension HostEngine {
    /// The built-ins `network-route` and `network-nat`. Runs within a turn.
    func networkRoute(_ words: [String], script: BuiltInScript) async throws(DrawbridgeError) -> ScriptReply {
        let arguments = ScriptArguments(words)
        let command = try NetworkCommand(arguments, script: script.rawValue)
        let route = try RouteArguments(arguments, script: script)
        for notice in route.notices { logger.notice("\(script.rawValue): \(notice)") }
        let network = route.network(settings: configuration.networkDefaults)
        switch command {
        case .start:
            let outcome = try await raise(raised[network.name]?.network ?? network, dryRun: false)
            return ScriptReply(exitCode: 0, message: outcome.warnings.joined(separator: "; "))
        case .stop:
            let outcome = try await lower(network.name, dryRun: false)
            return ScriptReply(exitCode: 0, message: outcome.warnings.joined(separator: "; "))
        case .status:
            return ScriptReply(
                exitCode: 0, output: try await statusPage(of: raised[network.name]?.network ?? network))
        }
    }

    /// Raises a routed or NAT network. Runs within a turn.
    func raiseRouted(_ asked: Network, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        let name = asked.name
        guard let uplink = try await uplink(of: asked) else {
            throw DrawbridgeError(
                .invalidArgument, name.rawValue, "a \(asked.kind.rawValue) network needs an uplink",
                advice: "name the interface with netdev=")
        }
        let index = uplink.index
        let observed = try await host.transact { (access) throws(DrawbridgeError) in
            try access.observe(
                .network(asked, uplink: .identity(index: index, permanentAddress: nil))
            ).state.slice(of: PlanScope(networks: [name]))
        }
        var network = asked
        guard let link = observed.links[.uplink(name)], let device = LinkName(link.name) else {
            throw DrawbridgeError(.notFound, name.rawValue, "its uplink vanished")
        }
        network.uplink = .named(device)
        if configuration.compatibility.forwardsGlobally { network.routing?.isGlobal = true }
        let edits = asked.kind == .nat && configuration.compatibility.editsDHCPServer
        network.routing?.editsDHCPServer = edits
        try checkTells(network)
        try checkUplink(device, link, index: index)
        let identity = try await identity(uplink: (index, uplink.address))
        let wanted = forwardingNetworks + [network]
        guard !dryRun else {
            return Outcome(lines: try await forward(for: wanted, dryRun: true))
        }
        let record = BaselineRecord(
            network: network, state: observed, takenAt: Journal.now(), identity: identity)
        let journal = journal
        try journalled { () throws(RecordError) in
            try journal.setIntent(
                IntentRecord(.raising, since: Journal.now(), identity: identity), of: name)
            try journal.setBaseline(record, of: name)
        }
        raised[name] = RaisedNetwork(baseline: record, phase: .raising)
        do throws(DrawbridgeError) {
            let lines = try await finishRouted(name)
            return Outcome(lines: lines)
        } catch {
            do throws(DrawbridgeError) { _ = try await lowerRouted(name, dryRun: false) } catch {
                log.add("network-degraded", name.rawValue, error: "\(error)")
            }
            throw error
        }
    }

    /// Refuses what forwards already in another way.
    private func checkUplink(
        _ device: LinkName, _ link: Link<LinkKey>, index: Int32
    ) throws(DrawbridgeError) {
        let bridged = raised.values.first {
            $0.network.kind == .bridged && $0.baseline.identity.uplinkIndex == index
        }
        if let bridge = bridged?.network.bridge {
            throw DrawbridgeError(
                .conflict, device.rawValue, "is a port of bridge \(bridge), which has its addresses",
                advice: "name netdev=\(bridge), or stop that network first")
        }
        guard link.master == nil else {
            throw DrawbridgeError(
                .conflict, device.rawValue, "is a port of another device, which has its addresses",
                advice: "name that device with netdev=")
        }
    }

    /// Makes what a routed network has, or what is missing of it, and says that it is up.
    private func finishRouted(_ name: NetworkName) async throws(DrawbridgeError) -> [String] {
        guard var known = raised[name] else { throw notUp(name) }
        try await host.transact { (access) throws(DrawbridgeError) in try access.prepareRouting() }
        let lines = try await forward(for: forwardingNetworks, dryRun: false)
        let identity = known.baseline.identity
        let journal = journal
        if let uplink = identity.uplinkIndex {
            let address = try await host.transact { (access) throws(DrawbridgeError) in
                try access.mainAddress(of: uplink)
            }
            // While an address is changed there may be none: the last one holds until there is another.
            if let address { routers[name] = address }
        }
        try await beginTelling(on: known.network)
        known.phase = .up
        known.problem = nil
        try journalled { () throws(RecordError) in
            try journal.setIntent(IntentRecord(.up, since: Journal.now(), identity: identity), of: name)
        }
        raised[name] = known
        return lines
    }

    /// Repairs a routed network that is up, and finishes one that was left half way.
    func upholdRouted(_ name: NetworkName, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        do throws(DrawbridgeError) {
            guard !dryRun else {
                return Outcome(lines: try await forward(for: forwardingNetworks, dryRun: true))
            }
            let former = routers[name]
            var lines = try await finishRouted(name)
            // The vifs bear the uplink's address: they are connected again, with the new one.
            if let former, let now = routers[name], former != now {
                lines.append("have \(now) instead of \(former) on the vifs of \(name)")
            }
            return Outcome(lines: lines)
        } catch {
            if !dryRun { raised[name]?.problem = "\(error)" }
            throw error
        }
    }

    /// Lowers a routed network: its guests lose their routes, and the host its forwarding with the last one. Runs
    /// within a turn.
    func lowerRouted(_ name: NetworkName, dryRun: Bool) async throws(DrawbridgeError) -> Outcome {
        guard let known = raised[name] else { return Outcome(changed: false) }
        let guests = attachments.values.filter { $0.network == name }.sorted { $0.request.id < $1.request.id }
        let others = forwardingNetworks.filter { $0.name != name }
        let identity = known.baseline.identity
        let (journal, group) = (journal, linkGroup)
        let uplinks = known.uplinks
        // What a killed daemon had not yet taken back of a former address goes too.
        let kept = attachments.values.filter { $0.network != name && $0.request.kind?.isRouted == true }
            .reduce(into: Set<IPAddress>()) { $0.formUnion($1.request.hostAddresses) }
        do throws(DrawbridgeError) {
            if !dryRun {
                try journalled { () throws(RecordError) in
                    try journal.setIntent(
                        IntentRecord(.lowering, since: Journal.now(), identity: identity), of: name)
                }
            }
            if !dryRun { await endTelling(guests, on: known.network) }
            let reached = try await host.transact { (access) throws(DrawbridgeError) in
                try access.reach(
                    .routed(
                        guests.map(\.vifDevice), uplinks: uplinks,
                        addresses: nil),
                    within: PlanScope(networks: [name], vifs: Set(guests.map(\.request.id))), dryRun: dryRun,
                    claiming: group,
                    desire: { state in
                        guests.reduce(state.withoutProxies(of: name, but: kept)) { state, guest in
                            RoutedVif(guest.request, group: group, network: name, router: nil)
                                .releasing(in: state, former: guest.former)
                        }
                    })
            }
            let lines = try await reached.lines + forward(for: others, dryRun: dryRun)
            guard !dryRun else { return Outcome(lines: lines) }
            let expelled = guests.compactMap { $0.routedGuest(on: known.network) }
            let isLast = others.isEmpty
            try await host.transact { (access) throws(DrawbridgeError) in
                try isLast ? access.removeRouting() : access.expel(expelled)
            }
            raised[name] = nil
            routers[name] = nil
            await forgetShapers(of: guests.map(\.request.id))
            try await removeFilters(of: guests, on: known.network)
            suspects.remove(name)
            try journalled { () throws(RecordError) in try journal.forget(name) }
            log.add("network-stop", name.rawValue, "\(lines.count) steps")
            return Outcome(lines: lines, warnings: reached.warnings)
        } catch {
            guard !dryRun else { throw error }
            raised[name]?.phase = .lowering
            raised[name]?.problem = "\(error)"
            log.add("network-stop", name.rawValue, error: "\(error)")
            throw error
        }
    }

    /// The routed and NAT networks that are up, or on their way.
    var routedNetworks: [Network] {
        raised.values.map(\.network).filter { $0.kind.isRouted }.sorted { $0.name < $1.name }
    }

    /// The networks that the host forwards for: those, and the subnets that lead somewhere.
    var forwardingNetworks: [Network] {
        raised.values.map(\.network).filter { $0.kind.isRouted || $0.subnet?.exitName != nil }
            .sorted { $0.name < $1.name }
    }

    /// Brings the host's forwarding to what these networks desire, and no further.
    ///
    /// - Parameter ipv6: a network whose guests have IPv6 addresses from now on.
    /// - Returns: the steps.
    func forward(
        for networks: [Network], ipv6 added: NetworkName? = nil, dryRun: Bool
    ) async throws(DrawbridgeError) -> [String] {
        var remembered = forwarding
        remembered.ipv6Networks.formIntersection(networks.map(\.name))
        if let added { remembered.ipv6Networks.insert(added) }
        let desired = HostForwarding(of: networks, ipv6: remembered.ipv6Networks)
        let (journal, known) = (journal, remembered)
        let identity = try await identity(uplink: nil)
        let plan = try await host.transact { (access) throws(DrawbridgeError) in
            func plan(after known: ForwardingRecord) throws(DrawbridgeError) -> ForwardingPlan {
                ForwardingPlan(
                    to: desired, from: try access.forwardingSettings(),
                    advertised: desired.speaksIPv6 ? try access.advertisedLinks() : [],
                    remembered: known)
            }
            let first = try plan(after: known)
            guard !dryRun else { return first }
            if desired != HostForwarding() {
                try journalled { () throws(RecordError) in
                    try journal.setForwarding(StoredForwarding(record: first.record, identity: identity))
                }
            }
            try access.write(first.writes)
            // Planning once more and finding nothing to do is the proof.
            let rest = try plan(after: desired == HostForwarding() ? known : first.record)
            if let write = rest.writes.first {
                throw DrawbridgeError(
                    .kernel, write.setting.text, "did not become \(write.value)",
                    advice: "somebody else may be changing it")
            }
            if desired == HostForwarding() {
                try journalled { () throws(RecordError) in try journal.setForwarding(nil) }
            }
            return first
        }
        if !dryRun { forwarding = plan.record }
        return plan.writes.map(\.text)
    }

    /// Takes up what an earlier daemon wrote down of the host's forwarding.
    func recoverForwarding(_ current: JournalIdentity) throws(DrawbridgeError) {
        let journal = journal
        let stored = try journalled { () throws(RecordError) in try journal.forwarding() }
        guard let stored else { return }
        guard stored.identity.mismatch(with: current) == nil else {
            return try journalled { () throws(RecordError) in try journal.setForwarding(nil) }
        }
        forwarding = stored.record
    }

    /// Brings what routed networks share to what is known of them, after all that are remembered were recovered: the
    /// host's forwarding and the table are given back where there is none.
    func settleRouting() async {
        let networks = Dictionary(routedNetworks.map { ($0.name, $0) }) { first, _ in first }
        let guests = attachments.values.sorted { $0.request.id < $1.request.id }.compactMap { one in
            one.network.flatMap { networks[$0] }.flatMap {
                one.routedGuest(on: $0, isIsolated: configuration.isolates(one.request, on: $0.name))
            }.map { (one.index, $0) }
        }
        let forwarding = forwardingNetworks
        do throws(DrawbridgeError) {
            if forwarding.isEmpty, self.forwarding != ForwardingRecord() {
                _ = try await forward(for: [], dryRun: false)
            }
            try await host.transact { (access) throws(DrawbridgeError) in
                guard !forwarding.isEmpty else { return try access.removeRouting() }
                let there = try access.links(guests.map(\.0))
                try access.resetRouting(
                    to: guests.filter { there[$0.0] != nil }.map(\.1) + forwarding.compactMap(\.gateway))
            }
            try await settleForwards(isUnknown: true)
        } catch {
            log.add("routing", "daemon", error: "\(error)")
        }
    }
}

extension HostForwarding {
    /// What some networks desire together.
    fileprivate init(of networks: [Network], ipv6: Set<NetworkName>) {
        self.init()
        for network in networks {
            if let subnet = network.subnet, let exit = subnet.exitName {
                exits.insert(exit.rawValue)
                if subnet.address(.ipv6) != nil { ipv6Exits.insert(exit.rawValue) }
            }
            guard network.kind.isRouted, let uplink = network.uplinkName else { continue }
            uplinks.insert(uplink.rawValue)
            if ipv6.contains(network.name) { ipv6Uplinks.insert(uplink.rawValue) }
            if network.routing?.isGlobal == true { isGlobal = true }
        }
    }
}

extension Network {
    /// The uplink by its name, where it is named.
    var uplinkName: LinkName? { if case .named(let name) = uplink { name } else { nil } }
}

extension RaisedNetwork {
    /// Its uplink's index by its name, as a routed observation asks for it.
    var uplinks: [NetworkName: Int32] {
        baseline.identity.uplinkIndex.map { [network.name: $0] } ?? [:]
    }
}

extension Outcome {
    /// What some steps came to.
    init(lines: [String], warnings: [String] = []) {
        self.init(changed: !lines.isEmpty, plan: lines, warnings: warnings)
    }
}
