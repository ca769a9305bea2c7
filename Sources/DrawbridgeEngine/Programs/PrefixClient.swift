import DrawbridgeModel
import Glibc
import NetworkTypes

/// dhclient, which asks the router beyond an uplink for a prefix (DHCPv6 prefix delegation, RFC 8415): a child that is
/// started again when it ends, and that goes on without the daemon. See docs/subnets.md.
actor PrefixClient {
    /// For whom, and where.
    struct Files: Hashable, Sendable {
        let network: NetworkName
        let interface: LinkName
        /// What tells hosts in several network namespaces apart that have networks of one name.
        let directory: String

        /// By the directory that the network's records are in: its checksum, in a name that dhclient's AppArmor profile
        /// allows.
        private var stem: String {
            let hash = directory.utf8.reduce(UInt32(0x811c_9dc5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
            return "/var/lib/dhcp/dhclient6.drawbridge-\(network)-\(String(hash, radix: 16))"
        }
        var leaseFile: String { "\(stem).leases" }
        var configurationFile: String { "\(stem).conf" }

        /// `argv`. Its event script does nothing: what it got is read in its file of leases.
        func arguments(_ executable: String, releases: Bool = false) -> [String] {
            [executable, "-6", "-P", "-q", "--no-pid"] + (releases ? ["-r"] : ["-d"])
                + ["-lf", leaseFile, "-cf", configurationFile, "-sf", "/bin/true", interface.rawValue]
        }
    }

    let files: Files
    private let runner: ProgramRunner
    private let executable: String
    private let supervisor: Supervisor
    private let changed: @Sendable (Prefix?) async -> Bool
    private var watcher: Task<Void, Never>?

    /// - Parameter changed: told of the prefix when there is one, another one, or none any more; false has it told again,
    ///   after a while.
    init(
        _ files: Files, runner: ProgramRunner, executable: String,
        changed: @escaping @Sendable (Prefix?) async -> Bool, log: @escaping @Sendable (String) -> Void
    ) {
        self.files = files
        self.runner = runner
        self.executable = executable
        self.changed = changed
        supervisor = Supervisor(
            name: "dhclient for the prefix of \(files.network)", runner: runner,
            program: { () throws(DrawbridgeError) in
                var program = Program(.path(executable), arguments: files.arguments(executable))
                program.environment = ["PATH=\(CustomScript.searchPath)"]
                // Its output has no reader once the daemon ends.
                program.standardFiles = .files([nil, nil, nil])
                program.outlivesRunner = true
                return program
            }, changed: { _ in }, log: log)
    }

    /// Where Debian has it; nil where it is not.
    static var executable: String? {
        ["/usr/sbin/dhclient", "/sbin/dhclient"].first { access($0, X_OK) == 0 }
    }

    /// Starts it, or takes over the one that an earlier daemon started.
    ///
    /// - Throws: `script` where it cannot be started.
    func start(namespaceOf thread: Int32) async throws(DrawbridgeError) {
        guard watcher == nil else { return }
        // It asks for no servers of names nor anything else that would be the host's.
        let code = SmallFile.write(files.configurationFile, Array("request;\n".utf8), mode: 0o644)
        guard code == 0 else {
            throw DrawbridgeError(.script, files.configurationFile, "cannot be written: \(systemText(code))")
        }
        let left = ProcessReference.running(files.arguments(executable), inNamespaceOf: thread)
        try await supervisor.start(adopting: left)
        watcher = Task { await watch() }
    }

    /// The prefix that the file tells of.
    static func prefix(_ files: Files) -> Prefix? {
        let text = SmallFile.read(files.leaseFile, limit: 4 << 20).map { String(decoding: $0, as: UTF8.self) }
        return text.flatMap {
            DelegationLease.current(in: $0, for: files.interface.rawValue, at: Int64(time(nil)))?.prefix
        }
    }

    /// Looks after it no more.
    func leave() async {
        watcher?.cancel()
        await supervisor.leave()
    }

    /// Ends it, and gives the prefix back to the router.
    func stop() async {
        watcher?.cancel()
        await supervisor.stop()
        await Self.release(files, executable, runner)
    }

    /// The same for the one that a daemon left which is not there any more.
    static func stopLeft(_ files: Files, _ runner: ProgramRunner) async {
        guard let executable else { return }
        let left = ProcessReference.running(files.arguments(executable), inNamespaceOf: runner.thread)
        if let left {
            left.signal(SIGKILL)
            for _ in 0..<100 where left.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        }
        await release(files, executable, runner)
    }

    private static func release(_ files: Files, _ executable: String, _ runner: ProgramRunner) async {
        if prefix(files) != nil {
            var program = Program(.path(executable), arguments: files.arguments(executable, releases: true))
            program.environment = ["PATH=\(CustomScript.searchPath)"]
            program.standardFiles = .files([nil, nil, nil])
            // A router that does not answer keeps it until its time is over.
            program.timeLimit = .seconds(3)
            _ = try? await runner.run(program)
        }
        for file in [files.leaseFile, "\(files.leaseFile)~", files.configurationFile] { unlink(file) }
    }

    private func watch() async {
        var known: Prefix??
        while !Task.isCancelled {
            let now = Self.prefix(files)
            var pause = Duration.milliseconds(500)
            if known != .some(now) {
                if await changed(now) { known = .some(now) } else { pause = .seconds(10) }
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }
}
