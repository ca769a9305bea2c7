/// What a vif script's arguments say that the client itself has to know, to speak to the store.
struct VifCall {
    enum Interface: String {
        case vif
        case tap
    }

    var command: String
    var interface: Interface
    /// The device as it was made; nil if the caller did not tell.
    var device: String?
    /// The vif's directory in the store, as the caller named it; nil if nobody told.
    var path: String?

    /// Whether the vif comes; else it goes.
    var comes: Bool { command == "online" || command == "add" }

    /// Reads a call; nil for one that is not about a vif or has no effect, since it concerns the vif's other device.
    init?(_ event: Event) {
        guard event.script.hasPrefix("vif-") else { return nil }
        let words = event.arguments.map { String(decoding: $0, as: UTF8.self) }
        guard let command = words.first(where: { !$0.contains("=") }) else { return nil }
        let type = words.last { $0.hasPrefix("type_if=") }?.dropFirst("type_if=".count) ?? "vif"
        switch (Interface(rawValue: String(type)), command) {
        case (.vif, "online"), (.vif, "offline"): interface = .vif
        case (.tap, "add"), (.tap, "remove"): interface = .tap
        default: return nil
        }
        self.command = command
        device = Self.value(interface == .vif ? "vif" : "INTERFACE", of: event, words)
        path = Self.value("XENBUS_PATH", of: event, words)
        if path == nil, let device, interface == .tap { path = Self.path(ofTap: device) }
    }

    private static func value(_ key: String, of event: Event, _ words: [String]) -> String? {
        let argument = words.last { $0.hasPrefix(key + "=") }?.dropFirst(key.utf8.count + 1)
        let value = argument.map(String.init) ?? event.variable(key)
        return value?.isEmpty == false ? value : nil
    }

    /// The directory of `vif3.0-emu`, or Xen 4.1's `tap3.0`: that of the domain that this runs in, whichever it is.
    private static func path(ofTap name: String) -> String? {
        var stem = Substring(name)
        if stem.hasPrefix("vif"), stem.hasSuffix("-emu") {
            stem = stem.dropFirst(3).dropLast(4)
        } else if stem.hasPrefix("tap") {
            stem = stem.dropFirst(3)
        } else {
            return nil
        }
        let numbers = stem.split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 2, numbers.allSatisfy({ UInt32($0) != nil }) else { return nil }
        return "backend/vif/\(numbers[0])/\(numbers[1])"
    }
}
