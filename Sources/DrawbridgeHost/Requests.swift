import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import RouteNetlink

extension RouteBatch {
    /// Adds the one message of an operation, its links replaced by the devices they are bound to.
    ///
    /// - Throws: `internal` where a link is not bound; nothing is added then.
    mutating func add(
        _ operation: Operation, bindings: Bindings, peers: [LinkKey: Int32]
    ) throws(DrawbridgeError) {
        let translate = { (key: LinkKey) -> Int32? in bindings.index(of: key) }
        switch operation {
        case .createLink(let key, let link, let peer):
            var link = link.mapDevices(translate)
            // These two come in a message of their own, once the link has an index.
            link.alias = nil
            link.addressGeneration = nil
            link.flags.remove(.up)
            create(
                link,
                peer: peer.map {
                    VethPeer(name: $0.name.rawValue, address: $0.address, mtu: $0.mtu, namespace: peers[key])
                })
        case .deleteLink(let key): deleteLink(try bound(bindings.index(of: key), operation))
        case .setLink(let key, let change):
            set(
                try bound(bindings.index(of: key), operation),
                try bound(LinkSettings(change, translate), operation))
        case .addAddress(let address): add(try bound(address.mapDevices(translate), operation))
        case .replaceAddress(let address):
            add(try bound(address.mapDevices(translate), operation), existing: .replace)
        case .deleteAddress(let address): remove(try bound(address.mapDevices(translate), operation))
        case .removeVLANs(let key, let vlans):
            removeVLANs(vlans, from: try bound(bindings.index(of: key), operation))
        case .addVLANs(let key, let vlans):
            addVLANs(vlans, to: try bound(bindings.index(of: key), operation))
        case .addRoute(let route): add(try bound(route.mapDevices(translate), operation))
        case .appendRoute(let route):
            add(try bound(route.mapDevices(translate), operation), existing: .append)
        case .replaceRoute(let route):
            add(try bound(route.mapDevices(translate), operation), existing: .replace)
        case .deleteRoute(let route): remove(try bound(route.mapDevices(translate), operation))
        case .replaceNexthop(let nexthop): replace(try bound(nexthop.mapDevices(translate), operation))
        case .deleteNexthop(let id): removeNexthop(id)
        case .replaceNeighbor(let neighbor): replace(try bound(neighbor.mapDevices(translate), operation))
        case .deleteNeighbor(let neighbor): remove(try bound(neighbor.mapDevices(translate), operation))
        case .replaceQdisc(let qdisc): replace(try bound(qdisc.mapDevices(translate), operation))
        case .deleteQdisc(let qdisc): remove(try bound(qdisc.mapDevices(translate), operation))
        case .addFilter(let filter): add(try bound(filter.mapDevices(translate), operation))
        case .deleteFilter(let filter): remove(try bound(filter.mapDevices(translate), operation))
        case .setSetting, .openBypass, .closeBypass, .awaitCarrier, .reportMulticast, .solicitRouters:
            throw DrawbridgeError(.internal, "plan", "a step that is no request was to be sent as one")
        }
    }

    private func bound<Value>(_ value: Value?, _ operation: Operation) throws(DrawbridgeError) -> Value {
        guard let value else {
            let step = operation.text { bindings in bindings.description }
            throw DrawbridgeError(.internal, "plan", "no device is bound for: \(step)")
        }
        return value
    }
}

extension LinkSettings {
    /// What changes, with the master's index; nil where the master is not bound.
    fileprivate init?(_ change: LinkChange, _ translate: (LinkKey) -> Int32?) {
        self.init()
        name = change.name
        alias = change.alias
        mtu = change.mtu
        address = change.address
        group = change.group
        flagMask = change.flagMask
        flags = change.flags
        addressGeneration = change.addressGeneration
        bridge = change.bridge
        port = change.port
        if let isUp = change.isUp { set(up: isUp) }
        switch change.master {
        case nil: break
        case .some(nil): master = 0
        case .some(.some(let key)):
            guard let index = translate(key) else { return nil }
            master = index
        }
    }
}
