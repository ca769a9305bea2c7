import DrawbridgeModel
import DrawbridgePlanning
import Logging
import NetworkTypes

// `dhcp=yes` of `network-nat` and `vif-nat`: guests behind NAT are told the addresses that follow from their numbers, or
// that `ip=` tells. By dnsmasq on their vifs; with `compat: {dhcpd-conf: yes}` by the host's own DHCP server, whose
// configuration is edited as Xen's scripts edited it. See docs/routing.md.

extension HostEngine {
    /// Whether the guest of a vif is to be told its address: as is said of it, else of all vifs, else of its network.
    func tells(_ request: VifRequest, on network: Network) -> Bool {
        guard network.kind == .nat else { return false }
        let call = configuration.vifScript
        let script = call.builtIn == .vifNAT ? ScriptArguments(call.arguments)["dhcp"] : nil
        let told = script.flatMap { $0.isEmpty ? nil : $0 != "no" }
        return request.handsOut ?? told ?? tells(network)
    }

    private func tells(_ network: Network) -> Bool {
        guard network.kind == .nat else { return false }
        return network.routing?.handsOut ?? (edits(for: network) && DHCPServerFiles.areExpected)
    }

    /// Whether it is the host's own server that tells them; a network that is not up yet goes by the configuration.
    private func edits(for network: Network) -> Bool {
        network.routing?.editsDHCPServer ?? configuration.compatibility.editsDHCPServer
    }

    /// Refuses a network whose guests nobody can tell their addresses.
    func checkTells(_ network: Network) throws(DrawbridgeError) {
        guard tells(network) else { return }
        try checkServer(of: network, needsArguments: false)
    }

    /// Refuses a vif whose guest nobody can tell its address.
    func checkTells(_ request: VifRequest, on network: Network) throws(DrawbridgeError) {
        guard request.handsOut == true else { return }
        try checkServer(of: network, needsArguments: true)
    }

    private func checkServer(of network: Network, needsArguments: Bool) throws(DrawbridgeError) {
        if edits(for: network) {
            _ = try DHCPServerFiles.find(needsArguments: needsArguments)
        } else if NameServer.executable == nil {
            throw Self.nobodyHandsOut(network.name, "dhcp=no")
        }
    }

    /// Has what tells guests ready once a network is up, for those as well that are connected already.
    func beginTelling(on network: Network) async throws(DrawbridgeError) {
        let guests = told(on: network.name)
        guard tells(network) || !guests.isEmpty else { return }
        guard edits(for: network) else { return try await startNameServer(of: network) }
        var changes = DHCPServerFiles.Changes()
        changes.added = guests.filter { !$0.request.id.isEmulated }.compactMap(\.entry)
        if tells(network) { changes.hasSubnet = true }
        try await edit(changes)
    }

    /// Tells nobody on a network any more.
    func endTelling(_ guests: [Attachment], on network: Network) async {
        guard network.kind == .nat else { return }
        guard edits(for: network) else { return await endHandingOut(on: network) }
        var changes = DHCPServerFiles.Changes()
        changes.removed = guests.filter { !$0.request.id.isEmulated }.map {
            ($0.request.servedName, $0.device)
        }
        // The network of derived addresses is the same for every uplink.
        if tells(network), !routedNetworks.contains(where: { $0.name != network.name && tells($0) }) {
            changes.hasSubnet = false
        }
        do throws(DrawbridgeError) { try await edit(changes) } catch {
            log.add("dhcp-server", network.name.rawValue, error: "\(error)")
        }
    }

    /// Has the guest of a vif that is connected told its address.
    ///
    /// - Parameter elders: vifs whose addresses are this one's now.
    /// - Returns: what keeps it from being told.
    func tell(
        _ request: VifRequest, insteadOf elders: [Attachment], on network: Network
    ) async throws(DrawbridgeError) -> [String] {
        guard request.mac != nil else {
            return ["\(request.id) is not told its address: its hardware address is not known (mac=)"]
        }
        guard edits(for: network) else {
            try await startNameServer(of: network)
            try await nameServers[network.name]?.tell(served(on: network.name))
            return []
        }
        var changes = DHCPServerFiles.Changes()
        changes.removed = elders.map { ($0.request.servedName, $0.device) }
        // As in Xen's script, the emulated card of a guest is not told of.
        if !request.id.isEmulated, let entry = attachments[request.id]?.entry { changes.added = [entry] }
        try await edit(changes)
        return []
    }

    /// Has nobody told the address of a vif that went.
    ///
    /// - Returns: what should be known where that failed: nothing keeps a vif from going.
    func tellNoMore(_ request: VifRequest, on network: Network) async -> [String] {
        guard network.kind == .nat else { return [] }
        do throws(DrawbridgeError) {
            guard edits(for: network) else {
                try await nameServers[network.name]?.tell(served(on: network.name))
                return []
            }
            guard !request.id.isEmulated, tells(request, on: network) else { return [] }
            var changes = DHCPServerFiles.Changes()
            changes.removed = [(request.servedName, request.possibleNames[0])]
            try await edit(changes)
            return []
        } catch { return ["\(request.id): \(error)"] }
    }

    private func edit(_ changes: DHCPServerFiles.Changes) async throws(DrawbridgeError) {
        let files = try DHCPServerFiles.find(needsArguments: false)
        guard try files.apply(changes) else { return }
        let logger = logger
        let restart =
            serverRestart
            ?? ServerRestart(runner: runner) { line in
                logger.warning("the DHCP server is not started anew: \(line)")
            }
        serverRestart = restart
        await restart.request(files.restart)
    }

    /// The vifs of a network whose guests are told their addresses.
    private func told(on name: NetworkName) -> [Attachment] {
        attachments.values.filter { $0.network == name && $0.request.handsOut == true }
            .sorted { $0.request.id < $1.request.id }
    }

    /// The guests of a NAT network as dnsmasq is told of them. A guest's emulated card is one of its own.
    func servedVifs(on name: NetworkName) -> [ServedGuest] {
        told(on: name).compactMap { one in
            guard let entry = one.entry else { return nil }
            let plain = one.request.domainName?.lowercased()
            let more = plain.flatMap { DomainName.isLabel($0) && $0 != entry.host.name ? [$0] : nil } ?? []
            return ServedGuest(
                mac: entry.host.mac, addresses: [.ipv4(entry.host.address)], names: [entry.host.name] + more,
                device: one.device)
        }
    }

    /// The addresses that guests behind NAT are told.
    func toldAddresses(_ isThere: (Attachment?) -> Bool) -> [AddressStatus] {
        routedNetworks.flatMap { network in
            told(on: network.name).compactMap { one in
                one.entry.map {
                    AddressStatus(
                        network: network.name, address: .ipv4($0.host.address), mac: $0.host.mac,
                        vif: one.request.id, name: $0.host.name, isConnected: isThere(one))
                }
            }
        }
    }
}

extension VifRequest {
    /// By what a guest behind NAT is known.
    fileprivate var servedName: String { hostName ?? GuestHostName.derived(domain: domainName, of: id) }
}

extension Attachment {
    /// The guest with its address, where it has one by which it can be known.
    fileprivate var entry: (host: DHCPServerText.Host, device: LinkName)? {
        guard let mac = request.mac, let addresses = try? NATAddresses(of: request) else { return nil }
        return (
            DHCPServerText.Host(
                name: request.servedName, mac: mac, address: addresses.guest, router: addresses.router),
            device
        )
    }
}
