/// What is remembered of a hand-over, so that the next daemon, or `drawbridge restore`, can end it.
public struct DHCPHandoverRecord: Hashable, Sendable, Codable {
    /// The host's own client, which rests.
    public var client: RunningDHCPClient
    /// When the lease it knows of ends, in seconds since 1970; nil where that does not matter or is not known.
    public var knownExpiry: Int64?
    /// The client that runs on the bridge in its place; nil where it has not been started yet.
    public var substitute: ProcessReference?
    /// The address that it got, where that is known.
    public var address: String?
    /// The devices: where it ran, and where the other runs.
    public var uplink: String
    public var bridge: String
    /// What the files of the other client are called by: the bridge and the process that rested first.
    public var tag: String
    /// When it was last laid to rest, in seconds of CLOCK_MONOTONIC.
    public var restingSince: Int64?
    /// Whether the host's own client was ended only to be started anew; nil where it was not.
    public var isBeingRenewed: Bool?

    public init(client: RunningDHCPClient, address: String?, uplink: String, bridge: String) {
        self.client = client
        self.address = address
        self.uplink = uplink
        self.bridge = bridge
        tag = "\(bridge)-\(client.reference.process)"
    }
}

/// Which program a DHCP client is.
public enum DHCPClientKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// busybox's.
    case udhcpc
    /// The ISC's.
    case dhclient
    /// Known by name, but not how to hand over.
    case dhcpcd
    case pump
    case dhcp6c = "dhcp6c"
}

/// A DHCP client as it was found running.
public struct RunningDHCPClient: Hashable, Sendable, Codable {
    public var reference: ProcessReference
    public var command: DHCPClientCommand
    /// The file it is run from (`/proc/PID/exe`).
    public var executable: String
    public var environment: [String]
    public var directory: String
    /// Where its standard input, output and error lead, for those that can be opened again.
    public var standardFiles: [String?]
    /// Its cgroup in the unified hierarchy, as `/proc/PID/cgroup` tells it.
    public var cgroup: String?
}
