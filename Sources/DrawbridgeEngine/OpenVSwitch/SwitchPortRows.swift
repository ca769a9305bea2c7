import DrawbridgeModel
import NetworkTypes
import OVSDB

/// A vif as Open vSwitch's database is to have it: a row of Port and one of Interface, both named after the device.
struct SwitchPortRows: Hashable, Sendable {
    var id: VifID
    /// The name that the device bears.
    var device: LinkName
    var bridge: LinkName
    var tag: UInt16?
    var trunks: [UInt16] = []
    /// Whether it exchanges no frames with others of which this is said.
    var isProtected = false
    /// What Xen's script tells of the guest.
    var guest: [String: String] = [:]

    /// The rows for a request, which names a bridge; nil where it does not.
    init?(_ request: VifRequest, device: LinkName, isProtected: Bool) {
        guard let port = request.switchPort, let bridge = port.bridge else { return nil }
        id = request.id
        self.device = device
        self.bridge = bridge
        tag = port.tag
        trunks = port.trunks
        self.isProtected = isProtected
        guest["xen-vm-name"] = request.domainName
        guest["xen-vm-uuid"] = request.domainUUID
        guest["attached-mac"] = request.mac.map { "\($0)" }
    }

    /// What tells our rows from all others, with the vif behind it.
    static let mark = "drawbridge"
    /// What Xen's script writes; a port with one of these is a vif's.
    static let xenKeys = ["attached-mac", "xen-vm-name", "xen-vm-uuid"]

    private var settings: [String: Value] {
        [
            "tag": .optional(tag.map(Int64.init)), "trunks": .set(trunks.map { .integer(Int64($0)) }),
            "protected": .boolean(isProtected),
        ]
    }

    /// Makes the port anew. The interface and whatever port had its name before go with their last references.
    func insertion() -> [OVSDB.Operation] {
        [
            .insert(
                into: "Interface",
                row: ["name": .string(device.rawValue), "external_ids": .texts(guest)], name: "interface"),
            .insert(
                into: "Port",
                row: settings.merging([
                    "name": .string(device.rawValue), "interfaces": .named("interface"),
                    "external_ids": .texts([Self.mark: "\(id)"]),
                ]) { own, _ in own }, name: "port"),
            .mutate(
                "Bridge", where: [Condition("name", .equals, .string(bridge.rawValue))],
                [Mutation("ports", .insert, .set([.named("port")]))]),
        ]
    }

    /// Changes a port that is there, so that no frame is lost that need not be. What others have said of it stays.
    func change(of port: SwitchPortSight) -> [OVSDB.Operation] {
        var operations: [OVSDB.Operation] = []
        if port.settings != settings {
            operations.append(
                .update("Port", where: [Condition("_uuid", .equals, .uuid(port.uuid))], row: settings))
        }
        if let interface = port.interface, port.guest != guest {
            operations.append(
                .mutate(
                    "Interface", where: [Condition("_uuid", .equals, .uuid(interface))],
                    [
                        Mutation("external_ids", .delete, .set(Self.xenKeys.map { .string($0) })),
                        Mutation("external_ids", .insert, .texts(guest)),
                    ]))
        }
        return operations
    }

    /// Takes a port away.
    static func removal(of port: String) -> OVSDB.Operation {
        .mutate(
            "Bridge", where: [Condition("ports", .includes, .set([.uuid(port)]))],
            [Mutation("ports", .delete, .set([.uuid(port)]))])
    }

    /// Has ovs-vswitchd look, and says by which number it can be known that it has.
    static let commitment: [OVSDB.Operation] = [
        .mutate("Open_vSwitch", where: [], [Mutation("next_cfg", .add, .integer(1))]),
        .select(from: "Open_vSwitch", where: [], columns: ["cur_cfg", "next_cfg"]),
    ]
}

/// A port as the database has it.
struct SwitchPortSight: Hashable, Sendable {
    var uuid: String
    var name: String
    /// The vif that it was made for by Drawbridge; nil where it was not.
    var mark: String?
    var settings: [String: Value]
    /// Its only interface.
    var interface: String?
    /// What Xen's script, or Drawbridge, tells of the guest.
    var guest: [String: String] = [:]
    /// Why Open vSwitch could not take its device.
    var error: String?

    static let columns = ["_uuid", "name", "interfaces", "tag", "trunks", "protected", "external_ids"]

    /// Reads a row of Port; nil where it lacks what every row has.
    init?(_ row: [String: Value]) {
        guard let uuid = row["_uuid"]?.uuid, let name = row["name"]?.string else { return nil }
        self.uuid = uuid
        self.name = name
        mark = row["external_ids"]?.texts[SwitchPortRows.mark]
        // A set of one may come as its atom.
        settings = [
            "tag": .set(row["tag"]?.atoms ?? []),
            "trunks": .set((row["trunks"]?.atoms ?? []).sorted { ($0.integer ?? 0) < ($1.integer ?? 0) }),
            "protected": row["protected"] ?? .boolean(false),
        ]
        let interfaces = row["interfaces"]?.atoms ?? []
        interface = interfaces.count == 1 ? interfaces[0].uuid : nil
    }

    /// Takes over what the interface's row says.
    mutating func read(interface row: [String: Value]) {
        let texts = row["external_ids"]?.texts ?? [:]
        for key in SwitchPortRows.xenKeys { guest[key] = texts[key] }
        error = row["error"]?.atoms.first?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Whether a vif's port: made by Drawbridge, or by Xen's script.
    var isOfVif: Bool { mark != nil || !guest.isEmpty }
}
