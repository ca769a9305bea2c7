import DrawbridgeHost
import DrawbridgeModel

// A DHCP client on the uplink: it rests while the network is up, and another one keeps the lease on the bridge.

extension HostEngine {
    /// Brings the host's own client to rest before its interface becomes a port.
    func restDHCPClient(
        _ inspection: UplinkInspection, of network: Network
    ) async throws(DrawbridgeError) -> DHCPHandoverRecord? {
        guard let client = inspection.clients.first, network.dhcpClient == .handOver else { return nil }
        throw DrawbridgeError(
            .unsupported, "\(client)", "a DHCP client cannot be handed over yet",
            advice: "set dhcp-client: ignore to go on all the same")
    }

    /// Starts a client on the bridge.
    func moveDHCPClient(_ handover: DHCPHandoverRecord?, of network: Network) async {}

    /// Wakes the host's own client after a start that failed.
    func wakeDHCPClient(_ handover: DHCPHandoverRecord?, of network: Network) async {}

    /// Ends the client on the bridge without releasing its lease, before the network is lowered.
    func restSubstitute(of network: Network) async -> DHCPHandoverRecord? { nil }

    /// Wakes the host's own client when its interface is its own again.
    func wakeHostClient(_ handover: DHCPHandoverRecord?, of network: Network) async {}
}
