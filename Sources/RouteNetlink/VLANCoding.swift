import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Puts a bridge's port into VLANs (RTM_NEWVLAN); those that it is in already are tagged as told from now on.
    public mutating func addVLANs(_ vlans: PortVLANs, to port: Int32) {
        vlanMessage(RTM_NEWVLAN, port) { message in
            if let untagged = vlans.untagged {
                message.put(
                    untagged...untagged, flags: BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED)
            }
            for range in vlans.tagged.ranges { message.put(range, flags: 0) }
        }
    }

    /// Takes a bridge's port out of VLANs (RTM_DELVLAN), as far as it is in them.
    public mutating func removeVLANs(_ vlans: [UInt16], from port: Int32) {
        vlanMessage(RTM_DELVLAN, port) { message in
            for range in vlans.sorted().ranges { message.put(range, flags: 0) }
        }
    }

    private mutating func vlanMessage(_ type: Int, _ port: Int32, _ entries: (inout MessageBuffer) -> Void) {
        buffer.message(type: type) { message in
            message.header(Self.vlanHeader(port))
            entries(&message)
        }
    }

    static func vlanHeader(_ port: Int32) -> br_vlan_msg {
        var header = br_vlan_msg()
        header.family = UInt8(AF_BRIDGE)
        header.ifindex = UInt32(bitPattern: port)
        return header
    }
}

/// An entry of the kernel's answer: a VLAN, or several in a row.
private struct VLANRange {
    var vlans: ClosedRange<UInt16>
    var flags: Int32

    init?(_ entry: borrowing Attribute) {
        var (first, last, flags): (UInt16?, UInt16?, UInt16) = (nil, nil, 0)
        var attributes = entry.nested
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(BRIDGE_VLANDB_ENTRY_INFO):
                guard let info = attribute.value(as: bridge_vlan_info.self) else { return nil }
                (first, flags) = (info.vid, info.flags)
            case Int(BRIDGE_VLANDB_ENTRY_RANGE): last = attribute.value()
            default: break
            }
        }
        guard let first, first <= last ?? first else { return nil }
        vlans = first...(last ?? first)
        self.flags = Int32(flags)
    }
}

extension MessageBuffer {
    fileprivate mutating func put(_ range: ClosedRange<UInt16>, flags: Int32) {
        nest(Int(BRIDGE_VLANDB_ENTRY)) { entry in
            var info = bridge_vlan_info()
            info.flags = UInt16(flags)
            info.vid = range.lowerBound
            entry.put(Int(BRIDGE_VLANDB_ENTRY_INFO), info)
            if range.count > 1 { entry.put(Int(BRIDGE_VLANDB_ENTRY_RANGE), range.upperBound) }
        }
    }
}

extension PortVLANs {
    /// Reads an RTM_NEWVLAN message: what it tells of a port.
    static func decode(_ message: borrowing Message, of port: Int32) -> PortVLANs? {
        guard message.type == RTM_NEWVLAN, let header = message.header(as: br_vlan_msg.self),
            header.ifindex == UInt32(bitPattern: port)
        else { return nil }
        var vlans = PortVLANs()
        var attributes = message.attributes(after: br_vlan_msg.self)
        while let attribute = attributes.next() {
            guard attribute.type == Int(BRIDGE_VLANDB_ENTRY), let range = VLANRange(attribute) else {
                continue
            }
            for vlan in range.vlans {
                vlans = vlans.adding(vlan, isUntagged: range.flags & BRIDGE_VLAN_INFO_PVID != 0)
            }
        }
        return vlans
    }
}

extension [UInt16] {
    /// The numbers, which are in order, as ranges of neighbours.
    fileprivate var ranges: [ClosedRange<UInt16>] {
        reduce(into: []) { ranges, number in
            if let last = ranges.last, last.upperBound < UInt16.max, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
    }
}
