// What hypervisors and administrators call in the place of Xen's network scripts: it hands the event to the
// daemon and passes on what came of it.

import Glibc

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

func run() -> Int32 {
    let called = CommandLine.unsafeArgv[0].map { String(cString: $0) } ?? ""
    let base = called.split(separator: "/").last.map(String.init) ?? called
    let name = Grammar.scripts.contains(base) ? base : "drawbridge-hotplug"
    do throws(Failure) {
        let event = try Event(count: CommandLine.argc, arguments: CommandLine.unsafeArgv)
        let packet = try event.packet()
        let socket = getenv("DRAWBRIDGE_SOCKET").map { String(cString: $0) } ?? ""
        let answer = try Daemon(path: (socket.isEmpty ? "/run/drawbridge/io.drawbridge" : socket) + ".direct")
            .ask(packet)
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
