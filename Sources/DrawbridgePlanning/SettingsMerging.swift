import NetworkTypes

extension BridgeSettings {
    /// These settings with those that `change` names put in their place.
    func merging(_ change: BridgeSettings) -> BridgeSettings {
        var result = self
        result.spanningTree = change.spanningTree ?? spanningTree
        result.forwardDelay = change.forwardDelay ?? forwardDelay
        result.helloTime = change.helloTime ?? helloTime
        result.maximumAge = change.maximumAge ?? maximumAge
        result.ageingTime = change.ageingTime ?? ageingTime
        result.priority = change.priority ?? priority
        result.vlanFiltering = change.vlanFiltering ?? vlanFiltering
        result.multicastSnooping = change.multicastSnooping ?? multicastSnooping
        result.multicastQuerier = change.multicastQuerier ?? multicastQuerier
        result.callIPTables = change.callIPTables ?? callIPTables
        result.callIP6Tables = change.callIP6Tables ?? callIP6Tables
        result.callARPTables = change.callARPTables ?? callARPTables
        return result
    }

    /// What must be set to get from here to `desired`; nil if nothing.
    func change(to desired: BridgeSettings) -> BridgeSettings? {
        guard merging(desired) != self else { return nil }
        func only<Value: Equatable>(_ path: KeyPath<BridgeSettings, Value?>) -> Value? {
            desired[keyPath: path] == self[keyPath: path] ? nil : desired[keyPath: path]
        }
        var result = BridgeSettings()
        result.spanningTree = only(\.spanningTree)
        result.forwardDelay = only(\.forwardDelay)
        result.helloTime = only(\.helloTime)
        result.maximumAge = only(\.maximumAge)
        result.ageingTime = only(\.ageingTime)
        result.priority = only(\.priority)
        result.vlanFiltering = only(\.vlanFiltering)
        result.multicastSnooping = only(\.multicastSnooping)
        result.multicastQuerier = only(\.multicastQuerier)
        result.callIPTables = only(\.callIPTables)
        result.callIP6Tables = only(\.callIP6Tables)
        result.callARPTables = only(\.callARPTables)
        return result
    }
}

extension BridgePortSettings {
    /// These settings with those that `change` names put in their place. The state is the kernel's to say.
    func merging(_ change: BridgePortSettings) -> BridgePortSettings {
        var result = self
        result.cost = change.cost ?? cost
        result.priority = change.priority ?? priority
        result.hairpin = change.hairpin ?? hairpin
        result.bpduGuard = change.bpduGuard ?? bpduGuard
        result.rootBlock = change.rootBlock ?? rootBlock
        result.learning = change.learning ?? learning
        result.unicastFlood = change.unicastFlood ?? unicastFlood
        result.multicastFlood = change.multicastFlood ?? multicastFlood
        result.broadcastFlood = change.broadcastFlood ?? broadcastFlood
        result.isolated = change.isolated ?? isolated
        result.locked = change.locked ?? locked
        result.neighbourSuppression = change.neighbourSuppression ?? neighbourSuppression
        result.proxyARP = change.proxyARP ?? proxyARP
        result.vlans = change.vlans ?? vlans
        return result
    }

    /// What must be set to get from here to `desired`; nil if nothing.
    func change(to desired: BridgePortSettings) -> BridgePortSettings? {
        // What VLANs it is in is told by requests of its own.
        var rest = merging(desired)
        rest.vlans = vlans
        guard rest != self else { return nil }
        func only<Value: Equatable>(_ path: KeyPath<BridgePortSettings, Value?>) -> Value? {
            desired[keyPath: path] == self[keyPath: path] ? nil : desired[keyPath: path]
        }
        var result = BridgePortSettings()
        result.cost = only(\.cost)
        result.priority = only(\.priority)
        result.hairpin = only(\.hairpin)
        result.bpduGuard = only(\.bpduGuard)
        result.rootBlock = only(\.rootBlock)
        result.learning = only(\.learning)
        result.unicastFlood = only(\.unicastFlood)
        result.multicastFlood = only(\.multicastFlood)
        result.broadcastFlood = only(\.broadcastFlood)
        result.isolated = only(\.isolated)
        result.locked = only(\.locked)
        result.neighbourSuppression = only(\.neighbourSuppression)
        result.proxyARP = only(\.proxyARP)
        return result
    }
}
