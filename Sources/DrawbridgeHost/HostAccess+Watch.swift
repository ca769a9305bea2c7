public import DrawbridgeModel
import Netlink
public import RouteNetlink

extension HostAccess {
    /// What changes in the host's namespace from now on. The stream outlives the transaction, and ends with its
    /// last reader; what came too fast for the reader is told as an overrun.
    public func changes(_ topics: RouteEvents.Topics = .all) throws(DrawbridgeError) -> RouteEvents {
        do throws(NetlinkError) { return try RouteEvents(topics) } catch {
            throw DrawbridgeError(error, about: "notifications", doing: "cannot be listened to")
        }
    }
}
