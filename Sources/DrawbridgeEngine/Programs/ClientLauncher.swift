import Glibc

/// The program through which DHCP clients leave the daemon's unit: they are to outlive it.
///
/// See `Packaging/systemd/drawbridge-run-client`, which says how it is called.
enum ClientLauncher {
    /// What the service manager's unit names in `DRAWBRIDGE_CLIENT_RUNNER`; nil in the foreground, where nothing but
    /// the daemon's own end would end its children, and that does not.
    static let configured: String? = {
        guard let value = getenv("DRAWBRIDGE_CLIENT_RUNNER") else { return nil }
        let path = String(cString: value)
        return path.hasPrefix("/") ? path : nil
    }()

    /// How a client's file is told which of its programs to be, where it cannot be by `argv[0]`: busybox by a word.
    static func words(_ client: RunningDHCPClient, _ arguments: [String]) -> [String] {
        let isBox = client.executable.split(separator: "/").last?.hasPrefix("busybox") == true
        let rest = Array(arguments.dropFirst())
        guard isBox, rest.first != client.command.kind.rawValue else { return [client.executable] + rest }
        return [client.executable, client.command.kind.rawValue] + rest
    }

    /// The call that starts the client on a bridge; the process stays the one that is called.
    static func program(
        _ launcher: String, client: RunningDHCPClient, on bridge: String, _ arguments: [String]
    )
        -> Program
    {
        Program(.path(launcher), arguments: [launcher, "bridge", bridge] + words(client, arguments))
    }

    /// The call that starts the host's own client anew; it ends when that was asked for.
    static func program(_ launcher: String, restarting client: RunningDHCPClient, on uplink: String)
        -> Program
    {
        // dhclient goes into the background unless it is told not to.
        let type = client.command.arguments.contains("-d") ? "exec" : "forking"
        return Program(
            .path(launcher),
            arguments: [launcher, "host", uplink, type, client.directory]
                + words(client, client.command.arguments),
            environment: client.environment)
    }
}
