import DrawbridgeHost
import DrawbridgeModel
import NetworkTypes

extension HostEngine {
    /// Connects anew, as they are, the guests that the configuration isolates otherwise than they were connected, and
    /// those that it isolates and the kernel does not. What others isolate is left as it is.
    func applyIsolation() async {
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
                let isChanged = isWanted != (one.isIsolated ?? false)
                if routed.contains(name) { return isChanged }
                return link.portKind == "bridge" && (isChanged || isWanted && link.port?.isolated == false)
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
