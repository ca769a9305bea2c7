import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

// The security groups of vifs. See docs/groups.md.

/// Who is in which group, as of one event.
struct GroupPolicy: Sendable {
    var configuration: Configuration
    /// The vifs that are held to their groups now.
    var members: [VifID: Attachment]

    /// What the groups let pass once some vifs have come and others have gone.
    func layout(
        adding comers: [(request: VifRequest, network: NetworkName)] = [], removing leavers: [VifID] = []
    ) -> GroupLayout {
        var members = members
        for id in leavers { members[id] = nil }
        let coming = comers.map { comer in
            var request = comer.request
            if request.addresses.isEmpty { request.addresses = members[request.id]?.learned ?? [] }
            return (request, comer.network)
        }
        for (request, _) in coming { members[request.id] = nil }
        var all = members.values.compactMap { member($0.held, on: $0.network) }
        all += coming.compactMap { member($0.0, on: $0.1) }
        guard !all.isEmpty else { return GroupLayout() }
        return GroupLayout(groups: configuration.groups, sets: configuration.addressSets, members: all)
    }

    /// Whether a vif that comes has anything to do with groups, or had.
    func concerns(_ request: VifRequest, on network: NetworkName) -> Bool {
        members[request.id] != nil || !configuration.groups(of: request.id, on: network).isEmpty
    }

    private func member(_ request: VifRequest, on network: NetworkName?) -> GroupMember? {
        let groups = configuration.groups(of: request.id, on: network)
        guard !groups.isEmpty, let device = request.filteredDevice else { return nil }
        return GroupMember(device: device, groups: groups, addresses: request.addresses)
    }
}

extension HostEngine {
    var groupPolicy: GroupPolicy {
        var members: [VifID: Attachment] = [:]
        for id in grouped { members[id] = attachments[id] }
        return GroupPolicy(configuration: configuration, members: members)
    }

    /// Remembers which of these vifs are held to groups now.
    func rememberGroups(of ids: [VifID]) {
        for id in ids {
            let known = attachments[id]
            let isMember = known.map { !configuration.groups(of: id, on: $0.network).isEmpty } ?? false
            if isMember { grouped.insert(id) } else { grouped.remove(id) }
        }
    }

    /// Has the groups hold as the configuration and the vifs' addresses are now. Runs within a turn.
    func settleGroups(without leavers: [VifID] = []) async {
        for id in leavers { grouped.remove(id) }
        let layout = groupPolicy.layout()
        do throws(DrawbridgeError) {
            try await host.transact { (access) throws(DrawbridgeError) in try access.applyGroups(layout) }
        } catch {
            log.add("groups", "daemon", error: "\(error)")
        }
    }

    /// Holds vifs to the groups that a changed configuration has for them.
    func applyGroups() async {
        await turn.begin()
        defer { turn.end() }
        let before = groupPolicy.layout()
        rememberGroups(of: attachments.values.filter { isUp($0) }.map(\.request.id))
        await settleGroups()
        if groupPolicy.layout() != before { log.add("groups", "daemon", "as the configuration has them now") }
    }

    /// Whether a vif's network is up, or is a bridge of others'.
    func isUp(_ known: Attachment) -> Bool {
        guard let network = known.network else { return false }
        return raised[network] != nil || configuration.network(named: network) == nil
    }
}
