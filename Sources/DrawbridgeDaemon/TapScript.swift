import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import NetworkTypes

/// `qemu-ifup` and `qemu-ifdown`, the scripts of QEMU's `-netdev tap` (qemu(1)), which libvirt's
/// `<interface type='ethernet'>` runs as well: the tap's name is the first argument, and a bridge may be the second.
///
/// The tap is a vif like any other. It has the number that its name tells, else one that is chosen.
struct TapScript {
    let comes: Bool
    private let script: String

    /// nil for the name of another script.
    init?(_ name: String) {
        switch name {
        case "qemu-ifup": comes = true
        case "qemu-ifdown": comes = false
        default: return nil
        }
        script = name
    }

    /// Connects the tap, or disconnects it. A tap that nobody knows is disconnected already.
    ///
    /// - Returns: one line for standard error; empty where there is nothing to tell.
    func run(
        _ invocation: ScriptInvocation, on operations: Operations, by caller: Caller
    ) async throws(DrawbridgeError) -> String {
        let arguments = invocation.arguments
        guard let device = arguments.first, (1...2).contains(arguments.count) else {
            throw DrawbridgeError(
                .invalidArgument, script, "is called with the name of a tap, and a bridge if need be",
                advice: "as QEMU does: \(script) tap0")
        }
        let name = try Mapping.linkName(device, script)
        let known = try await operations.vif(onDevice: name.rawValue, by: caller)
        guard comes else {
            guard let known else { return "" }
            let answer = try await operations.removeVif(
                RemoveVif(id: known.description, dryRun: false), by: caller)
            return answer.outcome.warnings.joined(separator: "; ")
        }
        func value(_ key: String) -> String? {
            invocation.environment[key].flatMap { $0.isEmpty ? nil : $0 }
        }
        var vif = VifSpecification()
        vif.id = (known ?? VifID(device)).map(\.description)
        vif.device = device
        vif.bridge = arguments.count == 2 ? arguments[1] : value("bridge")
        vif.mac = value("mac")
        vif.addresses = value("ip")?.split(whereSeparator: { $0.isWhitespace || $0 == "," }).map(String.init)
        vif.rate = value("rate")
        vif.rateIn = value("rate_in")
        vif.ratePackets = value("rate_packets")
        vif.rateInPackets = value("rate_in_packets")
        if let text = value("mtu") {
            guard let mtu = UInt32(text) else {
                throw DrawbridgeError(.invalidArgument, "\(script): mtu", "'\(text)' is not a number")
            }
            vif.mtu = mtu
        }
        // What is missing from `id` is chosen; a name that tells none must not be taken for one.
        let answer = try await operations.addVif(
            AddVif(vif: vif, dryRun: false), namespace: nil, choosingID: true, by: caller)
        return answer.outcome.warnings.joined(separator: "; ")
    }
}
