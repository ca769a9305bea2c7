import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeHost
import DrawbridgeModel
import Glibc
import Logging

extension Daemon {
    /// The engine of the host that the daemon runs on: of the network namespace it was started in.
    public static let hostEngine: EngineFactory = {
        (configuration: Configuration, options: DaemonOptions, logger: Logger) throws(DrawbridgeError)
            -> any Engine
        in
        let host = try Host()
        let journal = try Journal(path: options.stateDirectory)
        return try HostEngine(
            configuration: configuration,
            paths: EnginePaths(
                stateDirectory: options.stateDirectory, scriptDirectory: options.scriptDirectory,
                socket: options.socket, persistentDirectory: options.persistentDirectory,
                openVSwitch: openVSwitchSocket),
            host: host, journal: journal, version: API.version, logger: logger)
    }

    /// Where Open vSwitch's database listens: in the directory that OVS_RUNDIR names, as for its own programs.
    private static var openVSwitchSocket: String {
        guard let directory = getenv("OVS_RUNDIR"), directory.pointee != 0 else {
            return EnginePaths.defaultOpenVSwitch
        }
        return String(cString: directory) + "/db.sock"
    }
}
