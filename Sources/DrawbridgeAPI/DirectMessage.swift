/// What crosses `io.drawbridge.direct`: one packet there, one packet back, each made of fields that end with NUL.
///
/// `docs/api.md` describes it for other programs.
public enum DirectMessage {
    /// The most octets a request may have.
    public static let maximumRequest = 64 << 10
    /// The most octets of output a reply carries, so that it fits a socket's buffer as one packet.
    public static let maximumOutput = 128 << 10
    /// The most octets a reply may have: the output, the line and the exit code.
    public static let maximumReply = maximumOutput + (16 << 10)
    /// The most fields a request may have.
    public static let maximumFields = 512

    /// Writes fields, each with its NUL. The fields must not hold one.
    public static func join(_ fields: [String]) -> [UInt8] {
        fields.reduce(into: []) { octets, field in
            octets.append(contentsOf: field.utf8)
            octets.append(0)
        }
    }

    /// Reads fields.
    public static func split(_ octets: [UInt8]) throws(DirectMessageError) -> [String] {
        guard octets.count <= maximumReply else { throw DirectMessageError("is too long") }
        guard octets.last == 0 else { throw DirectMessageError("does not end with NUL") }
        var fields: [String] = []
        for field in octets.dropLast().split(separator: 0, omittingEmptySubsequences: false) {
            guard let text = String(validating: field, as: UTF8.self) else {
                throw DirectMessageError("field \(fields.count + 1) is not UTF-8")
            }
            fields.append(text)
            guard fields.count <= maximumFields else {
                throw DirectMessageError("has more than \(maximumFields) fields")
            }
        }
        return fields
    }
}

/// Why a packet is not understood.
public struct DirectMessageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, as the rest of a sentence about the message.
    public var description: String
    /// Makes an error.
    public init(_ description: String) { self.description = description }
}

/// A request on `io.drawbridge.direct`.
public enum DirectRequest: Hashable, Sendable {
    /// A script was called: its name as called, its arguments, its variables.
    case script(name: String, arguments: [String], environment: [String: String])
    /// A vif is to be connected, its pair's other end born in the namespace whose descriptor comes along.
    case attach(AddVif)
    /// A tap is to be made and connected, and its descriptor passed back; whether its frames are to carry a
    /// virtio-net header.
    case tap(VifSpecification, hasVirtioHeader: Bool)

    /// The packet.
    public var octets: [UInt8] {
        switch self {
        case .script(let name, let arguments, let environment):
            let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return DirectMessage.join(["script", name, String(arguments.count)] + arguments + variables)
        case .tap(let vif, let hasVirtioHeader):
            var fields = ["tap", "vnet=\(hasVirtioHeader)"]
            if let bridge = vif.bridge { fields.append("bridge=\(bridge)") }
            if let mac = vif.mac { fields.append("mac=\(mac)") }
            for address in vif.addresses ?? [] { fields.append("address=\(address)") }
            return DirectMessage.join(fields)
        case .attach(let request):
            let vif = request.vif
            var fields = ["attach"]
            func add(_ key: String, _ value: String?) {
                if let value { fields.append("\(key)=\(value)") }
            }
            add("id", vif.id)
            add("domain", vif.domain)
            add("device", vif.device)
            add("guestName", vif.guestName)
            add("bridge", vif.bridge)
            add("mac", vif.mac)
            for address in vif.addresses ?? [] { add("address", address) }
            add("mtu", vif.mtu.map(String.init))
            add("vifName", vif.vifName)
            add("rate", vif.rate)
            add("rateIn", vif.rateIn)
            add("ratePackets", vif.ratePackets)
            add("rateInPackets", vif.rateInPackets)
            add("isolated", vif.isolated.map { $0 ? "true" : "false" })
            add("vlan", vif.vlan)
            if request.dryRun == true { add("dryRun", "true") }
            return DirectMessage.join(fields)
        }
    }

    /// Reads a packet.
    public init(parsing octets: [UInt8]) throws(DirectMessageError) {
        guard octets.count <= DirectMessage.maximumRequest else {
            throw DirectMessageError("is longer than \(DirectMessage.maximumRequest) octets")
        }
        let fields = try DirectMessage.split(octets)
        switch fields.first {
        case "script": self = try Self.script(fields.dropFirst())
        case "attach": self = .attach(try Self.attach(fields.dropFirst()))
        case "tap": self = try Self.tap(fields.dropFirst())
        default:
            throw DirectMessageError(
                "begins with '\(fields.first ?? "")' instead of 'script', 'attach' or 'tap'")
        }
    }

    private static func script(_ fields: ArraySlice<String>) throws(DirectMessageError) -> DirectRequest {
        let fields = Array(fields)
        guard fields.count >= 2, !fields[0].isEmpty, let count = Int(fields[1]),
            (0...(fields.count - 2)).contains(count)
        else { throw DirectMessageError("has no name of a script or no number of arguments") }
        var environment: [String: String] = [:]
        for variable in fields[(2 + count)...] {
            guard let (key, value) = split(variable) else {
                throw DirectMessageError("has a variable without '='")
            }
            environment[key] = value
        }
        return .script(name: fields[0], arguments: Array(fields[2..<(2 + count)]), environment: environment)
    }

    private static func tap(_ fields: ArraySlice<String>) throws(DirectMessageError) -> DirectRequest {
        var vif = VifSpecification()
        var hasVirtioHeader = false
        for field in fields {
            guard let (key, value) = split(field) else { throw DirectMessageError("has a field without '='") }
            switch (key, value) {
            case ("vnet", "true"), ("vnet", "false"): hasVirtioHeader = value == "true"
            case ("bridge", _): vif.bridge = value
            case ("mac", _): vif.mac = value
            case ("address", _): vif.addresses = (vif.addresses ?? []) + [value]
            default: throw DirectMessageError("has an unknown field '\(key)=\(value)'")
            }
        }
        return .tap(vif, hasVirtioHeader: hasVirtioHeader)
    }

    private static func attach(_ fields: ArraySlice<String>) throws(DirectMessageError) -> AddVif {
        var request = AddVif(vif: VifSpecification())
        for field in fields {
            guard let (key, value) = split(field) else { throw DirectMessageError("has a field without '='") }
            switch key {
            case "id": request.vif.id = value
            case "domain": request.vif.domain = value
            case "device": request.vif.device = value
            case "guestName": request.vif.guestName = value
            case "bridge": request.vif.bridge = value
            case "mac": request.vif.mac = value
            case "address": request.vif.addresses = (request.vif.addresses ?? []) + [value]
            case "mtu":
                guard let mtu = UInt32(value) else { throw DirectMessageError("has an mtu '\(value)'") }
                request.vif.mtu = mtu
            case "vifName": request.vif.vifName = value
            case "rate": request.vif.rate = value
            case "rateIn": request.vif.rateIn = value
            case "ratePackets": request.vif.ratePackets = value
            case "rateInPackets": request.vif.rateInPackets = value
            case "isolated":
                guard value == "true" || value == "false" else {
                    throw DirectMessageError("has an isolated '\(value)' instead of true or false")
                }
                request.vif.isolated = value == "true"
            case "vlan": request.vif.vlan = value
            case "dryRun":
                guard value == "true" || value == "false" else {
                    throw DirectMessageError("has a dryRun '\(value)' instead of true or false")
                }
                request.dryRun = value == "true"
            default: throw DirectMessageError("has an unknown field '\(key)'")
            }
        }
        return request
    }

    private static func split(_ field: String) -> (String, String)? {
        guard let equals = field.firstIndex(of: "="), equals != field.startIndex else { return nil }
        return (String(field[..<equals]), String(field[field.index(after: equals)...]))
    }
}

/// The reply on `io.drawbridge.direct`.
public struct DirectReply: Hashable, Sendable {
    /// What a client of one request exits with.
    public var exitCode: UInt8
    /// One line for standard error; empty where all went well.
    public var message: String
    /// For standard output. Of `attach` the reply to `AddVif` as Varlink has it.
    public var output: String

    /// Makes a reply.
    public init(exitCode: UInt8, message: String = "", output: String = "") {
        self.exitCode = exitCode
        self.message = message
        self.output = output
    }

    /// The packet. What would not fit is cut off, and NULs and line breaks of the line are blanks.
    public var octets: [UInt8] {
        let line = String(message.unicodeScalars.map { $0.value < 32 ? " " : Character($0) })
        let output =
            self.output.unicodeScalars.contains { $0.value == 0 }
            ? String(self.output.unicodeScalars.map { $0.value == 0 ? " " : Character($0) }) : self.output
        return DirectMessage.join([
            String(exitCode), Self.cut(line, at: 8 << 10), Self.cut(output, at: DirectMessage.maximumOutput),
        ])
    }

    /// Reads a packet.
    public init(parsing octets: [UInt8]) throws(DirectMessageError) {
        let fields = try DirectMessage.split(octets)
        guard fields.count == 3, let code = UInt8(fields[0]) else {
            throw DirectMessageError("is no reply")
        }
        self.init(exitCode: code, message: fields[1], output: fields[2])
    }

    private static func cut(_ text: String, at limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        return String(decoding: text.utf8.prefix(limit - 4), as: UTF8.self) + "…"
    }
}
