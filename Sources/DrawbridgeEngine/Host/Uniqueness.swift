import DrawbridgeHost
import DrawbridgeModel
import NetworkTypes

extension HostAccess {
    /// Refuses vifs that were given a hardware address or an address which another vif has, or which one of
    /// themselves is given as well.
    ///
    /// - Parameter known: what is attached and may be in the way (``AttachmentTable/rivals(of:)``). One whose device is gone is passed over: when a domain is started anew,
    ///   its new vif may come before anybody has told that the old one went.
    mutating func checkUnique(
        _ requests: [(request: VifRequest, network: NetworkName)], among known: [Attachment]
    ) throws(DrawbridgeError) {
        let coming = Set(requests.map(\.request.id))
        var earlier = RivalTable()
        var networks: [VifID: (request: VifRequest, network: NetworkName)] = [:]
        for (request, network) in requests {
            let rivals = earlier.rivals(of: request).compactMap { networks[$0] }
            networks[request.id] = (request, network)
            earlier.insert(request)
            for other in rivals {
                let shared = other.network == network ? network : nil
                if let clash = request.clash(with: other.request, on: shared) {
                    throw refusal(request, clash)
                }
            }
            for other in known where !coming.contains(other.request.id) {
                let shared = other.network == network ? network : nil
                guard let clash = request.clash(with: other.held, on: shared) else { continue }
                guard try link(index: other.index) != nil else { continue }
                throw refusal(request, clash)
            }
        }
    }

    private func refusal(_ request: VifRequest, _ clash: VifRequest.Clash) -> DrawbridgeError {
        DrawbridgeError(
            .conflict, "\(request.id): \(clash.key)", clash.cause,
            advice: "give each vif its own, or disconnect the other first")
    }
}
