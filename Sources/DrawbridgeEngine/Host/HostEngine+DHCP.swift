import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Logging
import NetworkTypes

// The host's lease goes from its own DHCP client to one on the bridge, and back. See docs/dhcp.md.
//
// The order is that of DHCPHandover: the client rests, the uplink moves, the other client runs; at stop the other
// way round. What was begun is in the journal before it is done, so that whoever comes next can end it.

/// What is to be done about the DHCP client of an uplink that a network is to take.
struct HandoverPlan: Sendable {
    var client: RunningDHCPClient
    /// The uplink's name.
    var uplink: String
    var bridge: String
    /// The address that the client got, where it is known.
    var address: String?

    /// What is done before and after the uplink moves, a line a step.
    var linesBefore: [String] {
        ["rest \(HostEngine.words(for: client)) on \(uplink), which keeps its lease"]
    }
    var linesAfter: [String] {
        ["run \(client.command.kind.rawValue) on \(bridge)\(address.map { " for \($0)" } ?? "")"]
    }
}

// MARK: - Before anything changes

extension HostEngine {
    /// Finds the DHCP client that is to be handed over.
    ///
    /// - Returns: nil where there is none, or the configuration says what else to do; and what should be known.
    /// - Throws: where there is one that cannot be handed over.
    func planHandover(
        _ inspection: UplinkInspection?, in state: HostState, of network: Network
    ) async throws(DrawbridgeError) -> (plan: HandoverPlan?, warnings: [String]) {
        let key = LinkKey.uplink(network.name)
        // An uplink that is a port already has its client on the bridge, where it can stay.
        guard network.dhcpClient == .handOver, let inspection, let link = state.links[key],
            link.master != .bridge(network.name)
        else { return (nil, []) }
        let thread = "/proc/\(runner.thread)"
        var clients = await Self.steadyClients(on: link.name, inNamespaceOf: thread)
        let known = Set(clients.map(\.reference.process))
        for found in inspection.clients
        where !clients.contains(where: { $0.reference.process == found.process }) {
            // It may have ended since it was seen, or been a client's child that was to become a script.
            guard ProcessReference(process: found.process)?.isRunning == true,
                RunningDHCPClient.parent(of: found.process).map(known.contains) != true
            else { continue }
            guard let client = RunningDHCPClient(process: found.process, inNamespaceOf: thread) else {
                throw Self.unknownClient("\(found)", on: link.name)
            }
            clients.append(client)
        }
        guard let client = clients.first else {
            guard inspection.hasFiniteLifetimes else { return (nil, []) }
            // Nobody who is known by name, but one who listens as a DHCP client does.
            if let listener = inspection.internetListeners.first {
                throw Self.unknownClient(listener, on: link.name)
            }
            return (nil, ["\(link.name): it has an address for a limited time, and no DHCP client was found"])
        }
        for one in clients { try one.checkHandover(from: link.name) }
        guard clients.count == 1 else {
            let names = clients.map(Self.words).joined(separator: " and ")
            throw DrawbridgeError(
                .unsupported, link.name, "more than one DHCP client runs on it: \(names)",
                advice: "end all but one, or set dhcp-client: ignore")
        }
        let plan = HandoverPlan(
            client: client, uplink: link.name, bridge: network.bridge.rawValue,
            address: Self.leased(by: client, on: link.name, among: state.addresses(of: key, .ipv4)))
        return (plan, [])
    }

    /// The clients on an interface. One that starts a script, or goes into the background, is two for a moment.
    private static func steadyClients(
        on interface: String, inNamespaceOf thread: String
    ) async -> [RunningDHCPClient] {
        var clients = RunningDHCPClient.all(on: interface, inNamespaceOf: thread)
        for _ in 0..<50 where clients.count > 1 {
            let processes = Set(clients.map(\.reference.process))
            let areRelated = clients.contains { client in
                RunningDHCPClient.parent(of: client.reference.process).map(processes.contains) ?? true
            }
            guard areRelated else { break }
            try? await Task.sleep(for: .milliseconds(20))
            clients = RunningDHCPClient.all(on: interface, inNamespaceOf: thread)
        }
        return clients
    }

    private static func unknownClient(_ name: String, on uplink: String) -> DrawbridgeError {
        DrawbridgeError(
            .unsupported, uplink,
            "\(name) holds its lease, and is no DHCP client that can be handed over to a bridge",
            advice:
                "use udhcpc or dhclient for \(uplink), or set dhcp-client: ignore to go on and lose the lease"
        )
    }

    /// The address that a client got: the one in its lease, else one that does not last, else the first, which a
    /// client that takes all others away before has put there. A server that knows the client goes by what it knows.
    private static func leased(
        by client: RunningDHCPClient, on uplink: String, among addresses: [Address<LinkKey>]
    ) -> String? {
        if let lease = DHCPHandover.knownLease(of: client, on: uplink),
            addresses.contains(where: { "\($0.prefix.address)" == lease })
        {
            return lease
        }
        let best = addresses.first { $0.validLifetime != nil } ?? addresses.first
        return best.map { "\($0.prefix.address)" }
    }

    static func words(for client: RunningDHCPClient) -> String {
        "\(client.command.kind.rawValue) (process \(client.reference.process))"
    }
}

// MARK: - The order of things

extension HostEngine {
    /// Lays the host's own client to rest, written down first.
    func beginHandover(_ plan: HandoverPlan, of name: NetworkName) async throws(DrawbridgeError) {
        var client = plan.client
        // One that goes into the background may have left a child behind that goes on in its place.
        for _ in 0..<3 {
            let handover = try DHCPHandover(
                of: client, uplink: plan.uplink, bridge: plan.bridge, address: plan.address,
                stateDirectory: paths.stateDirectory, runner: runner, delegate: handoverDelegate(of: name))
            let record = await handover.record
            let journal = journal
            try journalled { () throws(RecordError) in try journal.setHandover(record, of: name) }
            handovers[name] = handover
            do throws(DrawbridgeError) {
                try await handover.rest()
            } catch {
                if let successor = successor(of: client, on: plan.uplink) {
                    client = successor
                    continue
                }
                _ = await wakeClient(of: name)
                throw error
            }
            try await remember(handover, of: name)
            guard let successor = successor(of: client, on: plan.uplink) else { break }
            client.reference.signal(SIGCONT)
            client = successor
        }
        log.add("dhcp-resting", plan.uplink, Self.words(for: client))
    }

    /// Writes down what has become of a hand-over.
    private func remember(_ handover: DHCPHandover, of name: NetworkName) async throws(DrawbridgeError) {
        let record = await handover.record
        let journal = journal
        try journalled { () throws(RecordError) in try journal.setHandover(record, of: name) }
    }

    /// Another process that runs the same client on the interface.
    private func successor(of client: RunningDHCPClient, on uplink: String) -> RunningDHCPClient? {
        RunningDHCPClient.all(on: uplink, inNamespaceOf: "/proc/\(runner.thread)").first {
            $0.reference.process != client.reference.process && $0.command.isSame(as: client.command)
                && $0.reference.isRunning
        }
    }

    /// Starts the client on the bridge, or takes up the one that runs there; nothing where nothing was handed over.
    func raiseSubstitute(of name: NetworkName) async throws(DrawbridgeError) {
        guard let handover = try handover(of: name) else { return }
        let isNew = await handover.record.substitute == nil
        try await handover.raise()
        let record = await handover.record
        guard isNew, let substitute = record.substitute else { return }
        log.add(
            "dhcp-handed-over", record.bridge,
            "\(record.client.command.kind.rawValue) runs as process \(substitute.process)")
    }

    /// Ends the client on the bridge, without a release.
    func lowerSubstitute(of name: NetworkName) async throws(DrawbridgeError) {
        try await handover(of: name)?.lower()
    }

    /// Lets the host's own client go on, and forgets the hand-over unless the whole network is about to be forgotten:
    /// while that is not, the next daemon has to know that there is a client.
    ///
    /// - Returns: what should be known where that failed.
    func wakeClient(of name: NetworkName, isForgotten: Bool = true) async -> [String] {
        var warnings: [String] = []
        do throws(DrawbridgeError) {
            guard let handover = try handover(of: name) else { return [] }
            let record = await handover.record
            do throws(DrawbridgeError) {
                try await handover.wake()
                log.add("dhcp-handed-back", record.uplink, Self.words(for: record.client))
                handedBack.append(handover)
            } catch {
                log.add("dhcp-handed-back", record.uplink, error: "\(error)")
                warnings.append("\(error)")
            }
            handovers[name] = nil
            guard isForgotten else { return warnings }
            let journal = journal
            try journalled { () throws(RecordError) in try journal.setHandover(nil, of: name) }
        } catch {
            log.add("dhcp-handed-back", name.rawValue, error: "\(error)")
            warnings.append("\(error)")
        }
        return warnings
    }

    /// After a stop that failed, the client on the bridge goes on where the uplink is still a port.
    func resumeHandover(of name: NetworkName) async {
        guard let known = raised[name] else { return }
        do throws(DrawbridgeError) {
            let index = known.baseline.identity.uplinkIndex
            let isPort = try await host.transact { (access) throws(DrawbridgeError) in
                try index.flatMap { (index) throws(DrawbridgeError) in try access.link(index: index) }?
                    .portKind == "bridge"
            }
            if isPort { try await raiseSubstitute(of: name) }
        } catch {
            log.add("dhcp-handed-over", name.rawValue, error: "\(error)")
        }
    }

    /// Takes up what an earlier daemon began: its client rests while the network is up.
    func takeUpHandover(of name: NetworkName) async {
        do throws(DrawbridgeError) {
            try await resumeRest(of: name)
        } catch {
            log.add("dhcp-resting", name.rawValue, error: "\(error)")
        }
    }

    private func resumeRest(of name: NetworkName) async throws(DrawbridgeError) {
        guard let handover = try handover(of: name) else { return }
        let record = await handover.record
        var client = record.client
        if !client.reference.isRunning {
            // Ended to be started anew, or started again by its service.
            let others = RunningDHCPClient.all(on: record.uplink, inNamespaceOf: "/proc/\(runner.thread)")
            guard let successor = others.first(where: { $0.command.isSame(as: client.command) }) else {
                return
            }
            client = successor
            var changed = record
            changed.client = client
            changed.isBeingRenewed = nil
            let journal = journal
            let written = changed
            try journalled { () throws(RecordError) in try journal.setHandover(written, of: name) }
            handovers[name] = nil
        }
        guard !client.reference.isStopped, let handover = try self.handover(of: name) else { return }
        try await handover.rest()
        try await remember(handover, of: name)
    }

    /// Leaves every hand-over to the next daemon.
    func leaveHandovers() async {
        for handover in handovers.values { await handover.leave() }
    }

    /// Waits until the clients that were started anew have their leases. Called without a turn, which they need.
    func awaitHandedBack() async {
        for handover in handedBack { await handover.finish(within: .seconds(5)) }
        handedBack = []
    }

    /// The hand-over of a network: the one under way, or the one in the journal.
    private func handover(of name: NetworkName) throws(DrawbridgeError) -> DHCPHandover? {
        if let handover = handovers[name] { return handover }
        let journal = journal
        guard
            let record = try journalled({ () throws(RecordError) in try journal.handover(of: name) })
        else { return nil }
        let handover = DHCPHandover(
            resuming: record, stateDirectory: paths.stateDirectory, runner: runner,
            delegate: handoverDelegate(of: name))
        handovers[name] = handover
        return handover
    }

    private func handoverDelegate(of name: NetworkName) -> DHCPHandover.Delegate {
        let logger = logger
        return DHCPHandover.Delegate(
            recordChanged: { [weak self] record in await self?.remember(record, of: name) },
            leaseBegan: { [weak self] lease in await self?.renew(lease) },
            log: { line in logger.notice("\(line)") })
    }

    private func remember(_ record: DHCPHandoverRecord, of name: NetworkName) {
        do throws(RecordError) {
            try journal.setHandover(record, of: name)
        } catch {
            log.add("dhcp-handed-over", name.rawValue, error: "\(error.reported)")
        }
    }

    /// Gives an address the lifetime of its lease, when nothing else changes the host.
    private func renew(_ lease: DHCPLease) async {
        guard let address = IPAddress(lease.address) else { return }
        await turn.begin()
        defer { turn.end() }
        do throws(DrawbridgeError) {
            try await host.transact { (access) throws(DrawbridgeError) in
                _ = try access.setLifetime(of: address, on: lease.interface, to: lease.remaining)
            }
        } catch {
            log.add("dhcp-lease", lease.interface, error: "\(error)")
        }
    }
}

// MARK: - For people

extension HostEngine {
    /// What a stop does about a hand-over before and after the uplink moves back, a line a step.
    func handoverLines(of name: NetworkName) async throws(DrawbridgeError) -> (
        before: [String], after: [String]
    ) {
        guard let record = try await handover(of: name)?.record else { return ([], []) }
        let kind = record.client.command.kind.rawValue
        return (
            record.substitute.map { ["end \(kind) (process \($0.process)) on \(record.bridge)"] } ?? [],
            ["wake \(Self.words(for: record.client)) on \(record.uplink)"]
        )
    }

    /// What `network status` tells of a hand-over.
    func handoverStatus(of name: NetworkName) async -> DHCPHandoverStatus? {
        guard let record = await handovers[name]?.record else { return nil }
        return DHCPHandoverStatus(
            client: record.client.command.kind.rawValue, resting: record.client.reference.process,
            running: record.substitute?.process, address: record.address)
    }
}
