import DrawbridgeAPI
import DrawbridgeModel
import Glibc
import Logging

extension Daemon {
    /// The version of the product.
    public static let version = API.version

    /// Runs the daemon of this host until its end, and then ends the process: an error is one line on standard
    /// error and the exit code that belongs to it.
    public static func main(_ options: DaemonOptions) async {
        let logger = StandardErrorLog.logger("drawbridged")
        let code: DrawbridgeAPI.ExitCode
        do throws(DrawbridgeError) {
            guard geteuid() == 0 else {
                throw DrawbridgeError(.permissionDenied, "daemon", "has to be started by root")
            }
            let daemon = try Daemon(
                options: options, environment: processEnvironment(), logger: logger, makeEngine: hostEngine)
            try await daemon.run(takesSignals: true)
            code = .success
        } catch {
            logger.critical("drawbridged: \(error)")
            code = ExitCode(Failure(error))
        }
        exit(Int32(code.rawValue))
    }

    /// Ends the process because its command line is malformed.
    public static func refuseCommandLine(_ cause: String) -> Never {
        StandardErrorLog.logger("drawbridged").critical("drawbridged: command line: \(cause)")
        exit(Int32(DrawbridgeAPI.ExitCode.usage.rawValue))
    }

    /// The environment that the process was started with.
    private static func processEnvironment() -> [String: String] {
        guard let text = readSmallFile("/proc/self/environ") else { return [:] }
        var environment: [String: String] = [:]
        for entry in text.split(separator: "\0") {
            guard let equals = entry.firstIndex(of: "=") else { continue }
            environment[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
        }
        return environment
    }
}
