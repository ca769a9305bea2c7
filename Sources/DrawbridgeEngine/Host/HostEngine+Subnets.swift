import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// Bridges that are networks of their own: the host has an address on them and leads their guests out. See
// docs/subnets.md.

extension HostEngine {
    /// A network with the interface by which its subnet leads out known by name, and its addresses found to be free.
    func resolved(_ asked: Network) async throws(DrawbridgeError) -> Network {
        guard var subnet = asked.subnet else { return try await located(asked) }
        try checkHandsOut(asked)
        try checkAsks(asked)
        var network = asked
        for other in raised.values where other.network.name != asked.name {
            for own in subnet.addresses {
                guard let taken = other.network.subnet?.addresses.first(where: { $0.overlaps(own) }) else {
                    continue
                }
                throw DrawbridgeError(
                    .conflict, asked.name.rawValue,
                    "\(own) overlaps \(taken) of network \(other.network.name)",
                    advice: "give it another address")
            }
        }
        var wanted = asked
        wanted.uplink = subnet.exit
        let exit = try await uplink(of: wanted)?.index
        let bridge = asked.bridge.rawValue
        let addresses = subnet.addresses
        let (name, problem) = try await host.transact { (access) throws(DrawbridgeError) in
            let link =
                try exit.map { (index) throws(DrawbridgeError) in try access.link(index: index) } ?? nil
            if let link, link.master != nil {
                throw DrawbridgeError(
                    .conflict, link.name, "is a port of another device, which has its addresses",
                    advice: "name that device as the uplink of \(asked.name)")
            }
            return (link?.name, try access.overlap(with: addresses, exceptOn: bridge))
        }
        if let problem {
            throw DrawbridgeError(
                .conflict, asked.name.rawValue, problem, advice: "give the network another address")
        }
        if subnet.isDelegated == true,
            let other = raised.values.first(where: { other in
                other.network.subnet?.isDelegated == true && other.network.subnet?.exitName?.rawValue == name
            })
        {
            throw DrawbridgeError(
                .conflict, asked.name.rawValue,
                "network \(other.network.name) asks for a prefix on \(name ?? "its uplink") already",
                advice: "give it an address instead of 'delegated'")
        }
        if let name, let device = LinkName(name) {
            guard device != asked.bridge else {
                throw DrawbridgeError(
                    .conflict, name, "the bridge and the interface that leads out have one name",
                    advice: "give the bridge another name")
            }
            subnet.exit = .named(device)
        }
        network.subnet = subnet
        return network
    }

    /// Lets a subnet's bridge lead out: before its guests come, and again whenever it is looked after.
    ///
    /// - Returns: the steps.
    func leadOut(_ network: Network, dryRun: Bool) async throws(DrawbridgeError) -> [String] {
        guard let gateway = network.gateway else { return [] }
        let others = forwardingNetworks.filter { $0.name != network.name }
        let steps = try await forward(for: others + [network], dryRun: dryRun)
        if !dryRun {
            try await host.transact { (access) throws(DrawbridgeError) in try access.admit([gateway]) }
        }
        return steps
    }

    /// Takes a subnet's way out back, once its bridge is gone.
    ///
    /// - Returns: the steps.
    func closeExit(of network: Network, dryRun: Bool) async throws(DrawbridgeError) -> [String] {
        guard let gateway = network.gateway else { return [] }
        let others = forwardingNetworks.filter { $0.name != network.name }
        let steps = try await forward(for: others, dryRun: dryRun)
        if !dryRun {
            let isLast = others.isEmpty
            try await host.transact { (access) throws(DrawbridgeError) in
                try isLast ? access.removeRouting() : access.expel([gateway])
            }
        }
        return steps
    }
}

extension Network {
    /// The bridge of a subnet that leads somewhere, as the table of routed networks knows it.
    var gateway: RoutedGuest? {
        guard let subnet, let exit = subnet.exitName else { return nil }
        var gateway = RoutedGuest(device: bridge, reachesGuests: false, exit: subnet.isNAT ? exit : nil)
        gateway.isBridge = true
        gateway.sources = subnet.sources
        return gateway
    }
}
