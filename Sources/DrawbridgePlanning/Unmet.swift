import NetworkTypes

/// What a prediction lacks of what is desired: the last check of a plan, independent of how it was made.
extension Planner {
    /// The first thing that is not as desired, for people; nil if all is.
    func firstUnmet() -> String? {
        unmetLink() ?? unmetShaping() ?? unmetAddresses() ?? unmetRoute() ?? unmetRest()
    }

    private func name(_ key: LinkKey) -> String { desired.name(of: key) }

    private func unmetLink() -> String? {
        for key in predicted.orderedLinks
        where desired.links[key] == nil && predicted.owner(of: key) == .drawbridge {
            return "delete \(predicted.name(of: key))"
        }
        for key in plannedLinks {
            guard let wanted = desired.links[key] else { continue }
            guard let link = predicted.links[key] else { return "create \(wanted.name)" }
            let isMet =
                link.name == wanted.name && link.alias == wanted.alias && link.group == wanted.group
                && link.mtu == wanted.mtu && link.isUp == wanted.isUp && link.master == wanted.master
                && (wanted.address == nil || link.address == wanted.address)
                && (wanted.addressGeneration == nil || link.addressGeneration == wanted.addressGeneration)
            if !isMet { return "set \(wanted.name) as it is to be" }
            if let port = wanted.port, link.port?.change(to: port) != nil {
                return "set \(wanted.name) as a port"
            }
            if let vlans = wanted.port?.vlans, link.port?.vlans != vlans {
                return "put \(wanted.name) into VLAN \(vlans)"
            }
            if case .bridge(let settings) = wanted.kind, case .bridge(let old) = link.kind,
                old.change(to: settings) != nil
            {
                return "set the bridge \(wanted.name)"
            }
        }
        return nil
    }

    private func unmetAddresses() -> String? {
        for key in plannedLinks {
            for family in AddressFamily.allCases {
                let (old, new) = (predicted.addresses(of: key, family), desired.addresses(of: key, family))
                if old.count != new.count || !zip(old, new).allSatisfy({ $0.isEqual(to: $1) }) {
                    return "give \(name(key)) \(new.map { "\($0.prefix)" }.joined(separator: ", "))"
                }
            }
        }
        return nil
    }

    private func unmetRoute() -> String? {
        let present = Dictionary(
            grouping: predicted.routes.filter { route in
                predicted.concernsRole(route)
                    && (route.nexthopID != 0 || route.devices.contains { desired.links[$0] != nil })
            }, by: { RouteKey($0) })
        for (key, wanted) in wantedRoutes {
            let old = present[key] ?? []
            let isMet =
                key.family == .ipv4
                ? zip(old, wanted).allSatisfy { $0.isEqual(to: $1) }
                : wanted.allSatisfy { route in old.contains { $0.isEqual(to: route) } }
            if old.count != wanted.count || !isMet {
                return Operation.replaceRoute(wanted[0]).text(name: name)
            }
        }
        for (key, routes) in present where wantedRoutes[key] == nil {
            return Operation.deleteRoute(routes[0]).text(name: name)
        }
        return nil
    }

    private func unmetRest() -> String? {
        for (id, nexthop) in desired.nexthops where desired.owner(of: nexthop) == .host {
            if predicted.nexthops[id] != nexthop { return Operation.replaceNexthop(nexthop).text(name: name) }
        }
        for neighbor in desired.neighbors where neighbor.isLasting && desired.links[neighbor.device] != nil {
            if !predicted.neighbors.contains(neighbor) {
                return Operation.replaceNeighbor(neighbor).text(name: name)
            }
        }
        for key in plannedLinks {
            for (setting, value) in desired.settings[key] ?? [:]
            where predicted.settings[key]?[setting] != value {
                return Operation.setSetting(key, setting, value).text(name: name)
            }
        }
        return nil
    }
}
