import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Sets an entry of the neighbour table, making it where it is not there (RTM_NEWNEIGH).
    public mutating func replace(_ neighbor: Neighbor<Int32>) {
        encode(neighbor, type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes an entry out of the neighbour table (RTM_DELNEIGH).
    public mutating func remove(_ neighbor: Neighbor<Int32>) {
        encode(neighbor, type: RTM_DELNEIGH, flags: 0)
    }

    private mutating func encode(_ neighbor: Neighbor<Int32>, type: Int, flags: Int32) {
        var header = ndmsg()
        header.ndm_family = neighbor.destination.family.rawValue
        header.ndm_ifindex = neighbor.device
        header.ndm_state = neighbor.state.rawValue
        header.ndm_flags = neighbor.flags
        buffer.message(type: type, flags: flags) { message in
            message.header(header)
            message.put(Int(NDA_DST), neighbor.destination)
            if let address = neighbor.address { message.put(Int(NDA_LLADDR), address) }
            if neighbor.origin != .unspecified { message.put(Int(NDA_PROTOCOL), neighbor.origin.rawValue) }
            if neighbor.extendedFlags != 0 {
                message.put(Int(NDA_FLAGS_EXT), neighbor.extendedFlags)
            }
        }
    }

    /// Sets an entry of a bridge's forwarding database (RTM_NEWNEIGH of AF_BRIDGE).
    public mutating func replace(_ entry: ForwardingEntry) {
        encode(entry, type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes an entry out of a bridge's forwarding database.
    public mutating func remove(_ entry: ForwardingEntry) {
        encode(entry, type: RTM_DELNEIGH, flags: 0)
    }

    private mutating func encode(_ entry: ForwardingEntry, type: Int, flags: Int32) {
        var header = ndmsg()
        header.ndm_family = UInt8(AF_BRIDGE)
        header.ndm_ifindex = entry.port
        header.ndm_state = entry.state.rawValue
        header.ndm_flags = entry.flags
        buffer.message(type: type, flags: flags) { message in
            message.header(header)
            message.put(Int(NDA_LLADDR), entry.address)
            if let vlan = entry.vlan { message.put(Int(NDA_VLAN), vlan) }
            if let destination = entry.destination { message.put(Int(NDA_DST), destination) }
        }
    }
}

/// An entry of a bridge's forwarding database: behind which port an address is.
public struct ForwardingEntry: Hashable, Sendable {
    public var address: MACAddress
    /// The index of the port.
    public var port: Int32
    public var state: NeighborState
    /// `NTF_*`: 2 for the port's own table, 4 for its master's, 64 for an entry that no frame moves.
    public var flags: UInt8
    /// The VLAN it counts in, where the bridge filters them.
    public var vlan: UInt16?
    /// The remote endpoint of a VXLAN device's own entry.
    public var destination: IPAddress?

    /// The flag of an entry that stays when the address is seen at another port (`NTF_STICKY` of linux/neighbour.h).
    public static let sticky: UInt8 = 0x40

    /// Says that `address` is behind `port`.
    public init(address: MACAddress, port: Int32, state: NeighborState = .noARP, flags: UInt8 = 4) {
        self.address = address
        self.port = port
        self.state = state
        self.flags = flags
    }

    /// Reads an RTM_NEWNEIGH or RTM_DELNEIGH message of AF_BRIDGE.
    static func decode(_ message: borrowing Message) -> ForwardingEntry? {
        guard message.type == RTM_NEWNEIGH || message.type == RTM_DELNEIGH,
            let header = message.header(as: ndmsg.self), header.ndm_family == UInt8(AF_BRIDGE)
        else { return nil }
        var address: MACAddress?
        var vlan: UInt16?
        var destination: IPAddress?
        var attributes = message.attributes(after: ndmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(NDA_LLADDR): address = attribute.hardwareAddress
            case Int(NDA_VLAN): vlan = attribute.value()
            case Int(NDA_DST): destination = attribute.address
            default: break
            }
        }
        guard let address else { return nil }
        var entry = ForwardingEntry(
            address: address, port: header.ndm_ifindex, state: NeighborState(rawValue: header.ndm_state),
            flags: header.ndm_flags)
        entry.vlan = vlan
        entry.destination = destination
        return entry
    }
}

extension Neighbor where Device == Int32 {
    /// Reads an RTM_NEWNEIGH message of an IP family.
    static func decode(_ message: borrowing Message) -> Neighbor? {
        guard message.type == RTM_NEWNEIGH || message.type == RTM_DELNEIGH,
            let header = message.header(as: ndmsg.self),
            AddressFamily(rawValue: header.ndm_family) != nil
        else { return nil }
        var destination: IPAddress?
        var address: MACAddress?
        var origin = RouteOrigin.unspecified
        var extendedFlags: UInt32 = 0
        var attributes = message.attributes(after: ndmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(NDA_DST): destination = attribute.address
            case Int(NDA_LLADDR): address = attribute.hardwareAddress
            case Int(NDA_FLAGS_EXT): extendedFlags = attribute.value() ?? 0
            case Int(NDA_PROTOCOL): origin = RouteOrigin(rawValue: attribute.value() ?? 0)
            default: break
            }
        }
        guard let destination else { return nil }
        var neighbor = Neighbor(
            destination, on: header.ndm_ifindex, address: address,
            state: NeighborState(rawValue: header.ndm_state))
        neighbor.flags = header.ndm_flags
        neighbor.origin = origin
        neighbor.extendedFlags = extendedFlags
        return neighbor
    }
}
