import DrawbridgeModel
import NetworkTypes
import OVSDB

/// Open vSwitch's own database over its Unix socket (ovs-vswitchd.conf.db(5)): one connection, used on one thread.
struct SwitchDatabase: ~Copyable {
    private static let name = "Open_vSwitch"
    /// How long one answer may take, in milliseconds.
    private static let answerLimit: Int64 = 10_000

    private var session: Session

    init(socket: String) throws(DatabaseError) { session = try Session(connectingTo: socket) }

    /// What is there that concerns a port.
    struct Sight: Sendable {
        /// The bridge, nil where there is none of that name.
        var bridge: String?
        /// Whether it forwards in ovs-vswitchd itself rather than in the kernel.
        var isUserspace = false
        /// The port of that name.
        var port: SwitchPortSight?
        /// Whether that port is the bridge's.
        var isOnBridge = false
        /// Ports of the same vif by other names.
        var others: [SwitchPortSight] = []
    }

    /// What a change came to.
    struct Change: Sendable {
        /// Whether anything was changed.
        var isMade = true
        /// What ovs-vswitchd has to have seen.
        var target: Int64 = 0
        /// What it had seen by then.
        var current: Int64 = 0
    }

    mutating func sight(of rows: SwitchPortRows) throws(DatabaseError) -> Sight {
        let results = try perform([
            .select(
                from: "Bridge", where: [Condition("name", .equals, .string(rows.bridge.rawValue))],
                columns: ["_uuid", "datapath_type", "ports"]),
            .select(
                from: "Port", where: [Condition("name", .equals, .string(rows.device.rawValue))],
                columns: SwitchPortSight.columns),
            .select(
                from: "Port",
                where: [
                    Condition(
                        "external_ids", .includes, .texts([SwitchPortRows.mark: "\(rows.id)"]))
                ], columns: SwitchPortSight.columns),
            .select(
                from: "Interface", where: [Condition("name", .equals, .string(rows.device.rawValue))],
                columns: ["_uuid", "external_ids", "error"]),
        ])
        var sight = Sight()
        let bridge = results[0].rows.first
        sight.bridge = bridge?["_uuid"]?.uuid
        sight.isUserspace = bridge?["datapath_type"]?.string == "netdev"
        sight.port = results[1].rows.first.flatMap { SwitchPortSight($0) }
        if let interface = results[3].rows.first { sight.port?.read(interface: interface) }
        if let port = sight.port {
            sight.isOnBridge = bridge?["ports"]?.atoms.contains { $0.uuid == port.uuid } ?? false
        }
        sight.others = results[2].rows.compactMap { SwitchPortSight($0) }
            .filter { $0.uuid != sight.port?.uuid }
        return sight
    }

    /// Brings the port to what its rows say, in one transaction that takes place only if all is as it was seen.
    mutating func connect(_ rows: SwitchPortRows, seen sight: Sight) throws(DatabaseError) -> Change {
        guard let bridge = sight.bridge else { return Change(isMade: false) }
        var operations = sight.others.map { SwitchPortRows.removal(of: $0.uuid) }
        if let port = sight.port, isKept(rows, sight) {
            operations += rows.change(of: port)
        } else {
            if let port = sight.port { operations.append(SwitchPortRows.removal(of: port.uuid)) }
            operations += rows.insertion()
        }
        guard !operations.isEmpty else { return Change(isMade: false) }
        return try commit(
            [
                .comment("drawbridge: \(rows.id) joins \(rows.bridge) as \(rows.device)"),
                Self.unchanged("Bridge", name: rows.bridge.rawValue, [bridge]),
                Self.unchanged("Port", name: rows.device.rawValue, sight.port.map { [$0.uuid] } ?? []),
            ] + operations)
    }

    /// The ports of a vif: those that are marked as its own, and those of its names that are a vif's.
    mutating func ports(of id: VifID, names: [LinkName]) throws(DatabaseError) -> [SwitchPortSight] {
        let marked = OVSDB.Operation.select(
            from: "Port",
            where: [Condition("external_ids", .includes, .texts([SwitchPortRows.mark: "\(id)"]))],
            columns: SwitchPortSight.columns)
        let named = names.flatMap { name -> [OVSDB.Operation] in
            [
                .select(
                    from: "Port", where: [Condition("name", .equals, .string(name.rawValue))],
                    columns: SwitchPortSight.columns),
                .select(
                    from: "Interface", where: [Condition("name", .equals, .string(name.rawValue))],
                    columns: ["external_ids", "error"]),
            ]
        }
        let results = try perform([marked] + named)
        var ports = results[0].rows.compactMap { SwitchPortSight($0) }
        for index in names.indices {
            guard var port = results[1 + 2 * index].rows.first.flatMap({ SwitchPortSight($0) }),
                !ports.contains(where: { $0.uuid == port.uuid })
            else { continue }
            if let interface = results[2 + 2 * index].rows.first { port.read(interface: interface) }
            // Marked for another vif, it is that one's; without any mark of a vif's, an administrator's.
            if port.mark == nil, !port.guest.isEmpty { ports.append(port) }
        }
        return ports
    }

    /// Takes ports away, in one transaction.
    mutating func remove(_ ports: [SwitchPortSight], of id: VifID) throws(DatabaseError) -> Change {
        guard !ports.isEmpty else { return Change(isMade: false) }
        return try commit(
            [.comment("drawbridge: \(id) goes")] + ports.map { SwitchPortRows.removal(of: $0.uuid) })
    }

    /// Takes back what was not taken up: a port that was changed is as it was, any other goes.
    mutating func undo(_ rows: SwitchPortRows, seen sight: Sight) throws(DatabaseError) {
        if let port = sight.port, isKept(rows, sight) {
            _ = try commit([
                .update(
                    "Port", where: [Condition("_uuid", .equals, .uuid(port.uuid))], row: port.settings)
            ])
        } else {
            _ = try remove(try ports(of: rows.id, names: []), of: rows.id)
        }
    }

    /// Whether the port that is there is the vif's own already, and only changes.
    private func isKept(_ rows: SwitchPortRows, _ sight: Sight) -> Bool {
        guard let port = sight.port else { return false }
        return sight.isOnBridge && port.mark == "\(rows.id)" && port.error == nil
    }

    /// Waits until ovs-vswitchd has done what a change asks for.
    mutating func awaitEffect(of change: Change, milliseconds: Int64) throws(DatabaseError) {
        guard change.isMade else { return }
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(milliseconds)
        var current = change.current
        while current < change.target {
            let left = end - clock.now
            let (seconds, attoseconds) = left.components
            let rest = seconds * 1000 + attoseconds / 1_000_000_000_000_000
            guard rest > 0 else { throw .timedOut }
            let results: [OperationResult]
            do throws(DatabaseError) {
                results = try perform([
                    .wait(
                        "Open_vSwitch", where: [], columns: ["cur_cfg"], .different,
                        rows: [["cur_cfg": .integer(current)]], timeout: rest),
                    .select(from: "Open_vSwitch", where: [], columns: ["cur_cfg"]),
                ])
            } catch {
                if case .refused(_, "timed out", _) = error { throw .timedOut }
                throw error
            }
            current = results[1].rows.first?["cur_cfg"]?.integer ?? current
        }
    }

    /// Why Open vSwitch could not take an interface; nil where it could.
    mutating func error(of device: LinkName) throws(DatabaseError) -> String? {
        let results = try perform([
            .select(
                from: "Interface", where: [Condition("name", .equals, .string(device.rawValue))],
                columns: ["error"])
        ])
        return results[0].rows.first?["error"]?.atoms.first?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    private mutating func commit(_ operations: [OVSDB.Operation]) throws(DatabaseError) -> Change {
        let results = try perform(operations + SwitchPortRows.commitment)
        let row = results.last?.rows.first ?? [:]
        guard let target = row["next_cfg"]?.integer, let current = row["cur_cfg"]?.integer else {
            throw .malformed("the table Open_vSwitch has no row")
        }
        return Change(target: target, current: current)
    }

    private mutating func perform(
        _ operations: [OVSDB.Operation]
    ) throws(DatabaseError) -> [OperationResult] {
        try session.transact(Self.name, operations, timeout: Self.answerLimit)
    }

    /// Refuses the transaction unless the rows of that name are these.
    private static func unchanged(_ table: String, name: String, _ uuids: [String]) -> OVSDB.Operation {
        .wait(
            table, where: [Condition("name", .equals, .string(name))], columns: ["_uuid"], .equal,
            rows: uuids.map { ["_uuid": .uuid($0)] }, timeout: 0)
    }
}
