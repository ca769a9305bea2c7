import DrawbridgeHost
import DrawbridgeModel

extension HostEngine {
    /// Refuses an uplink that a DHCP client serves: left on a port it would lose the lease, and with it the host's
    /// address. ``DHCPHandover`` is not called from here, so nothing is handed over.
    func checkDHCPClient(_ inspection: UplinkInspection, of network: Network) throws(DrawbridgeError) {
        guard let client = inspection.clients.first, network.dhcpClient == .handOver else { return }
        throw DrawbridgeError(
            .unsupported, "\(client)", "a DHCP client on the uplink of \(network.name) cannot be handed over",
            advice: "give the host a fixed address, or set dhcp-client: ignore to go on and lose the lease")
    }
}
