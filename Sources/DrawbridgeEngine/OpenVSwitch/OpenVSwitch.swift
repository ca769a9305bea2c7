import DrawbridgeModel
import Glibc
import NetworkTypes
import OVSDB

/// Open vSwitch, as vifs join it and leave it: each a transaction of its own, told to its database.
actor OpenVSwitch {
    /// How long ovs-vswitchd may take for one port, in milliseconds; and how long once it has let somebody wait in
    /// vain, so that a hundred vifs do not wait for it one after the other.
    private static let patience: Int64 = 10_000
    private static let shortPatience: Int64 = 500
    /// How often a transaction is tried when others change the same rows.
    private static let attempts = 5

    private let socket: String
    private var isSlow = false

    init(socket: String) { self.socket = socket }

    /// How a vif's port came to be.
    struct Joining: Sendable {
        var isChanged: Bool
        /// Whether the bridge forwards in ovs-vswitchd itself rather than in the kernel.
        var isUserspace: Bool
    }

    /// Finds out whether a vif can join, and changes nothing.
    ///
    /// - Returns: whether the bridge forwards in ovs-vswitchd itself rather than in the kernel.
    func examine(_ rows: SwitchPortRows) async throws(DrawbridgeError) -> Bool {
        let socket = socket
        return try await Self.perform { () throws(SwitchFailure) in
            var database = try SwitchFailure.wrapping { () throws(DatabaseError) in
                try SwitchDatabase(socket: socket)
            }
            return try Self.sight(of: rows, &database).isUserspace
        }.told(of: "\(rows.id)", socket)
    }

    /// Makes a vif's device the port that its rows say, and waits until ovs-vswitchd has taken it. A port that it does
    /// not take is taken away again.
    func connect(_ rows: SwitchPortRows) async throws(DrawbridgeError) -> Joining {
        let (socket, patience) = (socket, isSlow ? Self.shortPatience : Self.patience)
        let result = await Self.perform { () throws(SwitchFailure) in
            try Self.connect(rows, socket: socket, patience: patience)
        }
        switch result {
        case .success(let joining):
            if joining.isChanged { isSlow = false }
        case .failure(.slow): isSlow = true
        case .failure: break
        }
        return try result.told(of: "\(rows.id)", socket)
    }

    /// Whether a vif has a port.
    func hasPort(_ id: VifID, names: [LinkName]) async throws(DrawbridgeError) -> Bool {
        try await disconnect(id, names: names, dryRun: true)
    }

    /// Takes whatever is a vif's port away. A port of an administrator's stays, whatever it is called.
    ///
    /// - Returns: whether there was any.
    func disconnect(_ id: VifID, names: [LinkName], dryRun: Bool) async throws(DrawbridgeError) -> Bool {
        let (socket, patience) = (socket, isSlow ? Self.shortPatience : Self.patience)
        return try await Self.perform { () throws(SwitchFailure) in
            try SwitchFailure.wrapping { () throws(DatabaseError) in
                var database = try SwitchDatabase(socket: socket)
                let ports = try database.ports(of: id, names: names)
                guard !ports.isEmpty, !dryRun else { return !ports.isEmpty }
                let change = try database.remove(ports, of: id)
                // Its rows are gone; if ovs-vswitchd is not there to heed that, it will when it starts.
                try? database.awaitEffect(of: change, milliseconds: patience)
                return true
            }
        }.told(of: "\(id)", socket)
    }

    private static func sight(
        of rows: SwitchPortRows, _ database: inout SwitchDatabase
    ) throws(SwitchFailure) -> SwitchDatabase.Sight {
        let sight: SwitchDatabase.Sight
        do throws(DatabaseError) {
            sight = try database.sight(of: rows)
        } catch { throw .database(error) }
        guard sight.bridge != nil else { throw .noBridge(rows.bridge) }
        if let port = sight.port, !port.isOfVif { throw .foreign(rows.device) }
        return sight
    }

    private static func connect(
        _ rows: SwitchPortRows, socket: String, patience: Int64
    ) throws(SwitchFailure) -> Joining {
        var database = try SwitchFailure.wrapping { () throws(DatabaseError) in
            try SwitchDatabase(socket: socket)
        }
        var attempt = 1
        while true {
            let sight = try sight(of: rows, &database)
            let change: SwitchDatabase.Change
            do throws(DatabaseError) {
                change = try database.connect(rows, seen: sight)
            } catch {
                // Somebody has changed what the transaction starts from: it is looked at again.
                guard case .refused(_, "timed out", _) = error, attempt < attempts else {
                    throw .database(error)
                }
                attempt += 1
                continue
            }
            do throws(SwitchFailure) {
                try finish(change, rows, &database, patience)
            } catch {
                try? database.undo(rows, seen: sight)
                throw error
            }
            return Joining(isChanged: change.isMade, isUserspace: sight.isUserspace)
        }
    }

    private static func finish(
        _ change: SwitchDatabase.Change, _ rows: SwitchPortRows, _ database: inout SwitchDatabase,
        _ patience: Int64
    ) throws(SwitchFailure) {
        let problem: String?
        do throws(DatabaseError) {
            try database.awaitEffect(of: change, milliseconds: patience)
            problem = try database.error(of: rows.device)
        } catch {
            if case .timedOut = error { throw .slow }
            throw .database(error)
        }
        if let problem { throw .refused(problem) }
    }

    /// Runs what waits for the database on a thread of its own: those of concurrency must not block.
    private static func perform<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SwitchFailure) -> Value
    ) async -> Result<Value, SwitchFailure> {
        await withCheckedContinuation { continuation in
            let work = Work {
                do throws(SwitchFailure) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            let box = Unmanaged.passRetained(work)
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                    return nil
                }, box.toOpaque())
            if code == 0 {
                pthread_detach(thread)
            } else {
                box.release()
                continuation.resume(returning: .failure(.noThread(code)))
            }
        }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}

/// Why a vif could not join Open vSwitch.
enum SwitchFailure: Error, Hashable, Sendable {
    case database(DatabaseError)
    /// There is no bridge of that name.
    case noBridge(LinkName)
    /// A port of that name is an administrator's.
    case foreign(LinkName)
    /// ovs-vswitchd did not take the port in time.
    case slow
    /// ovs-vswitchd refused the device, in its own words.
    case refused(String)
    /// No thread can be made, by the number of the error.
    case noThread(Int32)

    static func wrapping<Value: ~Copyable>(
        _ body: () throws(DatabaseError) -> Value
    ) throws(SwitchFailure) -> Value {
        do throws(DatabaseError) { return try body() } catch { throw .database(error) }
    }

    /// The failure as an event is answered with it.
    func told(of object: String, _ socket: String) -> DrawbridgeError {
        switch self {
        case .database(let error) where error.isOfConnection:
            DrawbridgeError(
                .notFound, object, "Open vSwitch does not answer: \(error)",
                advice: "start it, or check that its database listens at \(socket)")
        case .database(.timedOut):
            DrawbridgeError(
                .timeout, object, "Open vSwitch does not answer in time", advice: "is ovsdb-server well?")
        case .database(let error): DrawbridgeError(.conflict, object, "Open vSwitch refuses: \(error)")
        case .noBridge(let bridge):
            DrawbridgeError(
                .notFound, object, "Could not find bridge \(bridge) in Open vSwitch",
                advice: "make it with 'ovs-vsctl add-br \(bridge)'")
        case .foreign(let device):
            DrawbridgeError(
                .conflict, object, "Open vSwitch has a port \(device) that is no vif's",
                advice: "remove it with 'ovs-vsctl del-port \(device)' if nobody needs it")
        case .slow:
            DrawbridgeError(
                .timeout, object, "ovs-vswitchd does not take the port up",
                advice: "start it, or look at its log")
        case .refused(let text):
            DrawbridgeError(.conflict, object, "Open vSwitch does not take the device: \(text)")
        case .noThread(let code):
            DrawbridgeError(
                .internal, object,
                "a thread cannot be made: \(strerror(code).map { String(cString: $0) } ?? "")")
        }
    }
}

extension Result where Failure == SwitchFailure {
    fileprivate func told(of object: String, _ socket: String) throws(DrawbridgeError) -> Success {
        switch self {
        case .success(let value): return value
        case .failure(let failure): throw failure.told(of: object, socket)
        }
    }
}
