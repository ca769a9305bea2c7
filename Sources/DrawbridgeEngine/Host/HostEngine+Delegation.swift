import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Logging
import NetworkTypes

// Subnets whose IPv6 prefix the router beyond their uplink delegates. See docs/subnets.md.

extension HostEngine {
    /// Refuses a subnet that is to ask for a prefix where nobody can do it.
    func checkAsks(_ network: Network) throws(DrawbridgeError) {
        guard network.subnet?.isDelegated == true, PrefixClient.executable == nil else { return }
        throw DrawbridgeError(
            .unsupported, network.name.rawValue, "dhclient, which asks for the prefix, is not installed",
            advice: "install isc-dhcp-client, or give the network an address instead of 'delegated'")
    }

    /// Asks for a prefix for a network that is up, or goes on with it.
    func beginAsking(for network: Network) async throws(DrawbridgeError) {
        let name = network.name
        guard let files = prefixFiles(of: network), prefixClients[name] == nil else { return }
        guard let executable = PrefixClient.executable else { return try checkAsks(network) }
        let logger = logger
        let client = PrefixClient(
            files, runner: runner, executable: executable,
            changed: { [weak self] prefix in await self?.delegated(prefix, to: name) ?? true },
            log: { line in logger.warning("\(line)") })
        try await client.start(namespaceOf: runner.thread)
        prefixClients[name] = client
    }

    /// Gives a network's prefix back to the router.
    func endAsking(for network: Network) async {
        guard let files = prefixFiles(of: network) else { return }
        if let client = prefixClients.removeValue(forKey: network.name) {
            await client.stop()
        } else {
            await PrefixClient.stopLeft(files, runner)
        }
    }

    private func prefixFiles(of network: Network) -> PrefixClient.Files? {
        guard let subnet = network.subnet, subnet.isDelegated == true, let exit = subnet.exitName else {
            return nil
        }
        return PrefixClient.Files(network: network.name, interface: exit, directory: store.path)
    }

    /// Has a network go by the prefix that is delegated to it now: by the first /64 of it.
    ///
    /// - Returns: whether it does, so that there is nothing to try again.
    private func delegated(_ prefix: Prefix?, to name: NetworkName) async -> Bool {
        await turn.begin()
        defer { turn.end() }
        guard let known = raised[name], known.phase == .up, var subnet = known.network.subnet else {
            return true
        }
        let own = prefix?.firstSubnet
        guard own != subnet.address(.ipv6) || known.problem != nil else { return true }
        subnet.addresses = subnet.addresses.filter { $0.family == .ipv4 } + (own.map { [$0] } ?? [])
        do throws(DrawbridgeError) {
            if let own { try await checkFree(own, for: known.network) }
            try await renumber(name, to: subnet)
            log.add(
                "prefix", name.rawValue,
                own.map { "\($0.network) is delegated" } ?? "none is delegated any more")
            return true
        } catch {
            log.add("prefix", name.rawValue, own.map { "\($0.network)" } ?? "", error: "\(error)")
            return false
        }
    }

    private func checkFree(_ own: Prefix, for network: Network) async throws(DrawbridgeError) {
        let bridge = network.bridge.rawValue
        let problem = try await host.transact { (access) throws(DrawbridgeError) in
            try access.overlap(with: [own], exceptOn: bridge)
        }
        if let problem { throw DrawbridgeError(.conflict, network.name.rawValue, problem) }
    }

    private func renumber(_ name: NetworkName, to subnet: Subnet) async throws(DrawbridgeError) {
        guard var known = raised[name] else { return }
        known.baseline.network.subnet = subnet
        let (journal, record) = (journal, known.baseline)
        try journalled { () throws(RecordError) in try journal.setBaseline(record, of: name) }
        raised[name] = known
        // It is started anew with the new network, and keeps its leases.
        if let server = nameServers.removeValue(forKey: name) { await server.stop() }
        _ = try await uphold(name, dryRun: false)
        // What others change from now on is told by what the bridge has now.
        raised[name]?.settled = nil
        _ = try await uphold(name, dryRun: false)
        let guests = attachments.values.filter { $0.network == name }.sorted { $0.request.id < $1.request.id }
        let work = guests.map { guest in
            var request = guest.request
            // What they had of a former prefix is nobody's any more.
            request.addresses.removeAll { address in
                address.family == .ipv6 && address.length == 128
                    && !subnet.addresses.contains { $0.contains(address.address) }
            }
            return Work(request: request, caller: .daemon)
        }
        guard !work.isEmpty else { return }
        for (one, result) in zip(work, await attachEach(work)) {
            if case .failure(let error) = result {
                log.add("vif-online", "\(one.request.id)", error: "\(error)")
            }
        }
    }
}

extension Prefix {
    /// The host's own address on the first /64 of a delegated prefix.
    var firstSubnet: Prefix? {
        guard case .ipv6(let base) = network.address, length <= 64 else { return nil }
        return Prefix(.ipv6(IPv6Address(value: base.value | 1)), length: 64)
    }
}
