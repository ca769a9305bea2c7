import NetworkTypes

// What routed and NAT networks set of a link that is another network's bridge: it is nobody's change of that network.

extension ForwardingRecord {
    /// What is set of a link as Drawbridge's forwarding has it, and was otherwise before.
    fileprivate func own(of link: String, _ settings: [SettingKey: String]) -> [SettingKey: String] {
        settings.filter { key, value in
            let setting = HostSetting(link, key)
            guard let before = before[setting] else { return false }
            return ours[setting] == value && before != value
        }
    }
}

extension HostState {
    /// A state that is desired of this one as it would be without Drawbridge's forwarding, which stays on top of it.
    ///
    /// Else a bridge that another network leads out by would look as if somebody had it forward: its uplink would get that
    /// as well, and keep it.
    ///
    /// - Parameters:
    ///   - forwarding: what Drawbridge's forwarding changed, and what was there before.
    ///   - desire: what is to become of the state without it.
    public func desired<Failure: Error>(
        besides forwarding: ForwardingRecord,
        _ desire: (HostState) throws(Failure) -> HostState
    ) throws(Failure) -> HostState {
        var observed = self
        var own: [LinkKey: [SettingKey: String]] = [:]
        for (key, link) in links {
            let settings = forwarding.own(of: link.name, settings[key] ?? [:])
            guard !settings.isEmpty else { continue }
            own[key] = settings
            for setting in settings.keys {
                observed.settings[key]?[setting] = forwarding.before[HostSetting(link.name, setting)]
            }
        }
        var desired = try desire(observed)
        for (key, settings) in own where desired.links[key] != nil {
            for (setting, value) in settings
            where desired.settings[key]?[setting] == observed.settings[key]?[setting] {
                desired.settings[key]?[setting] = value
            }
        }
        return desired
    }
}
