public import DrawbridgeModel
import Netlink

extension HostAccess {
    /// The programs that wait for what comes to a port of the host's, as people know them; empty where nobody does.
    public mutating func listeners(
        on transport: TransportProtocol, port: UInt16
    ) throws(DrawbridgeError) -> [String] {
        traffic.reads += 2
        do throws(NetlinkError) {
            let inodes = try diagnostics.listeners(onPort: port, isTCP: transport == .tcp)
            let owners = Processes.owners(ofSockets: inodes)
            return inodes.sorted().map { owners[$0]?.description ?? "a program of another namespace" }
        } catch {
            throw DrawbridgeError(error, about: "\(port)/\(transport.rawValue)", doing: "cannot be examined")
        }
    }
}
