import DrawbridgeEngine
import DrawbridgeModel
import Logging
import NetworkTypes
import TestSupport
import Testing
import Xenstore

@testable import DrawbridgeDaemon

/// Waits for nothing long, and for scripts as told.
private func quick(_ script: @escaping @Sendable () async -> Void) -> XenBackend.Times {
    XenBackend.Times(device: .milliseconds(50), script: script, store: .milliseconds(50))
}

/// A real xenstored, and what watches it before an engine that remembers what it was asked.
private final class Watched: Sendable {
    let store: TestStore
    let engine = FakeEngine()
    let connection: StoreConnection
    private let life: Task<Void, Never>

    init(
        _ mode: XenVifs = .daemon, times: XenBackend.Times = quick {},
        in store: TestStore? = nil,
        prepare: (StoreConnection, FakeEngine) async throws -> Void = { _, _ in }
    ) async throws {
        let store = try store ?? TestStore()
        self.store = store
        connection = try StoreConnection(to: .socket(store.socket))
        try await prepare(connection, engine)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let socket = store.socket
        let backend = XenBackend(mode: mode, engine: engine, logger: logger, times: times) { .socket(socket) }
        life = Task { await backend.run() }
    }

    deinit { life.cancel() }

    /// Ends the watch and waits for its end.
    func end() async {
        life.cancel()
        await life.value
    }

    func calls() async -> [String] {
        await engine.invocations.map {
            ([$0.script] + $0.arguments + [$0.environment["XENBUS_PATH"] ?? ""]).joined(separator: " ")
        }
    }

    func value(_ path: String) async throws -> String? { try await connection.readIfPresent(path) }

    func becomes(_ path: String, _ value: String?) async -> Bool {
        await eventually { (try? await self.value(path)) == .some(value) }
    }
}

/// What libxl writes of a vif.
private func add(
    _ domain: Int, _ store: StoreConnection, device: Int = 0, state: String = "2",
    _ keys: [String: String] = [:]
) async throws {
    try await store.transaction { transaction throws(StoreError) in
        var values = [
            "frontend": "/local/domain/\(domain)/device/vif/\(device)", "frontend-id": "\(domain)",
            "online": "1",
            "script": "/etc/xen/scripts/vif-bridge", "hotplug-status": "", "bridge": "xenbr0",
            "mac": "00:16:3e:00:00:01", "type": "vif", "state": state,
        ]
        values.merge(keys) { $1 }
        try await transaction.write("/local/domain/\(domain)/device/vif/\(device)/mtu", "1500")
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            try await transaction.write("backend/vif/\(domain)/\(device)/\(key)", value)
        }
    }
}

private func status(of name: String, mtu: UInt32 = 1400) throws -> VifStatus {
    let id = try #require(VifID(name))
    var status = VifStatus(
        request: VifRequest(id: id, source: .existing(try #require(LinkName(name)))),
        state: .connected,
        device: name)
    status.mtu = mtu
    return status
}

@Suite("Xen's vifs without scripts", .timeLimit(.minutes(2)))
struct XenBackendTests {
    @Test(
        "§7-115: a vif that waits when the daemon starts is connected by what the store says, and told last")
    func atStart() async throws {
        let vif = try status(of: "vif3.0")
        let watched = try await Watched { store, engine in
            try await add(3, store, ["ip": "192.0.2.3", "rate": "1000,50000"])
            await engine.set(networks: [], vifs: [vif])
        }
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "connected"))
        #expect(await watched.calls() == ["vif-bridge online type_if=vif backend/vif/3/0"])
        let invocation = try #require(await watched.engine.invocations.first)
        #expect(invocation.environment["vif"] == "vif3.0")
        #expect(
            invocation.store == [
                "bridge": "xenbr0", "mac": "00:16:3e:00:00:01", "ip": "192.0.2.3", "rate": "1000,50000",
            ])
        #expect(try await watched.value("/local/domain/3/device/vif/0/mtu") == "1400")
        #expect(try await watched.value("backend/vif/3/0/hotplug-error") == nil)
        await watched.end()
    }

    @Test(
        "§7-115: the VLANs of a vif are those that xl wrote, and what xl does not write is told and connects nothing"
    )
    func vlans() async throws {
        let watched = try await Watched { store, _ in
            try await add(3, store, ["vlan": "10p/20/30-32/100+10x2"])
        }
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "connected"))
        let invocation = try #require(await watched.engine.invocations.first)
        func request(_ store: [String: String]?) throws -> VifRequest? {
            let reading = try VifEvent.read(
                script: invocation.script, arguments: invocation.arguments,
                environment: invocation.environment,
                store: store)
            guard case .event(let event) = reading else { return nil }
            return event.request
        }
        #expect(
            try request(invocation.store)?.vlans
                == PortVLANs(untagged: 10, tagged: [20, 30, 31, 32, 100, 110]))
        var wrong = try #require(invocation.store)
        wrong["vlan"] = "10:20"
        #expect(throws: DrawbridgeError.self) { try request(wrong) }
        await watched.end()
    }

    @Test("§7-115: a vif that comes is connected once its back end waits, by the script that it names")
    func coming() async throws {
        let watched = try await Watched()
        try await add(4, watched.connection, state: "1", ["script": "vif-route"])
        // Another one shows that the first was looked at meanwhile.
        try await add(5, watched.connection)
        #expect(await watched.becomes("backend/vif/5/0/hotplug-status", "connected"))
        #expect(try await watched.value("backend/vif/4/0/hotplug-status") == "")
        try await watched.connection.write("backend/vif/4/0/state", "2")
        #expect(await watched.becomes("backend/vif/4/0/hotplug-status", "connected"))
        #expect(await watched.calls().last == "vif-route online type_if=vif backend/vif/4/0")
        await watched.end()
    }

    @Test(
        "§7-115: what is closed and offline is disconnected, its tap too, and its entry removed; closed alone is not"
    )
    func closing() async throws {
        let vifs = try [status(of: "vif3.0"), status(of: "vif3.0-emu"), status(of: "vif3.1")]
        let watched = try await Watched { store, engine in
            try await add(3, store)
            try await add(3, store, device: 1, ["hotplug-status": "connected"])
            await engine.set(networks: [], vifs: vifs)
        }
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "connected"))
        try await watched.connection.write("backend/vif/3/1/state", "6")
        try await watched.connection.write("backend/vif/3/0/online", "0")
        try await watched.connection.write("backend/vif/3/0/state", "6")
        #expect(await watched.becomes("backend/vif/3/0/state", nil))
        #expect(
            await watched.calls().dropFirst() == [
                "vif-bridge offline type_if=vif backend/vif/3/0",
                "vif-bridge remove type_if=tap backend/vif/3/0",
            ])
        #expect(try await watched.value("backend/vif/3/1/state") == "6")
        try await watched.connection.write("backend/vif/3/1/online", "0")
        #expect(await watched.becomes("backend/vif/3", nil))
        #expect(await watched.calls().last == "vif-bridge offline type_if=vif backend/vif/3/1")
        await watched.end()
    }

    @Test("§7-115: in dom0 the entry of what is closed is left to libxl")
    func closingInDom0() async throws {
        let vif = try status(of: "vif3.0")
        let watched = try await Watched { store, engine in
            try await store.write("domid", "0")
            try await add(3, store, ["hotplug-status": "connected"])
            await engine.set(networks: [], vifs: [vif])
        }
        try await watched.connection.write("backend/vif/3/0/online", "0")
        try await watched.connection.write("backend/vif/3/0/state", "6")
        #expect(await eventually { await !watched.calls().isEmpty })
        try await add(5, watched.connection)
        #expect(await watched.becomes("backend/vif/5/0/hotplug-status", "connected"))
        #expect(try await watched.value("backend/vif/3/0/state") == "6")
        #expect(await watched.calls().first == "vif-bridge offline type_if=vif backend/vif/3/0")
        await watched.end()
    }

    @Test("§7-115: other changes have no effect, and what is connected stays as it is")
    func unrelated() async throws {
        let watched = try await Watched { store, _ in
            try await add(3, store, ["hotplug-status": "connected"])
        }
        try await watched.connection.write("backend/vif/3/0/feature-x", "1")
        try await watched.connection.write("backend/vif/3/0/state", "4")
        try await watched.connection.write("backend/vif/nonsense/0/state", "2")
        try await watched.connection.write("backend/vif/3/x/state", "2")
        try await add(5, watched.connection)
        #expect(await watched.becomes("backend/vif/5/0/hotplug-status", "connected"))
        #expect(await watched.calls() == ["vif-bridge online type_if=vif backend/vif/5/0"])
        await watched.end()
    }

    @Test("§7-115, §7-117: a vif that fails is told with one line and not tried again; others are connected")
    func failing() async throws {
        let watched = try await Watched { store, engine in
            await engine.fail("backend/vif/3/0", with: "Could not find bridge device nobr")
            try await add(3, store, ["bridge": "nobr"])
            try await add(4, store)
            try await add(6, store, ["script": "/etc/xen/scripts/own"])
        }
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "error"))
        #expect(
            try await watched.value("backend/vif/3/0/hotplug-error")
                == "vif3.0: Could not find bridge device nobr")
        #expect(await watched.becomes("backend/vif/4/0/hotplug-status", "connected"))
        #expect(await watched.becomes("backend/vif/6/0/hotplug-status", "error"))
        #expect(
            try await watched.value("backend/vif/6/0/hotplug-error")
                == "vif6.0: the script '/etc/xen/scripts/own' is not run here")
        let before = await watched.calls().count
        try await watched.connection.write("backend/vif/3/0/state", "2")
        try await add(5, watched.connection)
        #expect(await watched.becomes("backend/vif/5/0/hotplug-status", "connected"))
        #expect(await watched.calls().count == before + 1)
        await watched.end()
    }

    @Test("a vif whose whole domain is gone from the store is disconnected")
    func vanishing() async throws {
        let vif = try status(of: "vif3.0")
        let watched = try await Watched { store, engine in
            try await add(3, store)
            await engine.set(networks: [], vifs: [vif])
        }
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "connected"))
        try await watched.connection.remove("backend/vif/3")
        #expect(await eventually { await watched.calls().count == 2 })
        #expect(await watched.calls().last == "vif-bridge offline type_if=vif backend/vif/3/0")
        await watched.end()
    }

    @Test(
        "a store that ends is waited for; what it asks for when it is there again is connected, and the others stay"
    )
    func restart() async throws {
        let old = try TestStore()
        let vif = try status(of: "vif3.0")
        let watched = try await Watched(in: old) { _, engine in await engine.set(networks: [], vifs: [vif]) }
        try await add(3, watched.connection)
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "connected"))
        old.kill()
        let new = try TestStore(in: old.directory)
        let connection = try StoreConnection(to: .socket(new.socket))
        try await add(4, connection)
        let isConnected = await eventually {
            (try? await connection.readIfPresent("backend/vif/4/0/hotplug-status")) == "connected"
        }
        #expect(isConnected)
        #expect(
            await watched.calls() == [3, 4].map { "vif-bridge online type_if=vif backend/vif/\($0)/0" })
        await watched.end()
    }

    @Test(
        "beside scripts the daemon completes only what none has told the end of, and runs nobody else's script"
    )
    func repair() async throws {
        let watched = try await Watched(.repair) { store, _ in
            try await add(3, store)
            try await add(4, store, ["hotplug-status": "error"])
            try await add(5, store, ["script": "/etc/xen/scripts/own"])
            try await add(6, store, state: "6", ["online": "0"])
        }
        #expect(await watched.becomes("backend/vif/3/0/hotplug-status", "connected"))
        #expect(await watched.calls() == ["vif-bridge online type_if=vif backend/vif/3/0"])
        #expect(try await watched.value("backend/vif/4/0/hotplug-status") == "error")
        #expect(try await watched.value("backend/vif/5/0/hotplug-status") == "")
        #expect(try await watched.value("backend/vif/6/0/state") == "6")
        await watched.end()
    }

    @Test("a script that is at it is left to end: the daemon finds its word and does nothing")
    func scriptAtWork() async throws {
        let (began, begin) = AsyncStream.makeStream(of: Void.self)
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let times = quick {
            begin.yield()
            for await _ in ended {}
        }
        let watched = try await Watched(.repair, times: times) { store, _ in try await add(3, store) }
        for await _ in began { break }
        try await watched.connection.write("backend/vif/3/0/hotplug-status", "connected")
        end.finish()
        try await add(4, watched.connection)
        #expect(await watched.becomes("backend/vif/4/0/hotplug-status", "connected"))
        #expect(await watched.calls() == ["vif-bridge online type_if=vif backend/vif/4/0"])
        await watched.end()
    }
}
