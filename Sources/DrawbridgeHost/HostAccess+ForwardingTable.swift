public import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
public import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// Tells bridges by which of their ports hardware addresses are reached, since they do not learn it of vifs that are
    /// held to theirs, and lets them learn what is no longer held. A pinned entry is sticky: no frame that comes in
    /// elsewhere moves it (bridge(8)). The entries go with their ports.
    public mutating func pinForwarding(_ pins: [ForwardingPin]) throws(DrawbridgeError) {
        guard !pins.isEmpty else { return }
        var batch = RouteBatch()
        for pin in pins {
            var entry = ForwardingEntry(address: pin.address, port: pin.port)
            if pin.isHeld { entry.flags |= ForwardingEntry.sticky } else { entry.state = .reachable }
            batch.replace(entry)
        }
        traffic.sends += 1
        traffic.changes += pins.count
        do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
            // A port that does not forward, as that of a guest that has not begun, is told of no address that the bridge
            // may learn elsewhere (br_fdb.c, fdb_add_entry): what it was held to is taken away instead.
            let refused = error.refusals
            guard !refused.isEmpty, refused.allSatisfy({ $0.errno == EPERM && !pins[$0.index].isHeld }) else {
                throw DrawbridgeError(error, about: "bridge", doing: "cannot be told its guests' addresses")
            }
            try release(refused.map { pins[$0.index] })
        }
    }

    private mutating func release(_ pins: [ForwardingPin]) throws(DrawbridgeError) {
        var batch = RouteBatch()
        for pin in pins { batch.remove(ForwardingEntry(address: pin.address, port: pin.port)) }
        traffic.sends += 1
        traffic.changes += pins.count
        do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
            // What is not there is held to nothing.
            guard !error.refusals.isEmpty, error.refusals.allSatisfy({ $0.errno == ENOENT }) else {
                throw DrawbridgeError(error, about: "bridge", doing: "cannot be told its guests' addresses")
            }
        }
    }
}

/// Where the frames for a hardware address go.
public struct ForwardingPin: Hashable, Sendable {
    public var address: MACAddress
    /// The index of the port.
    public var port: Int32
    /// Whether they go there whatever the bridge sees, else until it learns otherwise.
    public var isHeld: Bool

    public init(address: MACAddress, port: Int32, isHeld: Bool) {
        self.address = address
        self.port = port
        self.isHeld = isHeld
    }
}

extension FilterChange {
    /// What the bridge is told of the vif's hardware address: the one it was held to is let go before one is held.
    ///
    /// - Parameters:
    ///   - isShared: Whether another port may be the way to it as well.
    ///   - index: The index of a vif's port, where it has one.
    public func pins(isShared: Bool = false, ofPort index: (VifID) -> Int32?) -> [ForwardingPin] {
        let held = new.flatMap { $0.holdsHardwareAddress && !isShared ? $0 : nil }
        let released = old.flatMap { $0.holdsHardwareAddress && $0.mac != held?.mac ? $0 : nil }
        return [(released, false), (held, true)].compactMap { filter, isHeld in
            guard let filter, let port = index(filter.id) else { return nil }
            return ForwardingPin(address: filter.mac, port: port, isHeld: isHeld)
        }
    }
}
