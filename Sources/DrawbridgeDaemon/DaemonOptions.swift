import DrawbridgeAPI

/// What the daemon is told on its command line.
public struct DaemonOptions: Hashable, Sendable {
    /// The configuration file; nil for the first of the two defaults that is there.
    public var configurationFile: String?
    /// Where the Varlink socket is made; the direct one stands beside it, named with `.direct` after it.
    public var socket: String
    /// Where the journal is kept.
    public var stateDirectory: String
    /// Where scripts that are named without a path lie.
    public var scriptDirectory: String
    /// Where what outlives a restart of the machine is kept: the addresses of guests, and the ports that lead to them.
    public var persistentDirectory: String

    /// Where the Varlink socket is unless told otherwise.
    public static let defaultSocket = API.defaultSocket
    /// The directory of the journal unless told otherwise.
    public static let defaultStateDirectory = "/run/drawbridge"
    /// The directory of what outlives a restart of the machine unless told otherwise.
    public static let defaultPersistentDirectory = "/var/lib/drawbridge"
    /// The directory of the scripts unless told otherwise.
    public static let defaultScriptDirectory = "/etc/drawbridge/scripts"

    /// Makes options.
    public init(
        configurationFile: String? = nil, socket: String = defaultSocket,
        stateDirectory: String = defaultStateDirectory, scriptDirectory: String = defaultScriptDirectory,
        persistentDirectory: String = defaultPersistentDirectory
    ) {
        self.configurationFile = configurationFile
        self.socket = socket
        self.stateDirectory = stateDirectory
        self.scriptDirectory = scriptDirectory
        self.persistentDirectory = persistentDirectory
    }
}
