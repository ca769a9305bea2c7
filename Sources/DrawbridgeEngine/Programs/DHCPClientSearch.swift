public import DrawbridgeModel
import Glibc
import LinuxHeaders

extension RunningDHCPClient {
    /// The most octets read of a command line, and of an environment.
    private static let readLimit = 64 << 10

    /// Looks at a process; nil where it is gone, is no DHCP client of root's, or is in another network namespace
    /// than the thread or process whose directory under `/proc` is given.
    public init?(process: Int32, inNamespaceOf thread: String = "/proc/thread-self") {
        var status = stat()
        guard stat("/proc/\(process)", &status) == 0, status.st_uid == 0,
            let reference = ProcessReference(process: process),
            let line = SmallFile.read("/proc/\(process)/cmdline", limit: Self.readLimit),
            let command = DHCPClientCommand(Self.strings(line)),
            let executable = SmallFile.link("/proc/\(process)/exe"),
            let namespace = SmallFile.link("/proc/\(process)/ns/net"),
            namespace == SmallFile.link("\(thread)/ns/net")
        else { return nil }
        self.reference = reference
        self.command = command
        // An upgrade replaced the file it runs from: the new one stands at the same path.
        self.executable =
            executable.hasSuffix(" (deleted)")
            ? String(executable.dropLast(" (deleted)".count)) : executable
        environment = Self.strings(SmallFile.read("/proc/\(process)/environ", limit: Self.readLimit) ?? [])
        directory = SmallFile.link("/proc/\(process)/cwd") ?? "/"
        standardFiles = (0..<3).map { SmallFile.link("/proc/\(process)/fd/\($0)") }
        let groups = SmallFile.read("/proc/\(process)/cgroup", limit: Self.readLimit) ?? []
        cgroup = String(decoding: groups, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) }
        // It may have ended meanwhile, and another have got its number.
        guard reference.isRunning else { return nil }
    }

    /// Every DHCP client of root's that works on an interface of the network namespace of a thread or process.
    ///
    /// A client that holds a lease may have no socket at all, as udhcpc between two renewals, and may have set the
    /// address for ever: its command line is then all there is to know it by.
    public static func all(
        on interface: String, inNamespaceOf thread: String = "/proc/thread-self"
    ) -> [RunningDHCPClient] {
        guard let stream = opendir("/proc") else { return [] }
        defer { closedir(stream) }
        var clients: [RunningDHCPClient] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // The name is cheap to read, and tells most processes apart.
            guard let process = Int32(name),
                let bytes = SmallFile.read("/proc/\(process)/comm", limit: 64),
                Self.isCandidate(String(decoding: bytes.dropLast(), as: UTF8.self)),
                let client = RunningDHCPClient(process: process, inNamespaceOf: thread),
                client.command.handles(interface)
            else { continue }
            clients.append(client)
        }
        return clients.sorted { $0.reference.process < $1.reference.process }
    }

    /// The process that started another; nil where that is gone.
    static func parent(of process: Int32) -> Int32? { ProcessStatus(of: process)?.parent }

    private static func isCandidate(_ name: String) -> Bool {
        name == "busybox" || DHCPClientKind(rawValue: name) != nil
    }

    private static func strings(_ bytes: [UInt8]) -> [String] {
        var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true { parts.removeLast() }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Throws where this client cannot be handed over, with what to do instead.
    public func checkHandover(from interface: String) throws(DrawbridgeError) {
        let object = "\(interface): \(command.kind.rawValue) (process \(reference.process))"
        let advice = "stop it and use udhcpc or dhclient, or set dhcp-client: ignore"
        guard command.kind == .udhcpc || command.kind == .dhclient else {
            throw DrawbridgeError(
                .unsupported, object, "this DHCP client cannot be handed over to a bridge", advice: advice)
        }
        guard !command.isIPv6 else {
            throw DrawbridgeError(
                .unsupported, object, "a DHCPv6 client cannot be handed over to a bridge", advice: advice)
        }
        guard command.interfaces == [interface] else {
            throw DrawbridgeError(
                .unsupported, object, "this DHCP client serves other interfaces as well",
                advice: "start one for \(interface) alone")
        }
        var status = stat()
        guard stat(executable, &status) == 0, status.st_uid == 0, status.st_mode & 0o022 == 0 else {
            throw DrawbridgeError(
                .unsafe, object, "'\(executable)' is not root's alone, so it is not started again")
        }
    }
}
