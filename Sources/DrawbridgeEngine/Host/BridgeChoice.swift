import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

extension HostAccess {
    /// The bridge that a vif joins: the one asked for, or the only one there is.
    mutating func bridge(
        for request: VifRequest, _ networks: [NetworkName: Network], takesFirst: Bool
    ) throws(DrawbridgeError) -> (name: NetworkName, bridge: LinkName) {
        guard let asked = request.bridge else {
            return try onlyBridge(request, networks, takesFirst: takesFirst)
        }
        if let network = networks[asked] ?? networks.values.first(where: { $0.bridge == asked }) {
            return (network.name, network.bridge)
        }
        if let found = try link(named: asked), found.link.kind.name == "bridge" { return (asked, asked) }
        // Xen 3.2 and later named bridges after the interface: xenbr0 is found under the name eth0.
        if asked.rawValue.hasPrefix("xenbr"), let old = LinkName("eth" + asked.rawValue.dropFirst(5)),
            let found = try link(named: old), found.link.kind.name == "bridge"
        {
            return (old, old)
        }
        throw DrawbridgeError(
            .notFound, "\(request.id)", "Could not find bridge device \(asked)",
            advice: "name one that 'drawbridge network list' or 'bridge link' shows")
    }

    private mutating func onlyBridge(
        _ request: VifRequest, _ networks: [NetworkName: Network], takesFirst: Bool
    ) throws(DrawbridgeError) -> (name: NetworkName, bridge: LinkName) {
        var candidates = try bridges()
        for network in networks.values where !candidates.contains(network.bridge) {
            candidates.append(network.bridge)
        }
        candidates.sort()
        guard let first = candidates.first else {
            throw DrawbridgeError(
                .notFound, "\(request.id)", "Could not find bridge, and none was specified",
                advice: "start a network first")
        }
        guard candidates.count == 1 || takesFirst else {
            throw DrawbridgeError(
                .invalidArgument, "\(request.id)",
                "no bridge was specified, and there are several: \(candidates.map(\.rawValue).joined(separator: ", "))",
                advice: "name one with bridge=")
        }
        let network = networks.values.first { $0.bridge == first }
        return (network?.name ?? first, first)
    }

    /// Refuses a new name that some other device bears.
    mutating func checkName(of request: VifRequest) throws(DrawbridgeError) {
        guard let wanted = request.vifName, let found = try link(named: wanted) else { return }
        if LinkMark(alias: found.link.alias)?.key == .vif(request.id) { return }
        if case .existing(let device) = request.source, found.link.name == device.rawValue { return }
        let device: String
        switch request.source {
        case .existing(let name): device = name.rawValue
        case .pair: device = "\(request.id)"
        case .tap:
            throw DrawbridgeError(
                .conflict, wanted.rawValue, "an interface of this name exists already",
                advice: "choose another name for the tap")
        }
        throw DrawbridgeError(
            .conflict, device,
            "Cannot rename interface \(device). An interface with name \(wanted) already exists.",
            advice: "choose another vifname")
    }
}
