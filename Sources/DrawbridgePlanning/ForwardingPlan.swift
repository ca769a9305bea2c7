import NetworkTypes

// The difference between the host's forwarding as it is and as it is desired, side effects included.

extension ForwardingPlan {
    /// The writes that lead to what the host had before, with what `desired` asks for on top.
    ///
    /// A value that is not ours any more stays as others have set it. Where a daemon died between two writes, those
    /// that were not made are the host's own values still, so that the same difference finishes or takes back.
    public init(
        to desired: HostForwarding, from observed: [HostSetting: String], advertised: Set<String> = [],
        remembered: ForwardingRecord = ForwardingRecord()
    ) {
        let base = Self.givenBack(observed, remembered)
        var target = base
        let wanted = desired.writes(in: base, advertised: advertised)
        for write in wanted { target.apply(write) }
        record = remembered
        record.before = base
        record.ours = target
        // What the kernel changes along goes first, so that the single writes correct it.
        var predicted = observed
        var writes: [SettingWrite] = []
        func emit(_ setting: HostSetting) {
            guard let value = target[setting], predicted[setting] != value else { return }
            let write = SettingWrite(setting, value)
            predicted.apply(write)
            writes.append(write)
        }
        let settings = target.keys.sorted()
        let isAdvertisement = { (setting: HostSetting) in setting.key == .acceptsRouterAdvertisements }
        for setting in settings where isAdvertisement(setting) && target[setting] == "2" { emit(setting) }
        emit(HostSetting("all", .forwarding6))
        emit(HostSetting("all", .forwarding))
        for setting in settings where !isAdvertisement(setting) { emit(setting) }
        for setting in settings where isAdvertisement(setting) { emit(setting) }
        self.writes = writes
        if desired == HostForwarding() { record = ForwardingRecord() }
    }

    /// The settings as they would be without Drawbridge.
    static func givenBack(
        _ observed: [HostSetting: String], _ remembered: ForwardingRecord
    ) -> [HostSetting: String] {
        var result = observed
        for (setting, value) in observed {
            if let ours = remembered.ours[setting] {
                if ours == value { result[setting] = remembered.before[setting] ?? value }
                continue
            }
            // A link that came meanwhile was born with the default, which was ours.
            let inherited = HostSetting("default", setting.key)
            guard remembered.ours[inherited] == value, let before = remembered.before[inherited] else {
                continue
            }
            result[setting] = before
        }
        return result
    }
}

extension [HostSetting: String] {
    /// Advances the settings by one write, as the kernel does.
    public mutating func apply(_ write: SettingWrite) {
        let (setting, value) = (write.setting, write.value)
        let isChanged = self[setting] != value
        self[setting] = value
        guard isChanged else { return }
        if setting.link == "all", setting.key == .forwarding6 || setting.key == .forwarding {
            for other in keys where other.key == setting.key { self[other] = value }
            if setting.key == .forwarding {
                let redirects = HostSetting("all", .acceptsRedirects)
                if self[redirects] != nil { self[redirects] = value == "0" ? "1" : "0" }
            }
        }
        guard setting.key == .forwarding, value != "0" else { return }
        // `dev_disable_lro`: what a card has joined cannot be forwarded.
        for other in keys
        where other.key == .largeReceiveOffload && (setting.link == "all" || setting.link == other.link) {
            self[other] = "0"
        }
    }
}

/// Settings as a sorted list of `[link, tree, name, value]`, so that a record reads the same every time.
@propertyWrapper
public struct SortedSettings: Hashable, Sendable, Codable {
    public var wrappedValue: [HostSetting: String]

    public init(wrappedValue: [HostSetting: String]) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws {
        let rows = try decoder.singleValueContainer().decode([[String]].self)
        wrappedValue = [:]
        for row in rows {
            guard row.count == 4, let tree = SettingKey.Tree(rawValue: row[1]) else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "no setting"))
            }
            wrappedValue[HostSetting(row[0], SettingKey(tree, row[2]))] = row[3]
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(
            wrappedValue.sorted { $0.key < $1.key }.map {
                [$0.key.link, $0.key.key.tree.rawValue, $0.key.key.name, $0.value]
            })
    }
}
