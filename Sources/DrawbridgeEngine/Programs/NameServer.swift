import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes

/// dnsmasq for one network: DHCP, DHCPv6, router advertisements and names of its guests. A child that is started again
/// when it ends, and that goes on without the daemon.
actor NameServer {
    let files: NameServerFiles
    private let supervisor: Supervisor
    private var guests: [ServedGuest] = []

    /// - Parameters:
    ///   - changed: Told what is wrong when it has ended, and nil when it runs.
    init(
        _ files: NameServerFiles, runner: ProgramRunner, executable: String,
        changed: @escaping @Sendable (String?) async -> Void, log: @escaping @Sendable (String) -> Void
    ) {
        self.files = files
        supervisor = Supervisor(
            name: "dnsmasq of \(files.network)", runner: runner,
            program: { () throws(DrawbridgeError) in
                try Self.write("", to: files.errorFile)
                var program = Program(
                    .path(executable), arguments: [executable] + files.arguments,
                    environment: ["PATH=\(CustomScript.searchPath)"])
                // Its output has no reader once the daemon ends.
                program.standardFiles = .files([nil, nil, files.errorFile])
                program.outlivesRunner = true
                return program
            },
            changed: { reference in
                guard reference == nil else { return await changed(nil) }
                await changed("dnsmasq has ended\(Self.lastWords(files).map { ": \($0)" } ?? "")")
            }, log: log)
    }

    /// Where Debian has it; nil where it is not.
    static var executable: String? {
        ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq"].first { access($0, X_OK) == 0 }
    }

    /// The user that Debian's package makes for it, else the one that has no rights.
    private static var user: String { getpwnam("dnsmasq") != nil ? "dnsmasq" : "nobody" }

    /// Starts it, or takes over the one that an earlier daemon started.
    ///
    /// - Throws: `script` with its own words where it does not come up.
    func start(_ guests: [ServedGuest], namespaceOf thread: Int32) async throws(DrawbridgeError) {
        guard mkdir(files.directory, 0o755) == 0 || errno == EEXIST, chmod(files.directory, 0o755) == 0 else {
            throw DrawbridgeError(.script, files.directory, "cannot be made: \(systemText(errno))")
        }
        let text = files.configuration(user: Self.user, for: guests)
        let isSame =
            SmallFile.read(files.configurationFile, limit: 65536).map { $0 == Array(text.utf8) } ?? false
        let left = Self.running(files, inNamespaceOf: thread)
        try write(guests)
        if let left, isSame {
            try await supervisor.start(adopting: left)
            left.signal(SIGHUP)
            return
        }
        if let left { await Self.end(left) }
        unlink(files.processFile)
        try await supervisor.start()
        guard let process = await supervisor.process else { return }
        // It writes the file once it listens.
        for _ in 0..<300 {
            if Self.listens(process, files) { return }
            guard process.isRunning else { break }
            try? await Task.sleep(for: .milliseconds(10))
        }
        guard !process.isRunning else { return }
        await supervisor.stop()
        throw DrawbridgeError(
            .script, files.network.rawValue,
            "dnsmasq does not come up\(Self.lastWords(files).map { ": \($0)" } ?? "")",
            advice: "see what else answers on the bridge, or say hand-out: no")
    }

    /// Tells it who has which address from now on. Leases stay, whatever it takes: only what it serves, and a lease that
    /// would keep an address from its new owner, need a new start.
    func tell(_ guests: [ServedGuest]) async throws(DrawbridgeError) {
        guard guests != self.guests else { return }
        var owners: [IPAddress: MACAddress] = [:]
        for guest in guests { for address in guest.addresses { owners[address] = guest.mac } }
        let isSame =
            files.configuration(user: Self.user, for: guests)
            == files.configuration(user: Self.user, for: self.guests)
        try write(guests)
        let isReread = try await withoutLeases(isStartedAnew: !isSame) { words in
            guard let address = IPAddress(words[2]), let mac = MACAddress(words[1]),
                let owner = owners[address]
            else { return false }
            return owner != mac
        }
        if !isReread { await supervisor.process?.signal(SIGHUP) }
    }

    /// Has it forget the leases of addresses that go to somebody else: one of DHCPv6 does not tell whose it is.
    func forget(_ addresses: Set<IPAddress>) async throws(DrawbridgeError) {
        guard !addresses.isEmpty else { return }
        _ = try await withoutLeases(isStartedAnew: false) { words in
            IPAddress(words[2]).map { addresses.contains($0) } ?? false
        }
    }

    /// Takes leases out, by the words of their lines, which needs a new start: it reads them only then.
    ///
    /// - Returns: whether it was started anew.
    private func withoutLeases(
        isStartedAnew: Bool, where isInTheWay: ([Substring]) -> Bool
    ) async throws(DrawbridgeError) -> Bool {
        let text =
            SmallFile.read(files.leaseFile, limit: 16 << 20).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let lines = text.split(separator: "\n")
        let rest = lines.filter { line in
            let words = line.split(separator: " ")
            return words.count < 4 || !isInTheWay(words)
        }
        guard isStartedAnew || rest.count != lines.count else { return false }
        let kept = rest.count == lines.count ? nil : rest.map { $0 + "\n" }.joined()
        try await supervisor.restart { [files] () throws(DrawbridgeError) in
            if let kept { try Self.write(kept, to: files.leaseFile) }
        }
        return true
    }

    /// Ends it, and removes all of its files but the leases: the guests go on with what they have.
    func stop() async {
        await supervisor.stop()
        Self.cleanUp(files)
    }

    /// Ends the one that a daemon left which is not there any more.
    static func stopLeft(_ files: NameServerFiles, inNamespaceOf thread: Int32) async {
        if let left = running(files, inNamespaceOf: thread) { await end(left) }
        cleanUp(files)
    }

    private static func cleanUp(_ files: NameServerFiles) {
        for file in [
            files.configurationFile, files.hostsFile, files.namesFile, files.processFile, files.errorFile,
        ] { unlink(file) }
    }

    /// Looks after it no more.
    func leave() async { await supervisor.leave() }

    private static func end(_ process: ProcessReference) async {
        process.signal(SIGTERM)
        for attempt in 0..<300 where process.isRunning {
            if attempt == 200 { process.signal(SIGKILL) }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// The process of this configuration: the one that the file tells of, or one that has not written it yet.
    private static func running(_ files: NameServerFiles, inNamespaceOf thread: Int32) -> ProcessReference? {
        ProcessReference.running(["dnsmasq"] + files.arguments, inNamespaceOf: thread)
    }

    /// Whether it has written its file, which it does once it listens.
    private static func listens(_ process: ProcessReference, _ files: NameServerFiles) -> Bool {
        SmallFile.read(files.processFile, limit: 32).map {
            Int32(String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace }) == process.process
        } ?? false
    }

    private func write(_ guests: [ServedGuest]) throws(DrawbridgeError) {
        try Self.write(files.hosts(guests), to: files.hostsFile)
        try Self.write(files.names(guests), to: files.namesFile)
        try Self.write(files.configuration(user: Self.user, for: guests), to: files.configurationFile)
        self.guests = guests
    }

    /// Writes a file that dnsmasq's user may read, unless it reads like that already.
    private static func write(_ text: String, to file: String) throws(DrawbridgeError) {
        guard SmallFile.read(file, limit: 16 << 20) != Array(text.utf8) else { return }
        let code = SmallFile.write(file, Array(text.utf8), mode: 0o644)
        guard code == 0, chmod(file, 0o644) == 0 else {
            throw DrawbridgeError(.script, file, "cannot be written: \(systemText(code == 0 ? errno : code))")
        }
    }

    private static func lastWords(_ files: NameServerFiles) -> String? {
        SmallFile.read(files.errorFile, limit: 4096).flatMap { bytes in
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).last.map {
                $0.hasPrefix("dnsmasq: ") ? String($0.dropFirst(9)) : String($0)
            }
        }
    }
}
