import DrawbridgeHost
import DrawbridgeModel
import NetworkTypes

extension HostEngine {
    /// Connects anew, as they are, the guests of which the configuration says otherwise whether they are isolated
    /// than it holds of them: ports of bridges as the kernel has them, routed ones where the configuration changed.
    ///
    /// - Parameter old: the configuration of before; nil where a daemon took over what another one left.
    func applyIsolation(changedFrom old: Configuration?) async {
        await turn.begin()
        defer { turn.end() }
        let known = attachments.values.sorted { $0.request.id < $1.request.id }
        guard !known.isEmpty else { return }
        let configuration = configuration
        let routed = Set(routedNetworks.map(\.name))
        let due = try? await host.transact { (access) throws(DrawbridgeError) in
            let links = try access.links(known.map(\.index))
            return known.filter { one in
                guard let link = links[one.index], link.name == one.device.rawValue, let name = one.network
                else { return false }
                let isWanted = configuration.isolates(one.request, on: name)
                if routed.contains(name) {
                    return old.map { $0.isolates(one.request, on: name) != isWanted } ?? false
                }
                return link.portKind == "bridge" && link.port?.isolated.map { $0 != isWanted } ?? false
            }
        }
        let work = (due ?? []).map { Work(request: $0.request, caller: .daemon) }
        guard !work.isEmpty else { return }
        for (one, result) in zip(work, await attachEach(work)) {
            switch result {
            case .success: log.add("vif-isolation", "\(one.request.id)", "as the configuration has it now")
            case .failure(let error): log.add("vif-isolation", "\(one.request.id)", error: "\(error)")
            }
        }
    }
}
