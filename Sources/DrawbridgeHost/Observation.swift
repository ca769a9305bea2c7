public import DrawbridgePlanning

/// What was seen of a scope, and which device each role was bound to.
public struct Observation: Hashable, Sendable {
    /// The state, without what the kernel implies (``DrawbridgePlanning/Ownership``).
    public var state = HostState()
    /// The devices, which a plan made from the state is applied to.
    public var bindings = Bindings()

    public init() {}
}

/// Which device each role stands for.
public struct Bindings: Hashable, Sendable, Codable {
    /// The interface index of each link.
    public var indexes: [LinkKey: Int32] = [:]
    /// The name each link bears now: sysctls go by it.
    public var names: [LinkKey: String] = [:]

    public init() {}

    /// The role of an index; `.other` for a device without one.
    public func key(of index: Int32) -> LinkKey { keys[index] ?? .other(index) }

    /// The index of a link; an unbound `.other` names its own.
    public func index(of key: LinkKey) -> Int32? {
        if let index = indexes[key] { return index }
        if case .other(let index) = key { return index }
        return nil
    }

    /// Binds a link to a device.
    public mutating func bind(_ key: LinkKey, to index: Int32, name: String) {
        indexes[key] = index
        names[key] = name
        keys[index] = key
    }

    /// Forgets a link whose device is gone.
    public mutating func unbind(_ key: LinkKey) {
        if let index = indexes.removeValue(forKey: key) { keys[index] = nil }
        names[key] = nil
    }

    /// The way back, for each device that has a role.
    private var keys: [Int32: LinkKey] = [:]
}
