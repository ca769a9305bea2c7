import DrawbridgeModel
import DrawbridgePlanning
import Netlink
import NetworkTypes
import RouteNetlink

// Deleting many links at once.

extension HostAccess {
    /// From how many on links are moved into a group and deleted by it. Below, the look at every link that has to come
    /// first costs more than it saves.
    static let manyDeletions = 4

    /// Deletes links by one message, where there are many of them and nothing else is to be done with them: deleted
    /// one by one, each costs a grace period of the kernel's (`synchronize_net` in net/core/dev.c).
    ///
    /// They are moved into a group that no link is in, and the group is looked at before it is deleted: if anything else
    /// has come into it, nothing is deleted here.
    ///
    /// - Returns: whether it is done; if not, nothing but the groups has changed and the usual way is open.
    mutating func deleteTogether(
        _ steps: [(index: Int, operation: Operation)], _ run: inout PlanRun
    ) -> Bool {
        guard steps.count >= Self.manyDeletions else { return false }
        var links: [(key: LinkKey, index: Int32)] = []
        for step in steps {
            guard case .deleteLink(let key) = step.operation, let index = run.applied.bindings.index(of: key)
            else { return false }
            links.append((key, index))
        }
        do {
            let group = try freeGroup()
            var batch = RouteBatch()
            for link in links {
                var settings = LinkSettings()
                settings.group = group
                batch.set(link.index, settings)
            }
            traffic.sends += 1
            traffic.changes += links.count
            _ = try route.commit(&batch)
            guard try Set(self.links(inGroup: group).keys) == Set(links.map(\.index)) else { return false }
            var deletion = RouteBatch()
            deletion.deleteLinks(inGroup: group)
            traffic.sends += 1
            traffic.changes += 1
            _ = try route.commit(&deletion)
        } catch {
            // One that is gone already, or that its driver does not delete: each on its own tells which.
            return false
        }
        for link in links { run.applied.bindings.unbind(link.key) }
        run.applied.steps += steps.count
        return true
    }
}
