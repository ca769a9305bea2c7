import Conntrack
public import DrawbridgeModel
import Netlink
import NetworkTypes

extension HostAccess {
    /// Ends the connections that ports of the host's led to guests they lead to no longer: what comes of them next is for
    /// the host itself, which knows nothing of them.
    ///
    /// - Throws: `kernel` where the kernel's table of connections cannot be read or changed.
    public mutating func forgetConnections(of gone: [PortTranslation]) throws(DrawbridgeError) {
        guard !gone.isEmpty else { return }
        var socket = try opened("the table of connections") { () throws(NetlinkError) in try ConntrackSocket()
        }
        do throws(NetlinkError) {
            for family in Set(gone.map(\.address.family)) {
                traffic.reads += 1
                let ended = try socket.connections(family).filter { one in
                    gone.contains { $0.led(one) }
                }
                guard !ended.isEmpty else { continue }
                traffic.sends += 1
                traffic.changes += ended.count
                try socket.delete(ended)
            }
        } catch { throw DrawbridgeError(error, about: "the table of connections") }
    }
}

extension PortTranslation {
    /// Whether a connection came to its port and was led to its guest.
    fileprivate func led(_ connection: Connection) -> Bool {
        connection.transport == transport.number && connection.port == port
            && connection.answerer == address && connection.answeringPort == targetPort
            && connection.destination != address
    }
}
