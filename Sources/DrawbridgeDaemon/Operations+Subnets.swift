import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import NetworkTypes

extension Operations {
    func addresses(by caller: Caller) async throws(DrawbridgeError) -> ListAddresses.Answer {
        try demand(.look, of: "addresses", by: caller)
        return ListAddresses.Answer(addresses: await engine.addresses().map(AddressReport.init))
    }

    func forwards(by caller: Caller) async throws(DrawbridgeError) -> ListForwards.Answer {
        try demand(.look, of: "forwards", by: caller)
        return ListForwards.Answer(forwards: await engine.portForwards().map(ForwardReport.init))
    }

    func addForward(_ request: AddForward, by caller: Caller) async throws(DrawbridgeError) -> OutcomeAnswer {
        let transport = try transport(request.protocol, request.port)
        try demand(.manageNetworks, of: "\(request.port)/\(request.protocol)", by: caller)
        guard request.guestPort > 0 else {
            throw DrawbridgeError(.invalidArgument, request.guest, "0 is no port")
        }
        let guest = try Mapping.line(request.guest, "guest")
        let forward = PortForward(transport, port: request.port, to: guest, port: request.guestPort)
        return Self.answer(try await engine.addForward(forward, dryRun: request.dryRun ?? false, by: caller))
    }

    func removeForward(
        _ request: RemoveForward, by caller: Caller
    ) async throws(DrawbridgeError) -> OutcomeAnswer {
        let transport = try transport(request.protocol, request.port)
        try demand(.manageNetworks, of: "\(request.port)/\(request.protocol)", by: caller)
        return Self.answer(
            try await engine.removeForward(
                transport, port: request.port, dryRun: request.dryRun ?? false, by: caller))
    }

    private func transport(_ text: String, _ port: UInt16) throws(DrawbridgeError) -> TransportProtocol {
        guard let transport = TransportProtocol(rawValue: text), port > 0 else {
            throw DrawbridgeError(
                .invalidArgument, "\(port)/\(text)", "is no port of the host's",
                advice: "say one like 8080/tcp")
        }
        return transport
    }
}

extension AddressReport {
    fileprivate init(_ status: AddressStatus) {
        self.init(
            network: status.network.rawValue, address: "\(status.address)", mac: "\(status.mac)",
            vif: "\(status.vif)", name: status.name, connected: status.isConnected)
    }
}

extension ForwardReport {
    fileprivate init(_ status: ForwardStatus) {
        self.init(
            port: status.forward.port, protocol: status.forward.transport.rawValue,
            guest: status.forward.guest,
            guestPort: status.forward.guestPort, addresses: status.addresses.map(\.description))
    }
}
