import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes

/// The host's own DHCP server by ISC, as far as its files say who gets which address: what `dhcp=yes` of Xen's scripts
/// edits. See docs/routing.md.
struct DHCPServerFiles: Hashable, Sendable {
    /// `dhcpd.conf`.
    let configuration: String
    /// How it is started anew: its script and the word for it.
    let restart: [String]
    /// Where the interfaces stand that it serves; nil where there is no such file.
    let arguments: String?

    private static let configurations = ["/etc/dhcp/dhcpd.conf", "/etc/dhcp3/dhcpd.conf", "/etc/dhcpd.conf"]
    private static let services = ["isc-dhcp-server", "dhcp-server", "dhcp3-server", "dhcp", "dhcpd"]
    private static let argumentFiles = [
        "/etc/sysconfig/dhcpd", "/etc/defaults/dhcp", "/etc/default/isc-dhcp-server",
        "/etc/default/dhcp-server",
        "/etc/default/dhcp3-server",
    ]
    private static let unitDirectories = [
        "/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
    ]

    /// Whether guests are told their addresses by it where nobody says: Xen's scripts looked at this file alone.
    static var areExpected: Bool { access("/etc/dhcpd.conf", F_OK) == 0 }

    /// Looks for them, in the order of Xen's scripts; a unit of systemd's does where there is no script.
    ///
    /// - Parameter needsArguments: whether the interfaces have to be told as well.
    /// - Throws: `notFound`, worded as Xen's scripts word it.
    static func find(needsArguments: Bool) throws(DrawbridgeError) -> DHCPServerFiles {
        let found = configurations.first(where: isFile)
        let script = services.map { "/etc/init.d/\($0)" }.first(where: isFile).map { [$0, "restart"] }
        let arguments = argumentFiles.first(where: isFile)
        guard let found, let restart = script ?? unit, !needsArguments || arguments != nil else {
            throw DrawbridgeError(
                .notFound, needsArguments ? "vif-nat" : "network-nat",
                "Failed to find dhcpd configuration or init \(needsArguments ? "or args " : "")file.",
                advice: "install isc-dhcp-server, or say dhcp=no")
        }
        return DHCPServerFiles(configuration: found, restart: restart, arguments: arguments)
    }

    private static var unit: [String]? {
        let name = services.first { name in unitDirectories.contains { isFile("\($0)/\(name).service") } }
        return name.map { ["/usr/bin/systemctl", "restart", "\($0).service"] }
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Has guests of these addresses told, on these interfaces, and the network of derived ones.
    ///
    /// - Returns: whether anything changed, so that the server is to be started anew.
    /// - Throws: `script` where a file cannot be written; it is what it was then.
    func apply(_ changes: Changes) throws(DrawbridgeError) -> Bool {
        let isChanged = try Self.edit(configuration) { text in
            var text = changes.removed.reduce(text) { DHCPServerText.removingHost($1.name, from: $0) }
            text = changes.added.reduce(text) { DHCPServerText.adding($1.host, to: $0) }
            switch changes.hasSubnet {
            case true?:
                let (domain, server) = Self.resolver()
                text = DHCPServerText.addingSubnet(domain: domain, nameServer: server, to: text)
            case false?: text = DHCPServerText.removingSubnet(from: text)
            case nil: break
            }
            return text
        }
        guard let arguments else { return isChanged }
        let isServed = try Self.edit(arguments) { text in
            let rest = changes.removed.reduce(text) {
                DHCPServerText.removing(interface: $1.device, from: $0)
            }
            return changes.added.reduce(rest) { DHCPServerText.adding(interface: $1.device, to: $0) }
        }
        return isChanged || isServed
    }

    /// What is to be different in the files.
    struct Changes: Sendable {
        var added: [(host: DHCPServerText.Host, device: LinkName)] = []
        var removed: [(name: String, device: LinkName)] = []
        /// Whether there is the network of derived addresses; nil leaves it as it is.
        var hasSubnet: Bool?
    }

    /// The domain and the first server of names of the host's own resolver, as Xen's scripts took them.
    private static func resolver() -> (domain: String?, server: IPv4Address?) {
        let bytes = SmallFile.read("/etc/resolv.conf", limit: 65536) ?? []
        var domain: String?
        var server: IPv4Address?
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count > 1 else { continue }
            switch words[0] {
            case "search", "domain": domain = words.last.map(String.init)
            case "nameserver": server = server ?? IPv4Address(words[1])
            default: break
            }
        }
        return (domain.flatMap { DomainName.isValid($0) ? $0 : nil }, server)
    }

    /// Replaces a file by what becomes of its content, whole: with the same mode and owner, and where it is a link, what
    /// that leads to. Begun again where somebody else writes it meanwhile.
    ///
    /// - Returns: whether it had to be replaced.
    private static func edit(
        _ path: String, _ change: ([UInt8]) -> [UInt8]
    ) throws(DrawbridgeError) -> Bool {
        func failed(_ code: Int32) -> DrawbridgeError {
            DrawbridgeError(
                .script, path, "cannot be edited: \(systemText(code))",
                advice: code == EROFS ? "let the daemon's unit write there (ReadWritePaths=)" : nil)
        }
        guard let resolved = realpath(path, nil) else { throw failed(errno) }
        defer { free(resolved) }
        let real = String(cString: resolved)
        let temporary = "\(real).drawbridge"
        for _ in 0..<10 {
            var before = stat()
            guard stat(real, &before) == 0, let old = SmallFile.read(real, limit: 16 << 20) else {
                throw failed(errno)
            }
            let new = change(old)
            guard new != old else { return false }
            unlink(temporary)
            guard
                let file = OwnedDescriptor(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
            else { throw failed(errno) }
            guard SmallFile.append(new, to: file.number),
                fchown(file.number, before.st_uid, before.st_gid) == 0,
                fchmod(file.number, before.st_mode & 0o7777) == 0, fsync(file.number) == 0
            else {
                let code = errno
                unlink(temporary)
                throw failed(code)
            }
            var now = stat()
            guard stat(real, &now) == 0, now.st_ino == before.st_ino, now.st_size == before.st_size,
                now.st_mtim.tv_sec == before.st_mtim.tv_sec, now.st_mtim.tv_nsec == before.st_mtim.tv_nsec
            else { continue }
            guard rename(temporary, real) == 0 else {
                let code = errno
                unlink(temporary)
                throw failed(code)
            }
            return true
        }
        unlink(temporary)
        throw failed(EBUSY)
    }
}

/// Starts a server anew, once for all that asked for it meanwhile.
actor ServerRestart {
    private let runner: ProgramRunner
    private let log: @Sendable (String) -> Void
    private var due: [String]?
    private var task: Task<Void, Never>?

    init(runner: ProgramRunner, log: @escaping @Sendable (String) -> Void) {
        self.runner = runner
        self.log = log
    }

    /// Has it started anew soon; what goes wrong is told in the log, and harms nobody who asked.
    func request(_ command: [String]) {
        due = command
        guard task == nil else { return }
        task = Task { await run() }
    }

    /// Waits until nothing is due.
    func finish() async { await task?.value }

    private func run() async {
        while let command = due {
            due = nil
            var program = Program(.path(command[0]), arguments: command)
            program.environment = ["PATH=\(CustomScript.searchPath)", "LANG=C", "LC_ALL=C"]
            program.timeLimit = .seconds(30)
            // What it starts goes on with the output that it has.
            program.standardFiles = .files([nil, nil, nil])
            do throws(DrawbridgeError) {
                let result = try await runner.run(program)
                if let error = CustomScript.failure(of: result, path: command[0], timeLimit: .seconds(30)) {
                    log("\(error)")
                }
            } catch { log("\(error)") }
        }
        task = nil
    }
}
