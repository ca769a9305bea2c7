import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// Decides which device each role of a network stands for: by the marks that Drawbridge leaves in aliases first,
/// then by index, permanent address and name.
struct Binder {
    let links: [(index: Int32, link: Link<Int32>)]

    /// - Parameter vifs: whether vifs are looked for as well, in every link's mark.
    func bind(_ network: Network, _ uplink: UplinkReference, vifs: Bool = true) -> Bindings {
        var bindings = Bindings()
        var taken: Set<Int32> = []
        func bind(_ key: LinkKey, _ device: (index: Int32, link: Link<Int32>)) {
            guard bindings.indexes[key] == nil, taken.insert(device.index).inserted else { return }
            bindings.bind(key, to: device.index, name: device.link.name)
        }
        for device in links where vifs || device.link.kind.name == "bridge" {
            guard let role = LinkMark(alias: device.link.alias)?.key else { continue }
            switch role {
            case .bridge(network.name) where device.link.kind.name == "bridge": bind(role, device)
            case .vif, .ifb: bind(role, device)
            default: break
            }
        }
        if let device = links.first(where: { $0.link.name == network.bridge.rawValue }),
            device.link.kind.name == "bridge", Self.isFree(device.link, for: .bridge(network.name))
        {
            bind(.bridge(network.name), device)
        }
        if let device = find(uplink) { bind(.uplink(network.name), device) }
        return bindings
    }

    private func find(_ uplink: UplinkReference) -> (index: Int32, link: Link<Int32>)? {
        switch uplink {
        case .none: return nil
        case .name(let name):
            return links.first { $0.link.name == name.rawValue }
                ?? links.first { $0.link.alternativeNames.contains(name.rawValue) }
        case .identity(let index, let permanentAddress):
            return links.first {
                $0.index == index
                    && (permanentAddress == nil || $0.link.permanentAddress == permanentAddress)
            }
        }
    }

    /// Whether a link bears no mark, or this role's.
    static func isFree(_ link: Link<Int32>, for key: LinkKey) -> Bool {
        LinkMark(alias: link.alias).map { $0.key == key } ?? true
    }
}
