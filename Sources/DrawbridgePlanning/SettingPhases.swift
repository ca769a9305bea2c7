import NetworkTypes

// When sysctls are written, and what they are meanwhile.
//
// While an address is on two links the kernel must not think the worse of either: strict reverse path filtering
// would drop what comes in by the link that has the address but not yet the first connected route, the ARP filter
// would not answer there, a bridge that comes up would make a link-local address of its own, and the removal of a
// primary address would take along what stays.

extension Planner {
    mutating func planSettings() {
        loosenLinksThatGo()
        for key in plannedLinks where predicted.links[key] != nil {
            quietIPv6(of: key)
            if case .bridge(let wanted) = desired.links[key]?.kind,
                case .bridge(let settings) = predicted.links[key]?.kind,
                let change = settings.change(to: wanted)
            {
                set(key) { $0.bridge = change }
            }
            for (setting, value) in ordered(desired.settings[key]) {
                if setting == .disableIPv6, isDisabledLater(key, value) { continue }
                // What is joined cannot be forwarded, so not before it has left.
                if setting == .largeReceiveOffload, value != "0", predicted.links[key]?.master != nil {
                    continue
                }
                emit(.setSetting(key, setting, meanwhile(setting, of: key) ?? value))
                if setting == .stableSecret { quietIPv6(of: key) }
            }
            for setting in [SettingKey.promotesSecondaries] where desired.settings[key]?[setting] == nil {
                if let value = meanwhile(setting, of: key) { emit(.setSetting(key, setting, value)) }
            }
        }
    }

    /// What comes in by a bridge that is about to go must be taken as well.
    private mutating func loosenLinksThatGo() {
        for key in predicted.orderedLinks where desired.links[key] == nil && !desired.links.isEmpty {
            guard case .bridge = key, predicted.owner(of: key) == .drawbridge else { continue }
            for setting in [SettingKey.reversePathFilter, .arpFilter] {
                if let value = meanwhile(setting, of: key) { emit(.setSetting(key, setting, value)) }
            }
        }
    }

    /// The final values, when all addresses are in their place.
    mutating func restoreSettings() {
        for key in plannedLinks where predicted.links[key] != nil {
            for (setting, value) in ordered(desired.settings[key]) {
                emit(.setSetting(key, setting, value))
            }
            if desired.settings[key]?[.promotesSecondaries] == nil,
                let value = observed.settings[key]?[.promotesSecondaries]
            {
                emit(.setSetting(key, .promotesSecondaries, value))
            }
            if let mode = desired.links[key]?.addressGeneration,
                mode != predicted.links[key]?.addressGeneration
            {
                set(key) { $0.addressGeneration = mode }
            }
        }
    }

    /// No address is generated while IPv6 starts on a link. rtnetlink sets the mode without acting on it.
    private mutating func quietIPv6(of key: LinkKey) {
        guard let link = predicted.links[key], let wanted = desired.links[key],
            link.addressGeneration != AddressGeneration.none
        else { return }
        let starts =
            (!link.isUp && wanted.isUp)
            || (predicted.setting(.disableIPv6, of: key) ?? "0" != "0"
                && desired.setting(.disableIPv6, of: key) == "0")
            || link.addressGeneration != observed.links[key]?.addressGeneration
        guard starts || wanted.addressGeneration == AddressGeneration.none else { return }
        set(key) { $0.addressGeneration = AddressGeneration.none }
    }

    /// IPv6 stays on an uplink until its addresses are elsewhere.
    private func isDisabledLater(_ key: LinkKey, _ value: String) -> Bool {
        guard value != "0" else { return false }
        if case .uplink = key { return true }
        if case .vif = key { return false }
        return !predicted.addresses(of: key, .ipv6).isEmpty
    }

    /// What a setting is while addresses move; nil where it makes no difference.
    private func meanwhile(_ setting: SettingKey, of key: LinkKey) -> String? {
        if case .vif = key { return nil }
        let old = predicted.addresses(of: key, .ipv4)
        let new = desired.addresses(of: key, .ipv4)
        guard old.map(AddressKey.init) != new.map(AddressKey.init) else { return nil }
        let wanted = desired.settings[key]?[setting] ?? predicted.settings[key]?[setting]
        switch setting {
        case .reversePathFilter:
            // The stricter of the link's and of all holds, where loose counts for more: 2 is loose.
            guard wanted == "1" || desired.globals[setting] == "1" || predicted.globals[setting] == "1" else {
                return nil
            }
            return "2"
        case .arpFilter: return wanted == "1" ? "0" : nil
        case .promotesSecondaries:
            guard wanted == "0" else { return nil }
            let staying = new.map(AddressKey.init)
            let endangers = old.contains { address in
                !address.flags.contains(.secondary) && !staying.contains(AddressKey(address))
                    && new.contains { $0.isInSubnet(of: address) }
            }
            return endangers ? "1" : nil
        default: return nil
        }
    }

    /// The secret first, since it changes the mode; IPv6 is switched on last, when it is told how to be.
    private func ordered(_ settings: [SettingKey: String]?) -> [(SettingKey, String)] {
        func rank(_ key: SettingKey) -> Int { key == .stableSecret ? 0 : key == .disableIPv6 ? 2 : 1 }
        return (settings ?? [:]).sorted { (rank($0.key), $0.key) < (rank($1.key), $1.key) }
    }
}
