import DrawbridgeHost
import DrawbridgeModel
import NetworkTypes

// Bridged networks that hand out addresses of what their uplink leads to. See docs/subnets.md.

extension HostEngine {
    /// A network with the host's own address in what it is to hand out, where it hands out anything.
    ///
    /// - Throws: `conflict` where its pool is in no network of the host's, or holds what is not to be given.
    func located(_ asked: Network) async throws(DrawbridgeError) -> Network {
        guard let handOut = asked.handOut else { return asked }
        try checkHandsOut(asked)
        for other in raised.values where other.network.name != asked.name {
            guard let taken = other.network.handOut, taken.pool.overlaps(handOut.pool) else { continue }
            throw DrawbridgeError(
                .conflict, asked.name.rawValue,
                "the pool \(handOut.poolText) overlaps \(taken.poolText) of network \(other.network.name)",
                advice: "give it another pool")
        }
        let (uplink, bridge) = (try await uplink(of: asked)?.index, asked.bridge)
        let addresses = try await host.transact { (access) throws(DrawbridgeError) in
            // A bridge that is there already has them.
            let known = [uplink, try access.link(named: bridge)?.index].compactMap { $0 }
            return try access.addresses(on: Set(known))
        }
        var network = asked
        let (own, problem) = handOut.place(among: addresses)
        if let problem {
            throw DrawbridgeError(
                .conflict, asked.name.rawValue, problem,
                advice: "change pool, router or reservations, or say hand-out: no")
        }
        network.handOut?.own = own
        return network
    }
}
