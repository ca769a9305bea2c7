import SExpression

/// What is said about a file while it is read, and where its keys stand.
struct Findings {
    let file: String
    var diagnostics: [Diagnostic] = []
    /// Where the value of each key stands, by the key's path: later checks point there.
    var places: [String: SourceLocation] = [:]

    init(file: String) { self.file = file }

    mutating func add(
        _ severity: Diagnostic.Severity, _ key: String, at place: SourceLocation? = nil, _ message: String,
        expected: String? = nil, suggestion: String? = nil
    ) {
        let place = place ?? places[key]
        diagnostics.append(
            Diagnostic(
                severity, file: file, line: place?.line, column: place?.column, key: key, message,
                expected: expected, suggestion: suggestion))
    }

    mutating func add(_ problem: ScalarProblem, _ key: String, at place: SourceLocation?) {
        add(
            .error, key, at: place, problem.message, expected: problem.expected,
            suggestion: problem.suggestion)
    }

    /// All findings in the order of the file; thrown if one of them is an error.
    func settled() throws(ConfigurationError) -> [Diagnostic] {
        let sorted = diagnostics.enumerated().sorted {
            let (left, right) = ($0.element, $1.element)
            return (left.line ?? 0, left.column ?? 0, $0.offset) < (
                right.line ?? 0, right.column ?? 0, $1.offset
            )
        }.map(\.element)
        guard !sorted.contains(where: { $0.severity == .error }) else { throw ConfigurationError(sorted) }
        return sorted
    }
}
