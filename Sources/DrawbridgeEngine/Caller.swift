/// Who asks, as the kernel told when the connection was accepted (SO_PEERCRED, SO_PEERGROUPS: unix(7), socket(7)).
public struct Caller: Hashable, Sendable {
    public var process: Int32
    public var user: UInt32
    public var group: UInt32
    public var groups: [UInt32]

    public init(process: Int32, user: UInt32, group: UInt32, groups: [UInt32] = []) {
        self.process = process
        self.user = user
        self.group = group
        self.groups = groups
    }

    public var isRoot: Bool { user == 0 }
}
