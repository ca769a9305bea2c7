import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import Logging
import Xenstore

/// One vif as Xen's store asks for it, and what is to be done for it.
struct XenBackendVif: Sendable {
    /// What a device's state can be (xen/include/public/io/xenbus.h).
    private enum State {
        static let waiting = "2"
        static let closed = "6"
        /// The device is there, whether its other end is ready or not.
        static let open: Set<String> = [waiting, "3", "4"]
    }

    let id: VifID
    let mode: XenVifs
    let engine: any Engine
    let logger: Logger
    let times: XenBackend.Times

    private var path: String { "\(XenBackend.root)/\(id.domain)/\(id.device)" }
    private var caller: Caller { Caller(process: getpid(), user: 0, group: 0) }

    /// Does what the store asks for now.
    ///
    /// - Returns: whether the vif is there still.
    func settle(wasThere: Bool, _ store: StoreConnection) async throws(StoreError) -> Bool {
        guard let state = try await store.readIfPresent("\(path)/state") else {
            if wasThere { await withdraw(for: "its entry in the store is gone") }
            return false
        }
        if mode == .daemon, state == State.closed, try await store.readIfPresent("\(path)/online") == "0" {
            await withdraw(for: "it is closed")
            // In dom0 libxl looks at the entry still, and removes it itself; of a driver domain's it waits for the end.
            guard try await store.readIfPresent("domid") != "0" else { return true }
            try await removeEntry(store)
            return false
        }
        guard try await isDue(store) else { return true }
        if mode == .repair {
            // A script may be at it.
            await times.script()
            // A watch that has ended meanwhile has closed its connection, and this throws.
            guard try await isDue(store) else { return true }
            logger.notice("\(id): no script has connected it; doing so now")
        }
        try await connect(store)
        return true
    }

    /// Whether the vif waits to be connected. One that failed is left alone, as libxl leaves it.
    private func isDue(_ store: StoreConnection) async throws(StoreError) -> Bool {
        let state = try await store.readIfPresent("\(path)/state") ?? ""
        guard State.open.contains(state), try await store.readIfPresent("\(path)/online") != "0" else {
            return false
        }
        return try await store.readIfPresent("\(path)/hotplug-status") ?? "" == ""
    }

    private func connect(_ store: StoreConnection) async throws(StoreError) {
        var keys = try await keys(store)
        let script = try await store.readIfPresent("\(path)/script") ?? "vif-bridge"
        let name = script.split(separator: "/").last.map(String.init) ?? ""
        guard let known = BuiltInScript(rawValue: name), !known.isForNetworks else {
            // Somebody else's program: libxl runs it, and here nobody does.
            if mode == .daemon {
                try await tell(error: "\(id): the script '\(script)' is not run here", store)
            }
            return
        }
        if known == .vifOpenVSwitch { await identify(store, &keys) }
        let reply = try await attach(by: name, keys, store)
        guard let reply else { return }
        guard reply.exitCode == 0 else {
            logger.error("\(reply.message)")
            let isNamed = reply.message.contains("\(id)")
            try await tell(error: isNamed ? reply.message : "\(id): \(reply.message)", store)
            return
        }
        if !reply.message.isEmpty { logger.notice("\(id): \(reply.message)") }
        await tellMTU(keys["frontend"], store)
        guard try await write([("hotplug-status", "connected")], store) else {
            await withdraw(for: "its entry in the store went while it was connected")
            return
        }
        logger.info("\(id): connected")
    }

    /// Connects the vif, once its device is there; nil if it is not asked for any more.
    private func attach(
        by script: String, _ keys: [String: String], _ store: StoreConnection
    ) async throws(StoreError) -> ScriptReply? {
        let clock = ContinuousClock()
        let deadline = clock.now + times.device
        while true {
            let reply = await engine.run(
                invocation(script, "online", keys.filter { VifEvent.storeKeys.contains($0.key) }), by: caller)
            // With its device there it is another cause, which waiting does not mend.
            if reply.exitCode == 0 || if_nametoindex("\(id)") != 0 || clock.now >= deadline { return reply }
            try? await Task.sleep(for: .milliseconds(100))
            guard try await isDue(store) else { return nil }
        }
    }

    private func invocation(
        _ script: String, _ command: String, _ keys: [String: String], on vif: VifID? = nil
    ) -> ScriptInvocation {
        let vif = vif ?? id
        let type = vif.isEmulated ? "tap" : "vif"
        return ScriptInvocation(
            script: script, arguments: [command, "type_if=\(type)"],
            environment: [
                "XENBUS_TYPE": "vif", "XENBUS_PATH": path, "XENBUS_BASE_PATH": "backend",
                vif.isEmulated ? "INTERFACE" : "vif": vif.description,
            ], store: keys)
    }

    /// Disconnects the vif, and the emulated card's tap with it.
    private func withdraw(for cause: String) async {
        let vifs: [VifStatus]
        do throws(DrawbridgeError) {
            vifs = try await engine.vifs().filter { $0.request.id.own == id.own }
        } catch {
            logger.error("\(id): \(error)")
            return
        }
        for vif in vifs {
            let own = vif.request.id
            logger.info("\(own): disconnecting, \(cause)")
            let reply = await engine.run(
                invocation("vif-bridge", own.isEmulated ? "remove" : "offline", [:], on: own), by: caller)
            if reply.exitCode != 0 { logger.error("\(own): \(reply.message)") }
        }
    }

    private func keys(_ store: StoreConnection) async throws(StoreError) -> [String: String] {
        var keys: [String: String] = [:]
        for key in VifEvent.storeKeys.union(["frontend"]) {
            keys[key] = try await store.readIfPresent("\(path)/\(key)")
        }
        // The front end's own entry, which the guest can write as well.
        keys["trusted"] = nil
        if let frontend = keys["frontend"], frontend.hasPrefix("/local/domain/"),
            let trusted = try? await store.readIfPresent("\(frontend)/trusted"), ["0", "1"].contains(trusted)
        {
            keys["trusted"] = trusted
        }
        return keys
    }

    /// Has the keys tell which domain it is, as far as this domain may read that: Open vSwitch is told.
    private func identify(_ store: StoreConnection, _ keys: inout [String: String]) async {
        let home = "/local/domain/\(id.domain)"
        if keys["domain"] == nil { keys["name"] = try? await store.readIfPresent("\(home)/name") }
        if let path = try? await store.readIfPresent("\(home)/vm") {
            keys["uuid"] = try? await store.readIfPresent("\(path)/uuid")
        }
    }

    /// Tells the other end the MTU. A driver domain may not write there where the toolstack keeps it to itself, and the
    /// guest then has the MTU that the toolstack told it.
    private func tellMTU(_ frontend: String?, _ store: StoreConnection) async {
        guard let frontend, frontend.hasPrefix("/local/domain/"), let mtu = try? await engine.vif(id)?.mtu
        else { return }
        do throws(StoreError) {
            try await store.transaction { transaction throws(StoreError) in
                _ = try await transaction.read(frontend)
                try await transaction.write("\(frontend)/mtu", "\(mtu)")
            }
        } catch {
            logger.debug("\(id): \(error)")
        }
    }

    private func tell(error: String, _ store: StoreConnection) async throws(StoreError) {
        _ = try await write([("hotplug-error", error), ("hotplug-status", "error")], store)
    }

    /// Writes below the vif's entry; false if that has gone, or goes.
    private func write(
        _ values: [(key: String, value: String)], _ store: StoreConnection
    ) async throws(StoreError) -> Bool {
        let path = path
        return try await store.transaction { transaction throws(StoreError) in
            guard let state = try await transaction.readIfPresent("\(path)/state"), state != State.closed
            else { return false }
            for (key, value) in values { try await transaction.write("\(path)/\(key)", value) }
            return true
        }
    }

    /// Removes the vif's entry, and the domain's that has no other, as libxl__xs_path_cleanup does.
    private func removeEntry(_ store: StoreConnection) async throws(StoreError) {
        let path = path
        let parent = "\(XenBackend.root)/\(id.domain)"
        try await store.transaction { transaction throws(StoreError) in
            guard try await transaction.readIfPresent("\(path)/state") == State.closed else { return }
            try await transaction.remove(path)
            if try await transaction.directoryIfPresent(parent)?.isEmpty == true {
                try await transaction.remove(parent)
            }
        }
    }
}
