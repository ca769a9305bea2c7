public import DrawbridgeModel
import Netlink
public import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// Sets how much longer an IPv4 address of a device lasts. One that lasts for ever is left alone.
    ///
    /// - Parameters:
    ///   - address: without a length.
    ///   - device: its name.
    ///   - seconds: nil for ever.
    /// - Returns: whether the device has such an address, and it lasted for a time only.
    /// - Throws: `kernel` with the kernel's own text.
    @discardableResult
    public mutating func setLifetime(
        of address: IPAddress, on device: String, to seconds: Seconds?
    ) throws(DrawbridgeError) -> Bool {
        traffic.reads += 2
        do throws(NetlinkError) {
            guard let link = try route.link(named: device),
                var found = try route.addresses(of: link.index).first(where: { $0.prefix.address == address }
                ),
                found.validLifetime != nil
            else { return false }
            found.validLifetime = seconds
            found.preferredLifetime = seconds
            traffic.changes += 1
            _ = try route.commit { batch in batch.add(found, existing: .replace) }
            return true
        } catch {
            throw DrawbridgeError(
                error, about: "\(address) on \(device)", doing: "its lifetime cannot be set")
        }
    }
}
