import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes

/// dnsmasq for one subnet: DHCP, DHCPv6, router advertisements and names of its guests. A child that is started again
/// when it ends, and that goes on without the daemon.
actor NameServer {
    let files: NameServerFiles
    private let supervisor: Supervisor
    private var holdings: [AddressBook.Holding] = []

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
    func start(_ holdings: [AddressBook.Holding], namespaceOf thread: Int32) async throws(DrawbridgeError) {
        guard mkdir(files.directory, 0o755) == 0 || errno == EEXIST, chmod(files.directory, 0o755) == 0 else {
            throw DrawbridgeError(.script, files.directory, "cannot be made: \(systemText(errno))")
        }
        let text = files.configuration(user: Self.user)
        let isSame =
            SmallFile.read(files.configurationFile, limit: 65536).map { $0 == Array(text.utf8) } ?? false
        let left = Self.running(files, inNamespaceOf: thread)
        try Self.write(text, to: files.configurationFile)
        try write(holdings)
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
            if Self.running(files, inNamespaceOf: thread) == process { return }
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

    /// Tells it who has which address from now on. Leases stay; only one that would keep an address from its new owner is
    /// taken out, which needs a new start.
    func tell(_ holdings: [AddressBook.Holding]) async throws(DrawbridgeError) {
        guard holdings != self.holdings else { return }
        var owners: [IPAddress: MACAddress] = [:]
        for holding in holdings { for address in holding.addresses { owners[address] = holding.mac } }
        let text =
            SmallFile.read(files.leaseFile, limit: 16 << 20).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let isInTheWay = { (line: Substring) in
            let words = line.split(separator: " ")
            guard words.count > 2, let address = IPAddress(words[2]), let mac = MACAddress(words[1]),
                let owner = owners[address]
            else { return false }
            return owner != mac
        }
        let lines = text.split(separator: "\n")
        try write(holdings)
        guard lines.contains(where: isInTheWay) else {
            await supervisor.process?.signal(SIGHUP)
            return
        }
        let rest = lines.filter { !isInTheWay($0) }.map { $0 + "\n" }.joined()
        try await supervisor.restart { [files] () throws(DrawbridgeError) in
            try Self.write(rest, to: files.leaseFile)
        }
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

    /// The process that the file tells of, where it is one of this configuration's.
    private static func running(_ files: NameServerFiles, inNamespaceOf thread: Int32) -> ProcessReference? {
        guard let bytes = SmallFile.read(files.processFile, limit: 32),
            let number = Int32(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }),
            let reference = ProcessReference(process: number), reference.isRunning,
            let words = SmallFile.read("/proc/\(number)/cmdline", limit: 65536),
            words.split(separator: 0).contains(where: { $0.elementsEqual(files.arguments[0].utf8) }),
            SmallFile.link("/proc/\(number)/ns/net") == SmallFile.link("/proc/\(thread)/ns/net")
        else { return nil }
        return reference
    }

    private func write(_ holdings: [AddressBook.Holding]) throws(DrawbridgeError) {
        try Self.write(files.hosts(holdings), to: files.hostsFile)
        try Self.write(files.names(holdings), to: files.namesFile)
        self.holdings = holdings
    }

    /// Writes a file that dnsmasq's user may read.
    private static func write(_ text: String, to file: String) throws(DrawbridgeError) {
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
