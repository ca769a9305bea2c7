public import DrawbridgeModel
public import NetworkTypes

/// What a vif may send, as a value: the description that the filter against spoofing is made of.
public struct VifFilter: Hashable, Sendable {
    /// What is let through of a vif's frames.
    public enum Mode: Hashable, Sendable {
        /// Only what speaks for the vif's hardware address and its addresses. A family without an address is closed.
        case addresses
        /// The same, with the addresses that are learnt of it; it may ask for one in either family.
        case learning
        /// What speaks for the vif's hardware address, and for no address that somebody else has.
        case hardwareAddress
        /// Everything.
        case open
        /// Nothing.
        case closed

        /// The word for it, as the configuration has it.
        public var text: String {
            switch self {
            case .addresses: "addresses"
            case .learning: UnaddressedVif.learn.rawValue
            case .hardwareAddress: UnaddressedVif.macOnly.rawValue
            case .open: UnaddressedVif.open.rawValue
            case .closed: UnaddressedVif.closed.rawValue
            }
        }
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
    public var linkLocal = LinkLocalChoice.pinned
    /// Whether it may send RARP, as machines do after a migration.
    public var allowsRARP = false
    /// Whether what is dropped is told in the kernel's log, at a bounded rate.
    public var isLogged = false
    /// The VLANs whose tags it may send; what is behind a tag is looked at as if it had none.
    public var vlans: [UInt16] = []
    /// Whether nothing passes for now, since the vif is on its way from one network to another. What it sends meanwhile is
    /// not counted.
    public var isSilent = false

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

    /// The filter that a vif gets: its addresses where they are told, else what the settings say of one without.
    ///
    /// - Parameter learned: What was learnt of its addresses, where none are told.
    /// - Returns: nil where its network, or what is said of the vif, has it not filtered, and where its hardware address
    ///   is not known but matters.
    public init?(
        _ request: VifRequest, device: LinkName, network: NetworkName, _ settings: FilterSettings,
        learned: [Prefix] = []
    ) {
        guard settings.isOn else { return nil }
        let mode: Mode
        if !request.addresses.isEmpty {
            mode = .addresses
        } else {
            mode =
                switch settings.withoutAddress {
                case .macOnly: .hardwareAddress
                case .learn: .learning
                case .open: .open
                case .closed: .closed
                }
        }
        guard let mac = request.mac ?? (mode == .open || mode == .closed ? .xenVif : nil) else { return nil }
        self.init(
            request.id, device: device, network: network, mode: mode, mac: mac,
            addresses: mode == .learning ? learned : request.addresses)
        linkLocal = settings.linkLocal
        allowsRARP = settings.allowsRARP
        isLogged = settings.logsDrops
    }

    /// The same, but that nothing passes for now.
    public var silenced: VifFilter {
        var filter = self
        filter.isSilent = true
        return filter
    }

    /// Whether no frame passes but from the vif's own hardware address.
    public var holdsHardwareAddress: Bool { mode != .open && mode != .closed }

    /// Whether it may speak a family of addresses at all.
    public func speaks(_ family: AddressFamily) -> Bool {
        switch mode {
        case .addresses: addresses.contains { $0.family == family }
        case .hardwareAddress, .learning: true
        case .open, .closed: false
        }
    }
}

extension VifFilter: CustomStringConvertible {
    /// `vif1.0: 10.0.0.5 at 00:16:3e:00:00:01`
    public var description: String {
        switch mode {
        case .addresses: "\(device): \(addresses.map(\.guestText).joined(separator: " ")) at \(mac)"
        case .learning:
            "\(device): what is learnt at \(mac), now \(addresses.isEmpty ? "nothing" : addresses.map(\.guestText).joined(separator: " "))"
        case .hardwareAddress: "\(device): whatever is nobody else's at \(mac)"
        case .open: "\(device): everything passes"
        case .closed: "\(device): nothing passes"
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
