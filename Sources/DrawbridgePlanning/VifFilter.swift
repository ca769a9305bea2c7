public import DrawbridgeModel
public import NetworkTypes

/// What a vif may send, as a value: the description that the filter against spoofing is made of.
public struct VifFilter: Hashable, Sendable {
    /// What is let through of a vif's frames.
    public enum Mode: Hashable, Sendable {
        /// Only what speaks for the vif's hardware address and its addresses. A family without an address is closed.
        case addresses
        /// What speaks for the vif's hardware address, and for no address that somebody else has.
        case hardwareAddress
        /// Everything.
        case open
        /// Nothing.
        case closed
    }

    /// Which link-local address a vif may use.
    public enum LinkLocal: Hashable, Sendable {
        /// The one made of its hardware address (RFC 4291, appendix A).
        case eui64
        /// The first one that it uses and that is nobody else's.
        case pinned
    }

    public var id: VifID
    /// The name of the host's end; the hook goes by it.
    public var device: LinkName
    /// The network whose addresses nobody else may use.
    public var network: NetworkName
    public var mode: Mode
    public var mac: MACAddress
    /// The addresses and prefixes that are the vif's.
    public var addresses: [Prefix]
    public var linkLocal = LinkLocal.pinned
    /// Whether it may send RARP, as machines do after a migration.
    public var allowsRARP = false
    /// Whether what is dropped is told in the kernel's log, at a bounded rate.
    public var isLogged = false

    public init(
        _ id: VifID, device: LinkName, network: NetworkName, mode: Mode, mac: MACAddress,
        addresses: [Prefix] = []
    ) {
        self.id = id
        self.device = device
        self.network = network
        self.mode = mode
        self.mac = mac
        self.addresses = addresses
    }

    /// The filter that a vif gets if nothing else is asked for: its addresses where they are known, else its hardware
    /// address alone; nil where not even that is known.
    public init?(_ request: VifRequest, device: LinkName, network: NetworkName) {
        guard let mac = request.mac else { return nil }
        self.init(
            request.id, device: device, network: network,
            mode: request.addresses.isEmpty ? .hardwareAddress : .addresses, mac: mac,
            addresses: request.addresses)
    }

    /// Whether it may speak a family of addresses at all.
    public func speaks(_ family: AddressFamily) -> Bool {
        switch mode {
        case .addresses: addresses.contains { $0.family == family }
        case .hardwareAddress: true
        case .open, .closed: false
        }
    }
}

/// Why a frame of a vif was dropped.
public enum DropReason: UInt32, Hashable, Sendable, CaseIterable {
    case hardwareAddress = 1, ethertype, vlan, arp, ipv4, ipv6, neighborDiscovery, routerAdvertisement
    case redirect, dhcpServer, malformed, closed

    /// The words that people read: `142 spoofed ARP`.
    public var text: String {
        switch self {
        case .hardwareAddress: "spoofed MAC"
        case .ethertype: "unknown ethertype"
        case .vlan: "VLAN tag"
        case .arp: "spoofed ARP"
        case .ipv4: "spoofed IPv4"
        case .ipv6: "spoofed IPv6"
        case .neighborDiscovery: "spoofed ND"
        case .routerAdvertisement: "rogue RA"
        case .redirect: "redirect"
        case .dhcpServer: "rogue DHCP answer"
        case .malformed: "malformed"
        case .closed: "closed"
        }
    }
}

/// How many frames of a vif were dropped for a reason.
public struct DropCount: Hashable, Sendable {
    public var reason: DropReason
    public var packets: UInt64
    public var bytes: UInt64

    public init(reason: DropReason, packets: UInt64, bytes: UInt64) {
        self.reason = reason
        self.packets = packets
        self.bytes = bytes
    }
}
