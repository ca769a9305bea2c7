import DrawbridgeEngine

/// What somebody may want of the daemon, as far as it matters for whether they may.
enum Action: Hashable, Sendable {
    /// Look at networks, vifs, events and the daemon.
    case look
    /// Plan or connect a vif whose pair the daemon makes. `owner` is who has a vif of that id already.
    case attachPair(owner: UInt32?)
    /// Plan or connect a tap that the daemon makes, for this user to open; nil for others as well.
    case attachTap(opener: UInt32?)
    /// Plan or connect a device that exists on the host.
    case attachDevice
    /// Plan or disconnect a vif. `owner` is nil if there is none of that id.
    case detach(owner: UInt32?)
    /// Change the limits of a vif: they hold a guest against its own owner's wish.
    case limit
    /// Raise or lower a network.
    case manageNetworks
    /// Hand in a script's event.
    case runScript
    /// Reload or end the daemon.
    case administer
}

/// Who somebody is to the daemon.
enum Standing: Hashable, Sendable {
    case root
    /// A member of the group `drawbridge`.
    case member(user: UInt32)
    case stranger
}

/// Who may do what: the one table.
enum Authorization {
    static func permits(_ standing: Standing, _ action: Action) -> Bool {
        switch (standing, action) {
        case (.root, _): true
        case (.stranger, _): false
        case (.member, .look): true
        case (.member(let user), .attachPair(let owner)): owner == nil || owner == user
        case (.member(let user), .attachTap(let opener)): opener == user
        case (.member(let user), .detach(let owner)): owner == nil || owner == user
        case (.member, .attachDevice), (.member, .manageNetworks), (.member, .runScript),
            (.member, .administer), (.member, .limit):
            false
        }
    }

    /// Why not, for the one who is refused.
    static func reason(_ standing: Standing, _ action: Action) -> String {
        guard standing != .stranger else {
            return "only root and the members of the group drawbridge may use it"
        }
        return switch action {
        case .look: "only the members of the group drawbridge may look"
        case .attachPair, .detach: "it belongs to another user"
        case .attachTap: "only root may make a tap that others open"
        case .attachDevice: "only root may connect a device of the host"
        case .limit: "the limits of a vif are root's"
        case .manageNetworks: "networks are root's"
        case .runScript: "script events are root's"
        case .administer: "the daemon is root's"
        }
    }
}
