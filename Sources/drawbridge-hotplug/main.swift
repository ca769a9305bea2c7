// What hypervisors and administrators call in the place of Xen's network scripts: it hands the event to the
// daemon and passes on what came of it.

import Glibc
import Xenstore

func writeAll(_ octets: some Collection<UInt8>, to file: Int32) {
    let octets = Array(octets)
    var written = 0
    while written < octets.count {
        let count = octets[written...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        written += count
    }
}

/// The store that an event is to be read from; nil where there is none, or it has no place there.
func storeLocation(for call: VifCall) -> StoreLocation? {
    var environment: [String: String] = [:]
    for name in ["XENSTORED_PATH", "XENSTORED_RUNDIR"] {
        environment[name] = getenv(name).map { String(cString: $0) }
    }
    guard let location = StoreLocation.find(environment: environment) else { return nil }
    // Every guest of Xen has the device. It says nothing of vifs that are not Xen's.
    if case .device = location, call.path == nil { return nil }
    return location
}

/// Does what the name that this was called by stands for.
func answer(_ name: String) throws(Failure) -> Answer {
    let named = getenv("DRAWBRIDGE_SOCKET").map { String(cString: $0) } ?? ""
    let socket = (named.isEmpty ? "/run/drawbridge/io.drawbridge" : named) + ".direct"
    if name == BridgeHelper.name {
        return try BridgeHelper(Array(CommandLine.arguments.dropFirst())).run(daemon: socket)
    }
    let event = try Event(count: CommandLine.argc, arguments: CommandLine.unsafeArgv)
    if event.script == "vif-setup" { throw VifSetup.run(event) }
    let daemon = Daemon(path: socket)
    guard let call = VifCall(event), let location = storeLocation(for: call) else {
        return try daemon.ask(event.packet())
    }
    return try VifRun(event: event, call: call, location: location, daemon: daemon).answer()
}

func run() -> Int32 {
    _ = Clock.start
    let called = CommandLine.unsafeArgv[0].map { String(cString: $0) } ?? ""
    let base = called.split(separator: "/").last.map(String.init) ?? called
    let name = Grammar.scripts.contains(base) || base == BridgeHelper.name ? base : "drawbridge-hotplug"
    do throws(Failure) {
        let answer = try answer(name)
        writeAll(answer.output, to: STDOUT_FILENO)
        if let last = answer.output.last, last != UInt8(ascii: "\n") { writeAll([10], to: STDOUT_FILENO) }
        if !answer.message.isEmpty {
            writeAll(Array("\(name): ".utf8) + answer.message + [10], to: STDERR_FILENO)
        }
        return answer.exitCode
    } catch {
        writeAll("\(name): \(error.message)\n".utf8, to: STDERR_FILENO)
        return error.code.rawValue
    }
}

exit(run())
