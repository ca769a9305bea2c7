import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// The filter against spoofing, on networks with `antispoof`. See docs/filter.md.

extension HostEngine {
    /// The networks whose vifs are filtered, with the addresses that no vif of theirs may use.
    var filteredNetworks: [NetworkName: [IPAddress]] {
        raised.filter { $0.value.network.antispoof }
            .mapValues { ($0.settled?.state ?? $0.baseline.state).hostAddresses }
    }

    /// Takes guests out of the filter as their network goes, and the filter's table away with the last network that
    /// has one.
    func removeFilters(of guests: [Attachment], on network: Network) async throws(DrawbridgeError) {
        guard network.antispoof else { return }
        let isLast = filteredNetworks.isEmpty
        try await host.transact { (access) throws(DrawbridgeError) in
            guard !isLast else { return try access.removeFilter() }
            for guest in guests {
                if let filter = guest.request.filter(on: network.name) { try access.forbid(filter) }
            }
        }
    }
}

extension HostState {
    /// The addresses of the host and its gateways, which no guest may use.
    fileprivate var hostAddresses: [IPAddress] {
        addresses.values.flatMap { $0.map(\.prefix.address) }
            + links.values.compactMap { $0.address.map { .ipv6($0.linkLocal) } }
            + routes.flatMap { $0.nexthops.compactMap(\.gateway) }
    }
}

extension VifRequest {
    /// What the vif may send, as long as nothing else is asked for; nil where its hardware address is not known. The
    /// hook goes by the name that the device will bear.
    func filter(on network: NetworkName) -> VifFilter? {
        let own: LinkName? =
            switch source {
            case .existing(let device): device
            case .pair: LinkName("\(id)")
            }
        guard let device = vifName ?? own else { return nil }
        return VifFilter(self, device: device, network: network)
    }
}
