public import DrawbridgeHost
public import DrawbridgeModel
import NetworkTypes

extension HostEngine {
    public func makeTap(
        for id: VifID, hasVirtioHeader: Bool
    ) async throws(DrawbridgeError) -> TapDescriptor {
        guard let name = LinkName("\(id)") else {
            throw DrawbridgeError(.invalidArgument, "\(id)", "is too long for the name of an interface")
        }
        var settings = TunSettings()
        settings.hasVirtioHeader = hasVirtioHeader
        let wanted = settings
        return try await host.transact { (access) throws(DrawbridgeError) in
            try access.holdTap(name, wanted)
        }
    }
}
