/// A vif script's event, read from its arguments, its environment and, on Xen, the store.
public struct VifEvent: Hashable, Sendable {
    /// The two devices that one vif of a fully virtualized domain may have on the host.
    public enum Interface: String, Hashable, Sendable, Codable, CaseIterable {
        /// The back end of a paravirtual interface, or a tap that stands for one.
        case vif
        /// The tap of an emulated card, `vif<domid>.<devid>-emu`.
        case tap
    }

    /// What happens.
    public var command: VifCommand
    /// Which of the vif's devices it is about.
    public var interface: Interface
    /// The vif, its device and what is asked for it.
    public var request: VifRequest
    /// What was accepted without having a meaning, a line each.
    public var notices: [String]
    /// Whether a udev rule made the call; such a call is to have no effect where the store says
    /// `libxl/disable_udev`.
    public var isUdevCall: Bool

    /// Makes an event that comes from elsewhere than a script's call.
    public init(
        command: VifCommand, interface: Interface, request: VifRequest, notices: [String] = [],
        isUdevCall: Bool = false
    ) {
        self.command = command
        self.interface = interface
        self.request = request
        self.notices = notices
        self.isUdevCall = isUdevCall
    }

    /// What the script has to do.
    public enum Reading: Hashable, Sendable {
        /// Nothing: the event concerns the vif's other device, or comes in a pair with one that was handled.
        case nothing(String)
        /// To handle this event.
        case event(VifEvent)
    }

    /// The variables of the environment that a vif script reads.
    public static let variables: Set<String> = [
        "XENBUS_PATH", "XENBUS_TYPE", "XENBUS_BASE_PATH", "vif", "INTERFACE", "script", "netdev", "UDEV_CALL",
        "ACTION", "type_if", "bridge", "ip", "mac", "mtu", "vifname", "rate", "rate_in", "rate-in",
        "rate_packets", "rate-packets", "rate_in_packets", "rate-in-packets",
        "domain", "gatewaydev", "vlan", "dhcp",
    ]

    /// The keys of the vif's directory in the store that are read here; `name` is the domain's own, which stands
    /// elsewhere, for the toolstacks that write no `domain`.
    public static let storeKeys: Set<String> = [
        "bridge", "ip", "mac", "mtu", "vifname", "rate", "domain", "name", "uuid", "gatewaydev", "vlan",
        "trusted",
    ]

    /// Reads an event.
    ///
    /// Of one key the store's value holds before the argument's, and that before the environment's.
    ///
    /// Which vif it is, `XENBUS_PATH` says. Where there is a xenstore it has to be set when a vif comes, as the
    /// original demanded; a tap is known by its name. Where there is none, arguments and environment are all the context there is: then
    /// `vif` (or `INTERFACE`, for a tap) alone is enough if it is of the form `vif<domid>.<devid>`. When a vif
    /// goes, its name is always enough, and what is malformed besides is told and left aside, so that nothing
    /// keeps a vif from going.
    ///
    /// - Parameter store: The vif's own keys of the store; nil where there is no store.
    public static func read(
        script: String, arguments: [String], environment: [String: String], store: [String: String]? = nil
    ) throws(DrawbridgeError) -> Reading {
        let arguments = ScriptArguments(arguments)
        guard let command = VifCommand(rawValue: arguments.command ?? "") else {
            throw DrawbridgeError(
                .invalidArgument, script, "Invalid command: \(arguments.command ?? "")",
                advice: "Valid commands are: online, offline, add, remove")
        }
        let fields = VifFields(script: script, arguments: arguments, environment: environment, store: store)
        guard let interface = Interface(rawValue: fields["type_if"] ?? "vif") else {
            throw DrawbridgeError(
                .invalidArgument, script, "unknown interface type \(fields["type_if"] ?? "")",
                advice: "Valid types are: vif, tap")
        }
        switch (interface, command) {
        case (.vif, .add), (.vif, .remove):
            return .nothing("\(command) is for taps; a vif gets online and offline")
        case (.tap, .online), (.tap, .offline):
            return .nothing("\(command) is for vifs; a tap gets add and remove")
        default: break
        }
        let comes = command == .online || command == .add
        let (id, device) = try fields.identity(of: interface, comes: comes)
        var request = VifRequest(id: id, source: .existing(device))
        var notices = arguments.notices(knowing: variables)
        do {
            notices += try fields.fill(&request, for: interface)
        } catch {
            if comes { throw error }
            notices.append("\(error); left aside, since the vif goes")
        }
        return .event(
            VifEvent(
                command: command, interface: interface, request: request, notices: notices,
                isUdevCall: !(environment["UDEV_CALL"] ?? "").isEmpty))
    }
}
