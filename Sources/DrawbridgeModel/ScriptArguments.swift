/// The arguments of a script, read as Xen's scripts read theirs (`xen-script-common.sh`), except that nothing
/// is evaluated: a value is the text that stands there.
public struct ScriptArguments: Hashable, Sendable {
    /// The first argument without `=`, wherever it stands; nil if there is none.
    public let command: String?
    /// Every `key=value`; of several with one key the last one.
    public let values: [String: String]
    /// The keys in the order of their first appearance.
    public let keys: [String]
    /// What has no meaning: further words without `=`, and `=value` without a usable key.
    public let ignored: [String]

    /// Sorts the arguments into the command, the values and the rest.
    public init(_ arguments: [String]) {
        var command: String?
        var values: [String: String] = [:]
        var keys: [String] = []
        var ignored: [String] = []
        for argument in arguments {
            guard let equals = argument.firstIndex(of: "=") else {
                if command == nil { command = argument } else { ignored.append(argument) }
                continue
            }
            let key = String(argument[..<equals])
            guard Self.isKey(key) else {
                ignored.append(argument)
                continue
            }
            if values.updateValue(String(argument[argument.index(after: equals)...]), forKey: key) == nil {
                keys.append(key)
            }
        }
        self.command = command
        self.values = values
        self.keys = keys
        self.ignored = ignored
    }

    /// The value of a key, if it was given.
    public subscript(_ key: String) -> String? { values[key] }

    /// One line for each argument that has no meaning to a script that knows `known`: they are accepted, as
    /// Xen's scripts accepted them, and told.
    public func notices(knowing known: Set<String>) -> [String] {
        keys.filter { !known.contains($0) }.map {
            "argument '\($0)=\(values[$0] ?? "")' is not known; ignored"
        }
            + ignored.map { "argument '\($0)' is not understood; ignored" }
    }

    /// Whether a shell would take it for the name of a variable; besides, the keys of the configuration's that have
    /// hyphens, since a limit must not be passed over.
    private static func isKey(_ text: String) -> Bool {
        if ["rate-in", "rate-packets", "rate-in-packets"].contains(text) { return true }
        guard let first = text.utf8.first, first < 48 || first > 57 else { return false }
        return text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
        }
    }
}
