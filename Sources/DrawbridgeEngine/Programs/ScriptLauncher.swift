import Glibc

/// The program through which scripts of the administrator's leave the daemon's sandbox: it has the service manager
/// run them as units of their own.
///
/// It is called with the seconds that the script may run, the path by which a process that inherited the script's
/// descriptor finds it (`/proc/self/fd/10…`), and the script's arguments. Its end is the script's end. See
/// `Packaging/systemd/drawbridge-run-script`.
enum ScriptLauncher {
    /// What the service manager's unit names in `DRAWBRIDGE_SCRIPT_RUNNER`; nil in the foreground, where scripts are
    /// the daemon's own children.
    static let configured: String? = {
        guard let value = getenv("DRAWBRIDGE_SCRIPT_RUNNER") else { return nil }
        let path = String(cString: value)
        return path.hasPrefix("/") ? path : nil
    }()

    /// The call that has `launcher` run the script.
    static func program(
        _ launcher: String, running file: ScriptFile, _ arguments: [String], environment: [String],
        timeLimit: Duration
    ) -> Program {
        let (seconds, attoseconds) = timeLimit.components
        let whole = max(1, attoseconds > 0 ? seconds + 1 : seconds)
        var program = Program(
            .path(launcher),
            arguments: [launcher, String(whole), file.executionPath] + arguments.dropFirst(),
            environment: environment)
        program.inherited = .script(file)
        return program
    }
}
