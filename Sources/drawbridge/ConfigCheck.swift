import ArgumentParser
import DrawbridgeAPI
import DrawbridgeConfiguration
import DrawbridgeModel
import Glibc

/// `drawbridge config check`. Needs no daemon.
struct ConfigCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say all there is to say about a configuration file.",
        discussion: "Without a file the one is checked that the daemon would read.")

    @Argument(help: "The file.")
    var file: String?
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let report: Report
        var failure: CommandFailure?
        do throws(ConfigurationError) {
            let loaded = try loadConfiguration(file)
            report = Report(file: loaded.path, valid: true, diagnostics: loaded.diagnostics.map(Finding.init))
        } catch {
            report = Report(
                file: error.diagnostics.first?.file ?? file ?? "-", valid: false,
                diagnostics: error.diagnostics.map(Finding.init))
            failure = CommandFailure(.invalidConfiguration, error.drawbridgeError.description)
        }
        if json {
            Terminal.json(report)
        } else {
            for finding in report.diagnostics where finding.severity != "error" || failure == nil {
                Terminal.say(finding.line)
            }
            // All errors but the first, which is the one that the command ends with.
            for finding in report.diagnostics.filter({ $0.severity == "error" }).dropFirst() {
                Terminal.say(finding.line)
            }
            if report.valid { Terminal.say("\(report.file): valid") }
        }
        if let failure { throw failure }
    }

    /// What `--json` prints.
    private struct Report: Encodable {
        var file: String
        var valid: Bool
        var diagnostics: [Finding]
    }

    private struct Finding: Encodable {
        var severity: String
        var file: String
        var line: String { text }
        private var text: String
        private var row: Int?
        private var column: Int?
        private var key: String?
        private var message: String
        private var expected: String?
        private var suggestion: String?

        init(_ diagnostic: Diagnostic) {
            severity = diagnostic.severity.rawValue
            file = diagnostic.file
            text = diagnostic.description
            row = diagnostic.line
            column = diagnostic.column
            key = diagnostic.key.isEmpty ? nil : diagnostic.key
            message = diagnostic.message
            expected = diagnostic.expected
            suggestion = diagnostic.suggestion
        }

        private enum CodingKeys: String, CodingKey {
            case severity, file, text, row = "line", column, key, message, expected, suggestion
        }
    }
}

/// Loads a file, or the one that the daemon would read.
func loadConfiguration(_ file: String?) throws(ConfigurationError) -> LoadedConfiguration {
    var environment: [String: String] = [:]
    if let path = getenv("XEND_CONFIG") { environment["XEND_CONFIG"] = String(cString: path) }
    return try ConfigurationLoader.load(path: file, environment: environment)
}
