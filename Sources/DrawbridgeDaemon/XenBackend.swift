import DrawbridgeEngine
import DrawbridgeModel
import Logging
import Xenstore

/// Watches the vifs that Xen's store asks of this domain, and connects them without any process: what `xl devd` is in
/// a driver domain (libxl_device.c, libxl__device_hotplug), and on dom0 what a killed script left half done.
actor XenBackend {
    /// How long things are waited for.
    struct Times: Sendable {
        /// For the device, which the kernel makes at about the time when it tells the store so. libxl's own limit.
        var device = Duration.seconds(10)
        /// For a script, before what it left is completed: a little longer than libxl lets it run.
        var script: @Sendable () async -> Void = { try? await Task.sleep(for: .seconds(45)) }
        /// Between two tries to reach the store.
        var store = Duration.seconds(1)
    }

    /// The directory of all vifs, below the home of this domain.
    static let root = "backend/vif"
    /// What tells by its change that something is to be done. All else of a vif is read then.
    private static let signs: Set<String> = ["state", "online", "hotplug-status"]

    let mode: XenVifs
    let engine: any Engine
    let logger: Logger
    let times: Times
    private let find: @Sendable () -> StoreLocation?
    private var connection: StoreConnection?
    /// The vifs that the store had, so that their going is seen.
    private var known: Set<VifID> = []
    /// Those that are being dealt with, and whether they have changed since.
    private var busy: [VifID: Bool] = [:]

    /// - Parameters:
    ///   - mode: ``XenVifs/repair`` or ``XenVifs/daemon``.
    ///   - find: where the store is served; nil while it is nowhere.
    init(
        mode: XenVifs, engine: any Engine, logger: Logger, times: Times = Times(),
        find: @escaping @Sendable () -> StoreLocation?
    ) {
        self.mode = mode
        self.engine = engine
        self.logger = logger
        self.times = times
        self.find = find
    }

    /// Watches until the task is cancelled. A store that is not there, or not any more, is waited for.
    func run() async {
        var told: StoreError?
        while !Task.isCancelled {
            do throws(StoreError) {
                guard let location = find() else {
                    throw StoreError.unreachable(
                        place: "/run/xenstored/socket", cause: "there is no xenstored")
                }
                let connection = try StoreConnection(to: location)
                defer { connection.close() }
                self.connection = connection
                // Another store may know nothing of guests that run: not to be there is no sign of their end.
                known = []
                let watch = try await connection.watch(Self.root)
                if told != nil { logger.notice("xenstore: serves again") }
                told = nil
                try await follow(watch, on: connection)
            } catch {
                if error != told { logger.warning("xen-vifs: \(error)") }
                told = error
            }
            try? await Task.sleep(for: times.store)
        }
    }

    private func follow(_ watch: StoreWatch, on connection: StoreConnection) async throws(StoreError) {
        var changes = watch.makeAsyncIterator()
        while let path = try await changes.next() {
            for vif in try await concerned(by: path, connection) { changed(vif) }
        }
    }

    /// The vifs that a change of this entry may be about.
    private func concerned(
        by path: String, _ connection: StoreConnection
    ) async throws(StoreError) -> Set<VifID> {
        guard path.hasPrefix(Self.root) else { return [] }
        let names = path.dropFirst(Self.root.utf8.count).split(separator: "/")
        switch names.count {
        case 0:
            var found = known
            for domain in try await connection.directoryIfPresent(Self.root) ?? [] {
                found.formUnion(try await vifs(of: domain, connection))
            }
            return found
        case 1: return try await vifs(of: String(names[0]), connection)
        case 2, 3:
            guard names.count == 2 || Self.signs.contains(String(names[2])),
                let vif = VifID("vif\(names[0]).\(names[1])")
            else { return [] }
            return [vif]
        default: return []
        }
    }

    private func vifs(of domain: String, _ connection: StoreConnection) async throws(StoreError) -> Set<VifID>
    {
        let devices = try await connection.directoryIfPresent("\(Self.root)/\(domain)") ?? []
        let there = Set(devices.compactMap { VifID("vif\(domain).\($0)") })
        return there.union(known.filter { String($0.domain) == domain })
    }

    /// Deals with a vif, once at a time, and again where it changed meanwhile.
    private func changed(_ vif: VifID) {
        guard busy[vif] == nil else {
            busy[vif] = true
            return
        }
        busy[vif] = false
        Task { await self.settle(vif) }
    }

    private func settle(_ id: VifID) async {
        let vif = XenBackendVif(id: id, mode: mode, engine: engine, logger: logger, times: times)
        repeat {
            busy[id] = false
            // What came meanwhile may have come from a connection after this one.
            guard let connection else { break }
            do throws(StoreError) {
                let isThere = try await vif.settle(wasThere: known.contains(id), connection)
                guard connection === self.connection else { continue }
                if isThere { known.insert(id) } else { known.remove(id) }
            } catch {
                // The connection's end is told once, where it is followed; all is looked at again with the next one.
                if !error.isOfConnection { logger.error("\(id): \(error)") }
            }
        } while busy[id] == true
        busy[id] = nil
    }
}
