public import DrawbridgeModel
import Netlink
import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// Has a port of a bridge that filters by VLANs carry the tags of these, and no others; what has no tag there goes on
    /// as it does.
    ///
    /// - Throws: `kernel` where the kernel refuses it. A port that is none any more is left alone.
    public mutating func carry(_ vlans: Set<UInt16>, on port: Int32) throws(DrawbridgeError) {
        guard let link = try link(index: port), link.portKind == "bridge" else { return }
        do throws(NetlinkError) {
            traffic.reads += 1
            let carried = try route.vlans(of: port)
            let surplus = carried.tagged.filter { !vlans.contains($0) }
            let missing = vlans.subtracting(carried.all)
            guard !surplus.isEmpty || !missing.isEmpty else { return }
            var batch = RouteBatch()
            if !surplus.isEmpty { batch.removeVLANs(surplus, from: port) }
            if !missing.isEmpty { batch.addVLANs(PortVLANs(tagged: missing), to: port) }
            traffic.sends += 1
            traffic.changes += batch.count
            _ = try route.commit(&batch)
        } catch { throw DrawbridgeError(error, about: link.name, doing: "cannot be put into VLANs") }
    }
}
