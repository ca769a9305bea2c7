/// What the programs of Drawbridge exit with. Stable.
public enum ExitCode: UInt8, Hashable, Sendable, CaseIterable {
    case success = 0
    /// What was asked for failed.
    case failed = 1
    /// The command line, or what was asked for, is malformed.
    case usage = 2
    /// There is no daemon to ask.
    case noDaemon = 3
    /// The caller may not do this.
    case permissionDenied = 4
    /// Something named is not there.
    case notFound = 5
    /// Something is in the way.
    case conflict = 6
    /// A configuration file is wrong.
    case invalidConfiguration = 7
    /// It took too long.
    case timeout = 8
    /// It is not built.
    case unsupported = 9

    /// The code for a failure.
    public init(_ failure: Failure) {
        self =
            switch failure.kind {
            case "InvalidArgument": .usage
            case "InvalidConfiguration": .invalidConfiguration
            case "NotFound": .notFound
            case "Conflict": .conflict
            case "PermissionDenied": .permissionDenied
            case "Timeout": .timeout
            case "Unsupported": .unsupported
            default: .failed
            }
    }
}
