/// Why the client gives up, and what it exits with.
struct Failure: Error {
    /// The same codes as the command `drawbridge` has.
    enum Code: Int32 {
        case failed = 1
        case usage = 2
        case noDaemon = 3
        case permissionDenied = 4
        case timeout = 8
    }

    var code: Code
    var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
