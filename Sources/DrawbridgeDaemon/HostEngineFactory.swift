import DrawbridgeEngine
import DrawbridgeModel
import Logging

extension Daemon {
    /// The engine of the host that the daemon runs on.
    public static let hostEngine: EngineFactory = {
        (configuration: Configuration, options: DaemonOptions, logger: Logger) throws(DrawbridgeError)
            -> any Engine
        in
        throw DrawbridgeError(.unsupported, "daemon", "this build has no engine for a host")
    }
}
