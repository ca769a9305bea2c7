import ArgumentParser
import DrawbridgeAPI
import Glibc

/// `drawbridge install-xen`. Needs no daemon.
struct InstallXen: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install-xen", abstract: "Put Drawbridge in the place of Xen's network scripts.",
        discussion: """
            What was there under the scripts' names is kept beside them with '.distrib' appended. --remove takes the \
            links away and puts it back.
            """)

    @Option(help: "The directory of Xen's scripts.")
    var directory = "/etc/xen/scripts"
    @Option(
        help: "The client that the links lead to; without it the one that is installed with this command.")
    var client: String?
    @Flag(help: "Take the links away, and put back what was there.")
    var remove = false
    @Flag(help: "Show what would be done, and do nothing.")
    var dryRun = false

    func run() throws {
        let scripts = XenScripts(directory: directory)
        let steps = remove ? try scripts.removal() : try scripts.installation(of: try findClient())
        if steps.isEmpty { return Terminal.say("\(directory): nothing to do") }
        for step in steps {
            if !dryRun { try scripts.perform(step) }
            Terminal.say("\(dryRun ? "would " : "")\(step)")
        }
    }

    /// The client's path, which has to be there: libxl can run nothing else.
    private func findClient() throws(CommandFailure) -> String {
        let path = if let client { client } else { try besideThisCommand() }
        guard path.hasPrefix("/") else {
            throw CommandFailure(.usage, "client '\(path)': is not an absolute path")
        }
        guard path.split(separator: "/").last == "drawbridge-hotplug" else {
            throw CommandFailure(.usage, "client '\(path)': is not called drawbridge-hotplug")
        }
        guard access(path, X_OK) == 0 else {
            throw CommandFailure(
                .notFound,
                "\(path): \(String(cString: strerror(errno))); install Drawbridge, or name it with --client")
        }
        return path
    }

    /// `/usr/lib/drawbridge/drawbridge-hotplug` for `/usr/bin/drawbridge`.
    private func besideThisCommand() throws(CommandFailure) -> String {
        guard let real = realpath("/proc/self/exe", nil) else {
            throw CommandFailure(.failed, "/proc/self/exe: \(String(cString: strerror(errno)))")
        }
        defer { free(real) }
        let parts = String(cString: real).split(separator: "/").dropLast(2)
        return "/" + (parts + ["lib", "drawbridge", "drawbridge-hotplug"]).joined(separator: "/")
    }
}
