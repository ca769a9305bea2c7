public import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostEngine {
    public func overview() async throws(DrawbridgeError) -> Overview {
        let links = try await host.transact { (access) throws(DrawbridgeError) in try access.linksByIndex() }
        return Overview(
            networks: try await networks(among: links),
            vifs: try await statuses(of: sortedAttachments, among: links))
    }

    public func networks() async throws(DrawbridgeError) -> [NetworkStatus] {
        let links = try await host.transact { (access) throws(DrawbridgeError) in try access.linksByIndex() }
        return try await networks(among: links)
    }

    private func networks(among links: [Int32: Link<Int32>]) async throws(DrawbridgeError) -> [NetworkStatus]
    {
        var all = raised.mapValues(\.network)
        for network in configuration.networks where all[network.name] == nil { all[network.name] = network }
        let sorted = all.values.sorted { $0.name < $1.name }
        let up = sorted.compactMap { network in
            raised[network.name].map { (network: network, uplink: $0.uplink) }
        }
        let sights = try await host.transact { (access) throws(DrawbridgeError) in
            try access.glance(at: up, among: links)
        }
        var found = Dictionary(zip(up.map(\.network.name), sights)) { first, _ in first }
        var statuses: [NetworkStatus] = []
        for network in sorted {
            statuses.append(await status(of: network, found.removeValue(forKey: network.name)))
        }
        return statuses
    }

    private func status(of network: Network, _ sight: NetworkSight?) async -> NetworkStatus {
        var status = NetworkStatus(network: network, state: .down)
        guard let known = raised[network.name], let sight else {
            if case .named(let name) = network.subnet?.exit ?? network.uplink {
                status.uplink = name.rawValue
            }
            return status
        }
        status.problem = known.problem ?? serverProblems[network.name]
        status.state = known.phase == .up && status.problem == nil ? .up : .degraded
        status.handover = await handoverStatus(of: network.name)
        status.uplink = sight.uplink ?? network.subnet?.exitName?.rawValue
        status.ports = sight.ports
        status.addresses = sight.addresses.map { "\($0)" }
        if network.kind.isRouted {
            status.ports = attachments.values.filter { $0.network == network.name }.map(\.device.rawValue)
                .sorted()
        }
        return status
    }

    public func vifs() async throws(DrawbridgeError) -> [VifStatus] {
        try await statuses(of: sortedAttachments)
    }

    private var sortedAttachments: [Attachment] {
        attachments.values.sorted { $0.request.id < $1.request.id }
    }

    public func vif(_ id: VifID) async throws(DrawbridgeError) -> VifStatus? {
        guard let known = attachments[id], var status = try await statuses(of: [known]).first else {
            return nil
        }
        guard status.filter != nil || !status.groups.isEmpty || status.rates.countsPackets,
            let device = LinkName(status.device)
        else {
            return status
        }
        status.drops = try await host.transact { (access) throws(DrawbridgeError) in
            try access.drops(of: device).map {
                VifDrops(reason: $0.reason.text, frames: $0.packets, octets: $0.bytes)
            }
                + access.groupDrops(of: device).map {
                    VifDrops(
                        reason: $0.direction == .in
                            ? "not let in by its groups" : "not let out by its groups",
                        frames: $0.packets, octets: $0.bytes)
                }
                + access.packetDrops(of: device).map {
                    VifDrops(
                        reason: $0.isFromGuest ? "beyond its rate-packets" : "beyond its rate-in-packets",
                        frames: $0.packets, octets: $0.bytes)
                }
        }
        return status
    }

    /// - Parameter all: every link, where that was read already.
    private func statuses(
        of known: [Attachment], among all: [Int32: Link<Int32>]? = nil
    ) async throws(DrawbridgeError) -> [VifStatus] {
        let up = Set(raised.keys)
        let routed = Set(routedNetworks.map(\.name))
        let limits = known.map(rates(of:))
        let policy = filterPolicy
        let configuration = configuration
        let grouped = grouped
        return try await host.transact { (access) throws(DrawbridgeError) in
            var statuses: [VifStatus] = []
            let links: [Int32: Link<Int32>]
            if let all { links = all } else { links = try access.links(known.map(\.index)) }
            for (one, rates) in zip(known, limits) {
                let link = links[one.index]
                let isRouted = one.network.map { routed.contains($0) } ?? false
                let isPort =
                    isRouted || one.request.switchPort != nil
                    ? link?.flags.contains(.up) == true : link?.portKind == "bridge"
                var status = VifStatus(
                    request: one.held, state: link == nil ? .vanished : isPort ? .connected : .waiting,
                    device: link?.name ?? one.device.rawValue)
                status.index = link == nil ? nil : one.index
                status.network = one.network.flatMap { isPort || up.contains($0) ? $0 : nil }
                status.mtu = link?.mtu
                status.rates = rates
                status.vlans = configuration.vlans(of: one.request)
                status.isIsolated = configuration.isolates(one.request, on: one.network)
                status.groups =
                    grouped.contains(one.request.id)
                    ? configuration.groups(of: one.request.id, on: one.network) : []
                let isUnheld = status.network == nil || one.isOutsideKernel == true
                status.filter = isUnheld ? nil : policy.filter(of: one)?.mode.text
                statuses.append(status)
            }
            return statuses
        }
    }

    public func filterLayout() async throws(DrawbridgeError) -> FilterLayout? {
        try await host.transact { access in access.filterLayout() }
    }

    public func kernelChanges() async -> Int { await host.traffic().changes }

    /// The page that `network-bridge status` prints.
    func statusPage(of network: Network) async throws(DrawbridgeError) -> String {
        let reference = raised[network.name]?.uplink
        let name: UplinkReference
        if case .named(let uplink) = network.uplink { name = .name(uplink) } else { name = .none }
        let state = try await host.transact { (access) throws(DrawbridgeError) in
            try access.observe(.network(network, uplink: reference ?? name)).state
        }
        let rule = String(repeating: "=", count: 60)
        var lines = [rule]
        for key in [LinkKey.uplink(network.name), .bridge(network.name)] {
            guard let link = state.links[key] else { continue }
            lines.append(
                "\(link.name): \(link.isUp ? "up" : "down") mtu \(link.mtu) \(link.address.map { "\($0)" } ?? "")"
            )
            for address in state.addresses[key] ?? [] { lines.append("    \(address.prefix)") }
        }
        let bridge = LinkKey.bridge(network.name)
        let ports = state.links.values.filter { $0.master == bridge }.map(\.name).sorted()
        lines += [
            "", "bridge \(network.bridge): \(ports.isEmpty ? "no ports" : ports.joined(separator: " "))", "",
        ]
        for route in state.routes where route.table == 254 {
            var words =
                route.destination.map { "\($0)" } ?? (route.family == .ipv4 ? "default" : "default (IPv6)")
            for leg in route.nexthops {
                if let gateway = leg.gateway { words += " via \(gateway)" }
                if let device = leg.device { words += " dev \(state.name(of: device))" }
            }
            lines.append(words)
        }
        return (lines + [rule, ""]).joined(separator: "\n")
    }
}
