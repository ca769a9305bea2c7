import ArgumentParser
import DrawbridgeAPI
import DrawbridgeConfiguration
import DrawbridgeHost
import DrawbridgeModel
import Glibc

/// `drawbridge doctor`. Needs no daemon.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Try out what Drawbridge needs of this machine.",
        discussion: """
            The kernel's parts are tried in a network namespace of their own, which goes with the command: the host is \
            not touched. What is missing is told with what follows from it; the exit code is 1 then.
            """)

    @OptionGroup var connection: ConnectionOptions

    func run() throws {
        var parts = Examination.host()
        do throws(DrawbridgeError) { parts += try Examination.kernel() } catch {
            throw CommandFailure(getuid() == 0 ? .failed : .permissionDenied, "\(error); run it as root")
        }
        parts += [examineConfiguration(), examineDaemon(), examineStore()].compactMap { $0 }
        if connection.json {
            Terminal.json(Report(parts: parts.map(Report.Part.init)))
        } else {
            for part in parts { Terminal.say(Self.line(part)) }
        }
        let missing = parts.filter { $0.verdict == .missing }.map(\.name)
        guard missing.isEmpty else {
            throw CommandFailure(.failed, "missing: \(missing.joined(separator: ", "))")
        }
    }

    private func examineConfiguration() -> ExaminedPart {
        do throws(ConfigurationError) {
            let loaded = try loadConfiguration(nil)
            let isThere = access(loaded.path, F_OK) == 0
            return ExaminedPart(
                "configuration", .good,
                "\(loaded.path): \(isThere ? "valid" : "not there; the defaults hold")")
        } catch {
            return ExaminedPart(
                "configuration", .missing, "\(error.drawbridgeError)", "the daemon does not start with it")
        }
    }

    private func examineDaemon() -> ExaminedPart {
        do {
            let daemon = try connection.call(GetDaemonStatus()).daemon
            return ExaminedPart("daemon", .good, "version \(daemon.version) answers")
        } catch {
            return ExaminedPart(
                "daemon", .notice, "does not answer",
                "nothing is connected until it runs: systemctl start drawbridged")
        }
    }

    /// Xen's store, where the machine is a Xen host.
    private func examineStore() -> ExaminedPart? {
        guard access("/proc/xen", F_OK) == 0 || access("/sys/hypervisor/uuid", F_OK) == 0 else { return nil }
        let sockets = ["/run/xenstored/socket", "/var/run/xenstored/socket", "/dev/xen/xenbus"]
        guard let path = sockets.first(where: { access($0, R_OK | W_OK) == 0 }) else {
            return ExaminedPart(
                "xenstore", .missing, "there is neither its socket nor its device",
                "xl gets no answer from the scripts")
        }
        return ExaminedPart("xenstore", .good, path)
    }

    private static func line(_ part: ExaminedPart) -> String {
        let word =
            switch part.verdict {
            case .good: Terminal.styled("ok     ", .good)
            case .notice: Terminal.styled("notice ", .pending)
            case .missing: Terminal.styled("missing", .bad)
            }
        let consequence = part.consequence.map { "; \($0)" } ?? ""
        return "\(word) \(Terminal.cleaned("\(part.name): \(part.detail)\(consequence)"))"
    }

    /// What `--json` prints.
    private struct Report: Encodable {
        struct Part: Encodable {
            var name: String
            var verdict: String
            var detail: String
            var consequence: String?

            init(_ part: ExaminedPart) {
                name = part.name
                verdict = part.verdict.rawValue
                detail = part.detail
                consequence = part.consequence
            }
        }
        var parts: [Part]
    }
}
