public import DrawbridgeModel

/// One thing that is to be said about a configuration file.
public struct Diagnostic: Hashable, Sendable {
    /// How much it matters.
    public enum Severity: String, Hashable, Sendable, Codable, CaseIterable {
        /// The file is refused.
        case error
        /// The file holds, but hardly as it was meant.
        case warning
        /// Worth knowing.
        case note
    }

    /// How much it matters.
    public var severity: Severity
    /// The file, as it was named.
    public var file: String
    /// The line, from 1; nil where it is about the file as a whole.
    public var line: Int?
    /// The column, from 1.
    public var column: Int?
    /// The path of the key: `networks.xenbr0.uplink`; empty where it is about none.
    public var key: String
    /// What is the matter.
    public var message: String
    /// What would have been right there.
    public var expected: String?
    /// What was probably meant.
    public var suggestion: String?

    /// Makes a diagnostic.
    public init(
        _ severity: Severity, file: String, line: Int? = nil, column: Int? = nil, key: String = "",
        _ message: String, expected: String? = nil, suggestion: String? = nil
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.message = message
        self.expected = expected
        self.suggestion = suggestion
    }

    /// `file:3:7`, as far as it is known.
    public var place: String {
        [file, line.map(String.init), column.map(String.init)].compactMap(\.self).joined(separator: ":")
    }

    /// All but the place: `key: message; expected …; did you mean 'x'?`
    public var text: String {
        var text = key.isEmpty ? message : "\(key): \(message)"
        if let expected { text += "; expected \(expected)" }
        if let suggestion { text += "; did you mean '\(suggestion)'?" }
        return text
    }
}

extension Diagnostic: CustomStringConvertible {
    /// One line: `file:3:7: key: message; expected …; did you mean 'x'?`, with `warning:` or `note:` after the
    /// place unless it is an error.
    public var description: String {
        let line = "\(place): \(severity == .error ? "" : "\(severity.rawValue): ")\(text)"
        return line.unicodeScalars.reduce(into: "") {
            $0 += $1.value < 32 || $1.value == 127 || $1.value == 0x85 ? " " : String($1)
        }
    }
}

/// A configuration file that is refused: everything there is to say about it, at least one of it an error.
public struct ConfigurationError: Error, Hashable, Sendable {
    /// In the order of the file.
    public var diagnostics: [Diagnostic]

    /// Makes an error of all that was found.
    public init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }

    /// Makes an error of one finding.
    public init(_ diagnostic: Diagnostic) { diagnostics = [diagnostic] }

    /// The errors alone.
    public var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }

    /// The first error as the rest of Drawbridge tells errors, with the number of the others.
    public var drawbridgeError: DrawbridgeError {
        let errors = errors
        guard let first = errors.first else {
            return DrawbridgeError(.invalidConfiguration, "configuration", "is refused")
        }
        let others = errors.count - 1
        return DrawbridgeError(
            .invalidConfiguration, first.place, first.text,
            advice: others == 0 ? nil : "and \(others) more error\(others == 1 ? "" : "s")")
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// One line for each finding.
    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}
