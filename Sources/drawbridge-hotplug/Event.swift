import Glibc

/// A script event: the name this program was called by, its arguments and the variables it passes on.
struct Event {
    /// As called, with the path where there was one.
    var calledAs: String
    var arguments: [[UInt8]] = []
    var variables: [[UInt8]] = []

    /// The name of the script alone.
    var script: String { calledAs.split(separator: "/").last.map(String.init) ?? calledAs }

    /// Reads the process's arguments and environment.
    ///
    /// `CommandLine.arguments` would repair what is not UTF-8, and so hide it.
    init(
        count: Int32, arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) throws(Failure) {
        let words = (0..<Int(count)).map { Self.octets(arguments[$0]) }
        calledAs = String(decoding: words.first ?? [], as: UTF8.self)
        guard Grammar.scripts.contains(script) else {
            throw Failure(
                .usage,
                "is run under the name of a script: \(Grammar.scripts.joined(separator: ", "))")
        }
        try Grammar.check(words[0], "the path")
        guard words.count - 1 <= Grammar.maximumArguments else {
            throw Failure(.usage, "arguments: more than \(Grammar.maximumArguments)")
        }
        for (index, word) in words.dropFirst().enumerated() {
            try Grammar.check(word, "argument \(index + 1)")
            self.arguments.append(word)
        }
        for name in Grammar.variables {
            guard let value = getenv(name) else { continue }
            let octets = Self.octets(value)
            try Grammar.check(octets, "the variable \(name)")
            variables.append(Array(name.utf8) + [UInt8(ascii: "=")] + octets)
        }
    }

    /// The value of a variable that is passed on; nil if it is not set.
    func variable(_ name: String) -> String? {
        let head = Array(name.utf8) + [UInt8(ascii: "=")]
        return variables.first { $0.starts(with: head) }
            .map { String(decoding: $0.dropFirst(head.count), as: UTF8.self) }
    }

    /// The packet for `io.drawbridge.direct`: fields that each end with NUL.
    ///
    /// - Parameter store: the vif's keys in the store; nil where there is no store.
    func packet(store: [String: String]? = nil) throws(Failure) -> [UInt8] {
        var fields =
            [Array("script".utf8), Array(calledAs.utf8), Array(String(arguments.count).utf8)]
            + arguments + variables
        // An empty name tells that there is a store, also where it says nothing of this vif.
        if store != nil { fields.append(Array("xenstore/=".utf8)) }
        for (key, value) in store ?? [:] where Grammar.passedKeys.contains(key) {
            do throws(Failure) {
                try Grammar.check(Array(value.utf8), "\(key) in the store")
            } catch {
                // The domain's name is only told to people.
                guard key == "domain" || key == "name" else { throw error }
                continue
            }
            fields.append(Array("xenstore/\(key)=\(value)".utf8))
        }
        let octets = fields.reduce(into: [UInt8]()) { $0 += $1 + [0] }
        guard octets.count <= 64 << 10 else {
            throw Failure(.usage, "arguments: more than 64 KiB with the variables")
        }
        return octets
    }

    private static func octets(_ text: UnsafeMutablePointer<CChar>?) -> [UInt8] {
        guard let text else { return [] }
        return Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}
