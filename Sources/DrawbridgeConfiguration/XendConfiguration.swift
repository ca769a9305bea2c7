public import DrawbridgeModel
import SExpression

/// Reads `xend-config.sxp`, the file of xend, with its words for what is wrong.
public enum XendConfiguration {
    /// What a key of Drawbridge's own begins with in this file; xend ignores keys that it does not know.
    public static let prefix = "drawbridge-"

    /// Reads a text; thrown is all that is wrong with it, returned are warnings and notes.
    public static func parse(
        _ text: String, file: String
    ) throws(ConfigurationError) -> (configuration: Configuration, diagnostics: [Diagnostic]) {
        let document: Document
        do {
            // Between the versions: a file that either of them reads is read.
            document = try Parser.parse(
                text, dialect: .init(exclamationSeparates: true, unknownEscapeIsBackslash: true))
        } catch {
            throw ConfigurationError(
                Diagnostic(
                    .error, file: file, line: error.location.line, column: error.location.column,
                    error.message))
        }
        var reader = XendReader(document, file: file)
        reader.read()
        var findings = reader.findings
        SemanticChecks.check(reader.configuration, &findings)
        return (reader.configuration, try findings.settled())
    }
}

private struct XendReader {
    let document: Document
    var findings: Findings
    var configuration = Configuration()

    init(_ document: Document, file: String) {
        self.document = document
        findings = Findings(file: file)
    }

    mutating func read() {
        var first: [String: SourceLocation] = [:]
        for (index, form) in document.forms.enumerated() {
            let end = index + 1 < document.forms.count ? document.forms[index + 1].location : nil
            guard let key = form.head else {
                findings.add(
                    .warning, "", at: form.location, "has no key and is ignored",
                    expected: "a form like (key value)")
                continue
            }
            if let first = first[key] {
                findings.add(
                    .note, key, at: form.location,
                    "is ignored, since the first one holds, on line \(first.line)")
                continue
            }
            first[key] = form.location
            reportOddities(from: form.location, to: end, key: key)
            read(form, key: key)
        }
    }

    /// An unknown escape loses a character: that harms where the value means something here.
    private mutating func reportOddities(from start: SourceLocation?, to end: SourceLocation?, key: String) {
        guard let start else { return }
        let matters =
            key == "network-script" || key == "vif-script" || key.hasPrefix(XendConfiguration.prefix)
        for oddity in document.oddities where oddity.location >= start {
            if let end, oddity.location >= end { continue }
            findings.add(matters ? .error : .warning, key, at: oddity.location, oddity.message)
        }
    }

    private mutating func read(_ form: Value, key: String) {
        switch key {
        case "network-script":
            guard let (text, _) = script(form, key: key) else { return }
            configuration.networkScript = ScriptCall(splitting: text)
        case "vif-script":
            guard let (text, place) = script(form, key: key) else { return }
            guard let call = ScriptCall(splitting: text) else {
                findings.add(
                    .error, key, at: place, "names no script",
                    expected: "a script like vif-bridge, or the absolute path of a program")
                return
            }
            configuration.vifScript = call
        case _ where key.hasPrefix(XendConfiguration.prefix): readOwn(form, key: key)
        default:
            if let type = xendKeys[key] {
                checkForeign(form, key: key, type: type)
                findings.add(.note, key, at: form.location, "is a key of xend that has no meaning here")
            } else {
                let known = ["network-script", "vif-script"] + Array(ownKeys.keys) + Array(xendKeys.keys)
                findings.add(
                    .warning, key, at: form.location, "is not a key of xend or Drawbridge and is ignored",
                    suggestion: NearMiss.of(key, among: known))
            }
        }
    }

    /// The text of a script's key; nil where there is none, so that the default holds.
    private mutating func script(_ form: Value, key: String) -> (String, SourceLocation?)? {
        guard let value = form.children.first else { return nil }
        guard let text = value.text else {
            findings.add(
                .error, key, at: value.location, "is a list",
                expected: "a script's name and its arguments in one pair of quotes")
            return nil
        }
        findings.places[key] = value.location
        if form.children.count > 1 {
            let rest = form.children.compactMap(\.text).joined(separator: " ")
            findings.add(
                .warning, key, at: form.children[1].location,
                "only the first value counts, so that the arguments are lost",
                expected: "all of it in one pair of quotes: (\(key) '\(rest)')")
        }
        return (text, value.location)
    }

    private mutating func readOwn(_ form: Value, key: String) {
        guard let own = ownKeys[key] else {
            findings.add(
                .error, key, at: form.location, "is not a key of Drawbridge",
                suggestion: NearMiss.of(key, among: ownKeys.keys))
            return
        }
        guard let value = form.children.first else { return }
        guard let text = value.text else {
            findings.add(.error, key, at: value.location, "is a list", expected: "a single value")
            return
        }
        let scalar = Scalar(text: text, isQuoted: false, format: .sxp, key: key)
        do {
            try own.read(scalar, &configuration)
            for notice in own.notices(scalar) { findings.add(.warning, key, at: value.location, notice) }
        } catch {
            findings.add(error, key, at: value.location)
        }
    }

    /// What xend would have refused is told, though it has no effect here.
    private mutating func checkForeign(_ form: Value, key: String, type: XendKeyType) {
        guard let value = form.children.first, let text = value.text else { return }
        let scalar = Scalar(text: text, isQuoted: false, format: .sxp, key: key)
        do {
            switch type {
            case .bool: _ = try scalar.bool()
            case .integer: _ = try scalar.number(in: 0...UInt32.max)
            case .any: break
            }
        } catch {
            findings.add(.warning, key, at: value.location, error.message)
        }
    }
}

/// Drawbridge's own keys in this file, each with what it changes.
let ownKeys: [String: Key<Configuration>] = {
    let keys =
        Key<Configuration>.daemon
        + Key<NetworkSettings>.network.map { $0.lifted(as: $0.name, to: \.networkDefaults) }
        + Key<Compatibility>.compatibility.map { $0.lifted(as: "compat-\($0.name)", to: \.compatibility) }
    return Dictionary(uniqueKeysWithValues: keys.map { (XendConfiguration.prefix + $0.name, $0) })
}()
