import NetworkTypes

// How addresses come and go, in the kernel's exact order.
//
// The kernel appends an IPv4 address to its class (the primaries of its scope, or the secondaries), and puts an IPv6
// address before its equals in scope. So whatever stays must be the head of its class for IPv4 and the tail for
// IPv6: additions go in that direction and removals come from the other end. Where that cannot be, what stands in
// the way is removed and added again.

extension Planner {
    mutating func planAddresses() {
        for key in plannedLinks {
            guard let wanted = desired.links[key], wanted.isUp, predicted.links[key]?.isUp == false else {
                continue
            }
            // A bridge without ports and an uplink that leaves its bridge harm nobody by being up, and routes
            // need it. A vif comes up last.
            if case .bridge = key { set(key) { $0.isUp = true } }
            if case .uplink = key, wanted.master == nil { set(key) { $0.isUp = true } }
        }
        for key in plannedLinks where predicted.links[key] != nil {
            for family in AddressFamily.allCases { gain(family, on: key) }
        }
    }

    private mutating func gain(_ family: AddressFamily, on key: LinkKey) {
        let wanted = desired.addresses(of: key, family)
        let present = Set(predicted.addresses(of: key, family).map(AddressKey.init))
        guard wanted.contains(where: { !present.contains(AddressKey($0)) }) else { return }
        arrange(family, on: key, onlyIfHeldElsewhere: true)
    }

    /// Adds what is missing, after taking away what is in the way of the exact order.
    mutating func arrange(_ family: AddressFamily, on key: LinkKey, onlyIfHeldElsewhere: Bool) {
        let wanted = desired.addresses(of: key, family)
        let obstacles = obstacles(to: wanted, family, on: key)
        let isHarmless = obstacles.allSatisfy { address in
            predicted.addresses.contains { other, list in
                other != key && list.contains { $0.prefix.address == address.prefix.address }
            }
        }
        if isHarmless || !onlyIfHeldElsewhere { remove(obstacles) }
        for address in family == .ipv4 ? wanted : wanted.reversed() {
            let present = predicted.addresses(of: key, family)
            guard !present.contains(where: { AddressKey($0) == AddressKey(address) }) else { continue }
            var new = address
            if family == .ipv6 { new.flags.insert(.noDuplicateDetection) }
            if family == .ipv4 { new.flags.remove(.secondary) }
            emit(.addAddress(new))
        }
    }

    /// What must be removed and added again, so that the order comes out right.
    private func obstacles(
        to wanted: [Address<LinkKey>], _ family: AddressFamily, on key: LinkKey
    ) -> [Address<LinkKey>] {
        let wantedKeys = Set(wanted.map(AddressKey.init))
        let present = predicted.addresses(of: key, family).filter { wantedKeys.contains(AddressKey($0)) }
        func byClass(_ list: [Address<LinkKey>]) -> [Int: [Address<LinkKey>]] {
            Dictionary(grouping: family == .ipv4 ? list : list.reversed(), by: \.orderClass)
        }
        let wantedClasses = byClass(wanted)
        var kept: Set<AddressKey> = []
        for (kind, list) in byClass(present) {
            for (old, new) in zip(list, wantedClasses[kind] ?? []) {
                guard old.canBecome(new) else { break }
                kept.insert(AddressKey(old))
            }
        }
        // A primary that goes takes its secondaries along, and what follows them must go too.
        if family == .ipv4 {
            let going = present.filter { !$0.flags.contains(.secondary) && !kept.contains(AddressKey($0)) }
            var isBroken = false
            for address in present where address.flags.contains(.secondary) {
                if going.contains(where: { $0.isInSubnet(of: address) }) { isBroken = true }
                if isBroken { kept.remove(AddressKey(address)) }
            }
        }
        return present.filter { !kept.contains(AddressKey($0)) }
    }

    /// Removes addresses from the end that lets the rest keep its order, secondaries before primaries.
    mutating func remove(_ addresses: [Address<LinkKey>]) {
        for family in AddressFamily.allCases {
            let list = addresses.filter { $0.prefix.family == family }
            for address in family == .ipv4 ? list.reversed() : list { emit(.deleteAddress(address)) }
        }
    }

    mutating func withdrawAddresses() {
        for key in plannedLinks where predicted.links[key] != nil {
            let wanted = Set((desired.addresses[key] ?? []).map(AddressKey.init))
            remove((predicted.addresses[key] ?? []).filter { !wanted.contains(AddressKey($0)) })
        }
    }

    /// Brings order and attributes to what is desired exactly.
    mutating func repairAddresses() {
        for key in plannedLinks where predicted.links[key] != nil {
            for family in AddressFamily.allCases {
                arrange(family, on: key, onlyIfHeldElsewhere: false)
                for address in desired.addresses(of: key, family) {
                    let old = predicted.addresses(of: key, family).first {
                        AddressKey($0) == AddressKey(address)
                    }
                    if let old, !old.isEqual(to: address) { emit(.replaceAddress(address)) }
                }
            }
        }
    }
}

extension Address<LinkKey> {
    /// Addresses are ordered among those of their class.
    var orderClass: Int {
        if prefix.family == .ipv6 { return sourceScope }
        return flags.contains(.secondary) ? -1 : Int(scope.rawValue)
    }

    /// Whether replacing this one in place makes it `other`.
    func canBecome(_ other: Self) -> Bool {
        AddressKey(self) == AddressKey(other) && replaced(by: other).isEqual(to: other)
    }

    /// Equal but for the time that passes.
    func isEqual(to other: Self) -> Bool {
        guard Lifetime.areClose(validLifetime, other.validLifetime),
            Lifetime.areClose(preferredLifetime, other.preferredLifetime)
        else { return false }
        var left = normalized
        var right = other.normalized
        left.validLifetime = nil
        left.preferredLifetime = nil
        right.validLifetime = nil
        right.preferredLifetime = nil
        return left == right
    }
}
