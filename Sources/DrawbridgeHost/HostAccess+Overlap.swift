public import DrawbridgeModel
import Netlink
public import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// The host's own addresses on some interfaces.
    public mutating func addresses(on devices: Set<Int32>) throws(DrawbridgeError) -> [Prefix] {
        traffic.reads += 1
        do throws(NetlinkError) {
            return try route.addresses().filter { devices.contains($0.device) }.map(\.prefix)
        } catch { throw DrawbridgeError(error, about: "addresses", doing: "cannot be read") }
    }

    /// What of the host's own addresses and routes a new subnet would take away; nil where nothing.
    ///
    /// - Parameter bridge: the subnet's own bridge, on which its addresses may be already.
    public mutating func overlap(
        with prefixes: [Prefix], exceptOn bridge: String
    ) throws(DrawbridgeError) -> String? {
        traffic.reads += 3
        do throws(NetlinkError) {
            let links = try route.links()
            let name = { (index: Int32?) in index.flatMap { links[$0]?.name } ?? "another device" }
            for address in try route.addresses() where name(address.device) != bridge {
                if let own = prefixes.first(where: { $0.overlaps(address.prefix.network) }) {
                    return "\(own) overlaps \(address.prefix) of \(name(address.device))"
                }
            }
            for family in Set(prefixes.map(\.family)) {
                for found in try route.routes(family) {
                    guard let destination = found.destination, destination.length > 0,
                        found.devices.first.map({ name($0) != bridge }) ?? true,
                        let own = prefixes.first(where: { $0.network.overlaps(destination) })
                    else { continue }
                    // A route to a network that holds the subnet among much else leads past it no more.
                    guard destination.length >= own.length else { continue }
                    return "\(own) overlaps the route to \(destination) through \(name(found.devices.first))"
                }
            }
            return nil
        } catch { throw DrawbridgeError(error, about: "addresses", doing: "cannot be read") }
    }
}
