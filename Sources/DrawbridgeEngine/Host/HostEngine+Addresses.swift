import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Logging
import NetworkTypes

// Addresses and names for the guests of networks that hand them out. See docs/subnets.md.

extension HostEngine {
    /// Refuses a network that is to hand out addresses where nobody can do it.
    func checkHandsOut(_ network: Network) throws(DrawbridgeError) {
        guard network.handsOut, NameServer.executable == nil else { return }
        throw Self.nobodyHandsOut(network.name, "hand-out: no")
    }

    /// Begins to hand out addresses on a network that is up, or goes on with it.
    func beginHandingOut(on network: Network) async throws(DrawbridgeError) {
        let name = network.name
        guard network.handsOut, nameServers[name] == nil else { return }
        if books[name] == nil { books[name] = try store.addresses(of: name) ?? AddressBook() }
        try store.setAddresses(books[name] ?? AddressBook(), of: name)
        try await startNameServer(of: network)
    }

    /// Starts dnsmasq for a network, or takes over the one that an earlier daemon started.
    func startNameServer(of network: Network) async throws(DrawbridgeError) {
        let name = network.name
        guard nameServers[name] == nil else { return }
        guard let executable = NameServer.executable else { throw Self.nobodyHandsOut(name, "hand-out: no") }
        try store.admitServer()
        let logger = logger
        let server = NameServer(
            serverFiles(of: network), runner: runner, executable: executable,
            changed: { [weak self] problem in await self?.nameServerChanged(of: name, problem) },
            log: { line in logger.warning("\(line)") })
        try await server.start(served(on: name), namespaceOf: runner.thread)
        nameServers[name] = server
    }

    private func serverFiles(of network: Network) -> NameServerFiles {
        let place: NameServerFiles.Place =
            if let subnet = network.subnet {
                .bridge(network.bridge, subnet)
            } else if let handOut = network.handOut {
                .segment(network.bridge, handOut)
            } else { .vifs }
        return NameServerFiles(network: network.name, place: place, directory: store.serverDirectory)
    }

    static func nobodyHandsOut(_ name: NetworkName, _ otherwise: String) -> DrawbridgeError {
        DrawbridgeError(
            .unsupported, name.rawValue, "dnsmasq, which tells guests their addresses, is not installed",
            advice: "install dnsmasq-base, or say \(otherwise)")
    }

    /// Hands out no more on a network: the guests go on with what they have.
    func endHandingOut(on network: Network) async {
        guard network.handsOut || network.kind == .nat else { return }
        if let server = nameServers.removeValue(forKey: network.name) {
            await server.stop()
        } else {
            await NameServer.stopLeft(serverFiles(of: network), inNamespaceOf: runner.thread)
        }
        serverProblems[network.name] = nil
        books[network.name] = nil
    }

    private func nameServerChanged(of name: NetworkName, _ problem: String?) {
        guard serverProblems[name] != problem else { return }
        serverProblems[name] = problem
        log.add(problem == nil ? "names-served" : "names-unserved", name.rawValue, problem ?? "")
    }

    /// Gives vifs that come to a network that hands out addresses some of these, and tells its server before they are
    /// connected.
    ///
    /// What was given stays the guest's where its attach fails: it is the same one that comes again.
    func withAddresses(_ work: [Work], dryRun: Bool) async throws(DrawbridgeError) -> [Work] {
        guard !nameServers.isEmpty else { return work }
        var result = work
        var changed: Set<NetworkName> = []
        // What cannot be written down was not given.
        var given = books
        for index in result.indices {
            guard let network = try await handingNetwork(for: result[index].request),
                let space = network.addressSpace
            else { continue }
            let request = result[index].request
            guard let mac = request.mac else {
                if !dryRun {
                    log.add(
                        "warning", "\(request.id)",
                        "no address is given to it: its hardware address is not told (mac=)")
                }
                continue
            }
            var book = given[network.name] ?? AddressBook()
            let name = guestName(of: request, mac: mac, in: book)
            let addresses = try planning { () throws(PlanningError) in
                try book.give(
                    to: request.id, mac: mac, name: name, asked: request.addresses, of: space,
                    isInUse: { $0 != mac && attachments.isConnected($0, to: network.name) })
            }
            result[index].request.addresses += addresses
            guard book != given[network.name] else { continue }
            given[network.name] = book
            changed.insert(network.name)
        }
        guard !dryRun else { return result }
        for name in changed.sorted() {
            guard let book = given[name] else { continue }
            // Before it is written down: a lease that is lost for nothing is had again.
            try await nameServers[name]?.forget(book.reassigned(since: books[name] ?? AddressBook()))
            try store.setAddresses(book, of: name)
            books[name] = book
            let coming = Set(result.compactMap(\.request.mac))
            try await nameServers[name]?.tell(served(on: name, and: coming))
        }
        return result
    }

    /// Tells the servers who is connected by now.
    func tellNameServers() async {
        for (name, server) in nameServers {
            do throws(DrawbridgeError) { try await server.tell(served(on: name)) } catch {
                log.add("names-unserved", name.rawValue, error: "\(error)")
            }
        }
    }

    /// Every address that is given to a guest of a network that is up, or was.
    public func addresses() async -> [AddressStatus] {
        let indices = attachments.values.map(\.index)
        let links = try? await host.transact { (access) throws(DrawbridgeError) in try access.links(indices) }
        // A device may have gone without a word.
        func isThere(_ one: Attachment?) -> Bool { one.map { links?[$0.index] != nil } ?? false }
        let kept = books.sorted { $0.key < $1.key }.flatMap { name, book in
            book.holdings.flatMap { holding in
                holding.addresses.map { address in
                    AddressStatus(
                        network: name, address: address, mac: holding.mac, vif: holding.vif,
                        name: holding.name,
                        isConnected: attachments.isConnected(holding.mac, to: name)
                            && isThere(attachments[holding.vif]))
                }
            }
        }
        return kept + toldAddresses(isThere)
    }

    /// What dnsmasq is to know of those who are connected to a network, or are about to be.
    func served(on name: NetworkName, and coming: Set<MACAddress> = []) -> [ServedGuest] {
        guard let book = books[name] else { return servedVifs(on: name) }
        return book.holdings.filter { holding in
            coming.contains(holding.mac)
                || (attachments[holding.vif]?.network == name
                    && attachments[holding.vif]?.request.mac == holding.mac)
        }.map { ServedGuest(mac: $0.mac, addresses: $0.addresses, names: [$0.name]) }
    }

    /// The network that a vif joins, where that hands out addresses.
    private func handingNetwork(for request: VifRequest) async throws(DrawbridgeError) -> Network? {
        let networks = raised.mapValues(\.network)
        let name: NetworkName
        if let asked = request.bridge {
            name = networks.values.first { $0.bridge == asked }?.name ?? asked
        } else {
            let takesFirst = configuration.compatibility.firstOfSeveralBridges
            name = try await host.transact { (access) throws(DrawbridgeError) in
                try access.bridge(for: request, networks, takesFirst: takesFirst).name
            }
        }
        guard let network = networks[name], network.handsOut else { return nil }
        return network
    }

    /// By what others find a guest: its own name where that is one, and nobody else's, else that of its vif.
    private func guestName(of request: VifRequest, mac: MACAddress, in book: AddressBook) -> String {
        let own = request.id.own
        let plain = "vif\(own.domain)-\(own.device)"
        guard let name = request.domainName?.lowercased(), DomainName.isLabel(name),
            !book.holdings.contains(where: { $0.name == name && $0.mac != mac && attachments.isTaken($0.mac) }
            )
        else { return plain }
        return name
    }
}
