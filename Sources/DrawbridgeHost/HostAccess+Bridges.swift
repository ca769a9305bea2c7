public import DrawbridgeModel
import Netlink
public import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// The names of all bridges.
    public mutating func bridges() throws(DrawbridgeError) -> [LinkName] {
        traffic.reads += 1
        do throws(NetlinkError) {
            return try route.links(kind: "bridge").values.compactMap { LinkName($0.name) }.sorted()
        } catch {
            throw DrawbridgeError(error, about: "bridges", doing: "cannot be listed")
        }
    }
}
