import DrawbridgeModel
import DrawbridgePlanning
import Netlink
import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// Some vifs with all that a routed network has on them, and the proxied neighbours of its uplink.
    mutating func observe(
        _ vifs: [VifDevice], uplinks: [NetworkName: Int32], addresses: Set<IPAddress>?
    ) throws(NetlinkError) -> Observation {
        var observation = Observation()
        var found: [(index: Int32, link: Link<Int32>)] = []
        for (network, index) in uplinks {
            traffic.reads += 1
            guard let device = try route.link(index: index) else { continue }
            observation.bindings.bind(.uplink(network), to: index, name: device.link.name)
            found.append(device)
        }
        for vif in vifs {
            guard let device = try device(of: vif) else { continue }
            observation.bindings.bind(.vif(vif.id), to: device.index, name: device.link.name)
            found.append(device)
            traffic.reads += 1
            let role = LinkKey.ifb(vif.id)
            guard let shaper = try route.link(named: "\(role)"), Binder.isFree(shaper.link, for: role) else {
                continue
            }
            observation.bindings.bind(role, to: shaper.index, name: shaper.link.name)
            found.append(shaper)
        }
        let bindings = observation.bindings
        let key = { (index: Int32) -> LinkKey? in bindings.key(of: index) }
        for (index, link) in found {
            let role = bindings.key(of: index)
            observation.state.links[role] = link.mapDevices(key)
            switch role {
            case .vif:
                observation.state.settings[role] = sysctl.settings(RoutedVif.settings, ofLink: link.name)
                try observeWhatIsOn(index, role, bindings, &observation.state)
                try observeShaping(of: [index], bindings, &observation.state)
            case .ifb:
                observation.state.settings[role] = sysctl.settings(SettingKey.ofPorts, ofLink: link.name)
                try observeShaping(of: [index], bindings, &observation.state)
            case .uplink:
                traffic.reads += 1
                observation.state.neighbors += try route.neighbors(of: index, proxies: true)
                    .filter { $0.device == index && (addresses?.contains($0.destination) ?? true) }
                    .compactMap { $0.mapDevices(key) }
            default: break
            }
        }
        observation.state.globals = sysctl.settings(SettingKey.globals, ofLink: "all")
        observation.state = observation.state.plannable
        return observation
    }

    private mutating func observeWhatIsOn(
        _ index: Int32, _ role: LinkKey, _ bindings: Bindings, _ state: inout HostState
    ) throws(NetlinkError) {
        let key = { (index: Int32) -> LinkKey? in bindings.key(of: index) }
        traffic.reads += 4
        let addresses = try route.addresses(of: index).compactMap { $0.mapDevices(key) }
        if !addresses.isEmpty { state.addresses[role] = addresses }
        for family in AddressFamily.allCases {
            state.routes += try route.routes(family, device: index)
                .filter { $0.devices.contains(index) }.compactMap { $0.mapDevices(key) }
        }
        state.neighbors += try route.neighbors(of: index).filter { $0.device == index }
            .compactMap { $0.mapDevices(key) }
    }
}
