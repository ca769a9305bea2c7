import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
public import NetworkTypes

// VLANs of bridges that filter by them. See docs/vlans.md.

extension HostEngine {
    public func setVLANs(
        of id: VifID, _ vlans: PortVLANs, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        guard let known = attachments[id] else {
            throw DrawbridgeError(
                .notFound, "\(id)", "is not attached", advice: "'drawbridge vif list' shows those that are")
        }
        guard caller.isRoot else {
            throw DrawbridgeError(.permissionDenied, "\(id)", "its VLANs are root's", advice: "ask root")
        }
        guard known.request.switchPort == nil, ownVifScript == nil else {
            throw DrawbridgeError(
                .unsupported, "\(id)", "is no port of a bridge that Drawbridge set up",
                advice: "disconnect it and connect it anew")
        }
        var request = known.request
        request.vlans = vlans
        let outcome =
            try await attachNow([Work(request: request, caller: .daemon)], dryRun: dryRun).first
            ?? Outcome(changed: false)
        if !dryRun { log.add("vif-vlans", "\(id)", vlans.text) }
        return outcome
    }

    /// Refuses a vif whose tags nobody would look behind.
    func checkVLANs(of request: VifRequest) throws(DrawbridgeError) {
        guard let vlans = configuration.vlans(of: request), !vlans.tagged.isEmpty,
            !configuration.groups(of: request.id, on: request.bridge).isEmpty
        else { return }
        throw DrawbridgeError(
            .unsupported, "\(request.id): vlan",
            "security groups do not look behind the tags of '\(vlans.text)'",
            advice: "take it out of its groups, or give it one VLAN without tags")
    }

    /// Refuses a network that is to filter by VLANs where the kernel cannot, before anything changes.
    func checkFiltersVLANs(_ network: Network) throws(DrawbridgeError) {
        guard network.vlanFiltering == true, try !Examination.filtersVLANs() else { return }
        throw DrawbridgeError(
            .unsupported, "\(network.name): vlan-filtering", "the kernel's bridge does not filter by VLANs",
            advice: "it needs CONFIG_BRIDGE_VLAN_FILTERING; leave vlan-filtering out, or take another kernel")
    }

    /// Puts vifs into the VLANs that a changed configuration has for them.
    func applyVLANs(changedFrom old: Configuration) async {
        await turn.begin()
        defer { turn.end() }
        let changed = attachments.values.filter { one in
            one.request.switchPort == nil
                && old.vlans(of: one.request) != configuration.vlans(of: one.request)
        }.sorted { $0.request.id < $1.request.id }
        for (one, result) in zip(
            changed, await attachEach(changed.map { Work(request: $0.request, caller: .daemon) }))
        {
            switch result {
            case .success: log.add("vif-vlans", "\(one.request.id)", "as the configuration has them now")
            case .failure(let error): log.add("vif-vlans", "\(one.request.id)", error: "\(error)")
            }
        }
    }

    /// Has the uplinks of networks carry the tags of the VLANs that their vifs are in, and no others.
    func carryVLANs(of names: Set<NetworkName>) async {
        for name in names {
            guard let known = raised[name], known.network.vlanFiltering == true,
                let uplink = known.baseline.identity.uplinkIndex
            else { continue }
            var wanted: Set<UInt16> = []
            for one in attachments.values where one.network == name {
                wanted.formUnion(configuration.vlans(of: one.request)?.all ?? [])
            }
            // What has no tag outside is in the first one.
            wanted.remove(1)
            let vlans = wanted
            do throws(DrawbridgeError) {
                try await host.transact { (access) throws(DrawbridgeError) in
                    try access.carry(vlans, on: uplink)
                }
            } catch {
                log.add("vlans", name.rawValue, error: "\(error)")
            }
        }
    }
}
