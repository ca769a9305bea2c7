import NetworkTypes

// What is taken away once its successor is in place, and what is put right after.

extension Planner {
    mutating func planWithdrawal() {
        withdrawRoutes()
        for key in plannedLinks {
            guard case .uplink = key, let wanted = desired.links[key], wanted.master == nil,
                let bridge = predicted.links[key]?.master
            else { continue }
            movers.insert(key)
            bypassing(key, over: bridge) { $0.set(key) { $0.master = .some(nil) } }
        }
        withdrawAddresses()
        // An IPv6 prefix route with an expiry outlives its address.
        withdrawRoutes()
        withdrawNexthops()
        withdrawNeighbors()
        for key in plannedLinks where predicted.links[key] != nil {
            if let value = desired.setting(.disableIPv6, of: key), value != "0" {
                emit(.setSetting(key, .disableIPv6, value))
            }
            if desired.links[key]?.isUp == false, predicted.links[key]?.isUp == true {
                set(key) { $0.isUp = false }
            }
        }
    }

    mutating func planRepair() {
        repairAddresses()
        planRoutes()
        withdrawRoutes()
        restoreSettings()
        for key in movers.sorted() {
            let home = desired.links[key]?.master ?? key
            emitAlways(.reportMulticast(home))
            let usesIPv6 = desired.setting(.disableIPv6, of: home) ?? "1" == "0"
            let acceptsAdvertisements =
                desired.setting(.acceptsRouterAdvertisements, of: home) ?? "0" != "0"
            if usesIPv6, acceptsAdvertisements { emitAlways(.solicitRouters(home)) }
        }
    }
}
