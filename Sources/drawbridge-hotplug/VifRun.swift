import Glibc
import Xenstore

/// A vif script as libxl runs it: what is asked for stands in the store, and what came of it is written there.
///
/// netback lets frames through once `hotplug-status` is `connected`, so that is the last thing that is done; libxl
/// goes by the exit code, and shows `hotplug-error` to who asked for the vif.
struct VifRun: ~Copyable {
    let event: Event
    let call: VifCall
    let location: StoreLocation
    let daemon: Daemon

    /// Does what the event asks for.
    func answer() throws(Failure) -> Answer {
        guard let path = call.path else {
            // The daemon says what is missing: where there is a store, a vif does not come without a place there.
            return try daemon.ask(event.packet(store: [:]))
        }
        do throws(StoreError) {
            var store = try VifStore(location, path: path, limit: call.comes ? 10_000 : 1000)
            if event.variable("UDEV_CALL")?.isEmpty == false, try store.saysUdevIsDisabled() {
                return Answer(exitCode: 0, message: [], output: [])
            }
            guard
                let keys = try store.retrying({ store throws(StoreError) in
                    try store.keys(identifyingDomain: call.comes && event.script == "vif-openvswitch")
                })
            else {
                guard !call.comes else {
                    return Answer(failure: Failure(.failed, "\(path): there is no such vif in the store"))
                }
                return detach([:])
            }
            return call.comes ? attach(keys, &store) : detach(keys)
        } catch {
            // Nothing keeps a vif from going.
            guard call.comes else { return detach([:]) }
            return Answer(failure: Failure(.failed, "\(call.device ?? path): \(error)"))
        }
    }

    private func attach(_ keys: [String: String], _ store: inout VifStore) -> Answer {
        var isAttached = false
        do throws(Failure) {
            let answer = try daemon.ask(event.packet(store: keys))
            guard answer.exitCode == 0 else { return told(answer, &store) }
            isAttached = true
            try finish(keys, &store)
            return answer
        } catch {
            if isAttached { takeBack() }
            return told(Answer(failure: error), &store)
        }
    }

    /// What is left to do once the vif is connected.
    private func finish(_ keys: [String: String], _ store: inout VifStore) throws(Failure) {
        let device = name(keys)
        if call.interface == .vif, let mtu = Device.mtu(of: device) {
            do throws(StoreError) {
                try store.retrying { store throws(StoreError) in
                    try store.tell(mtu: mtu, to: keys["frontend"])
                }
            } catch { throw Failure(.failed, "\(device): \(error)") }
        }
        try runHooks(keys)
        guard call.interface == .vif else { return }
        do throws(StoreError) {
            guard try store.retrying({ store throws(StoreError) in try store.tellConnected() }) else {
                throw StoreError.invalid("\(store.path) has gone meanwhile")
            }
        } catch { throw Failure(.failed, "\(device): \(error)") }
    }

    private func detach(_ keys: [String: String]) -> Answer {
        do throws(Failure) {
            // What is malformed in the store does not keep a vif from going.
            let whole = try? event.packet(store: keys)
            let packet = if let whole { whole } else { try event.packet(store: [:]) }
            let answer = try daemon.ask(packet)
            if answer.exitCode == 0 { try runHooks(keys) }
            return answer
        } catch { return Answer(failure: error) }
    }

    /// Writes down why the vif is not connected.
    private func told(_ answer: Answer, _ store: inout VifStore) -> Answer {
        let line = String(decoding: answer.message, as: UTF8.self)
        let device = call.device ?? store.path
        // xl shows what the store was told, and standard error as well: once is enough. Where the store fails too,
        // standard error tells it.
        var answer = answer
        do throws(StoreError) {
            let isTold = try store.retrying { store throws(StoreError) in
                try store.tell(error: line.contains(device) ? line : "\(device): \(line)")
            }
            if isTold { answer.message = [] }
        } catch {}
        return answer
    }

    /// Takes back what was connected but could not be told; libxl does the same by a run of its own, others do not.
    private func takeBack() {
        var back = event
        back.arguments = [
            Array((call.interface == .vif ? "offline" : "remove").utf8),
            Array("type_if=\(call.interface)".utf8),
        ]
        if let packet = try? back.packet(store: [:]) { _ = try? daemon.ask(packet) }
    }

    /// The name that the device bears once it is connected.
    private func name(_ keys: [String: String]) -> String {
        let device = call.device ?? ""
        guard let name = keys["vifname"], !name.isEmpty else { return device }
        return call.interface == .tap ? name + "-emu" : name
    }

    private func runHooks(_ keys: [String: String]) throws(Failure) {
        try Hooks(ofScript: event.calledAs).run(with: [
            "command": call.command, "dev": name(keys), "ip": keys["ip"] ?? event.variable("ip") ?? "",
            "type_if": call.interface.rawValue, "XENBUS_PATH": call.path ?? "",
        ])
    }
}
