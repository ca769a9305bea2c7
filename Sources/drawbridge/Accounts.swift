import DrawbridgeAPI
import Glibc

/// Users and groups by name or number, from the files of the machine itself: a static program has no NSS.
enum Accounts {
    /// The number of a user (passwd(5)).
    static func user(_ text: String) throws(CommandFailure) -> UInt32 {
        try number(text, "user", "/etc/passwd")
    }

    /// The number of a group (group(5)).
    static func group(_ text: String) throws(CommandFailure) -> UInt32 {
        try number(text, "group", "/etc/group")
    }

    /// In both files the name comes first and the number third.
    private static func number(
        _ text: String, _ what: String, _ path: String
    ) throws(CommandFailure) -> UInt32 {
        if let number = UInt32(text) { return number }
        guard let file = fopen(path, "re") else {
            throw CommandFailure(.failed, "\(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var room = 0
        defer { free(line) }
        while getline(&line, &room, file) > 0 {
            guard let line else { break }
            let fields = String(cString: line).split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 3, fields[0] == text, let number = UInt32(fields[2]) { return number }
        }
        throw CommandFailure(
            .notFound, "\(what) '\(text)': is not in \(path); give the number if it is kept elsewhere")
    }
}
