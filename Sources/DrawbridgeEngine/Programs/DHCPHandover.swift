public import DrawbridgeModel
import Glibc

/// A lease that a client got, for whoever sets the lifetimes of its address.
public struct DHCPLease: Hashable, Sendable {
    /// The device that has the address.
    public var interface: String
    public var address: String
    /// How many seconds it has left; nil for ever.
    public var remaining: UInt32?
}

/// Hands the host's lease from its own DHCP client to one on the bridge, and back. No lease is ever released, and
/// no client gets a chance to take the address away. See docs/dhcp.md.
///
/// At start: ``rest()``, then the uplink is moved, then ``raise(adopting:)``. At stop: ``lower()``, then the uplink
/// is moved back, then ``wake()``.
public actor DHCPHandover {
    /// What happens to the journal and the address as things go on.
    public struct Delegate: Sendable {
        /// Told what is to be remembered, whenever it changes.
        public var recordChanged: @Sendable (DHCPHandoverRecord) async -> Void
        /// Told of a lease whose lifetimes the client's own script does not set: dhclient's leaves an address that
        /// is there already as it is when a lease begins, and renews it only from then on.
        public var leaseBegan: @Sendable (DHCPLease) async -> Void
        public var log: @Sendable (String) -> Void

        public init(
            recordChanged: @escaping @Sendable (DHCPHandoverRecord) async -> Void,
            leaseBegan: @escaping @Sendable (DHCPLease) async -> Void,
            log: @escaping @Sendable (String) -> Void
        ) {
            self.recordChanged = recordChanged
            self.leaseBegan = leaseBegan
            self.log = log
        }
    }

    /// What is to be remembered of it: written to the journal before ``rest()``.
    public private(set) var record: DHCPHandoverRecord
    private let substitute: DHCPSubstitute
    private let uplink: String
    private let runner: ProgramRunner
    private let delegate: Delegate
    private var supervisor: Supervisor?
    private var watcher: Task<Void, Never>?
    /// How long dhclient's lease must last for it to be woken: it renews at once, and loses it otherwise.
    private static let margin: Int64 = 10

    /// Makes a hand-over of a client that runs.
    ///
    /// - Parameters:
    ///   - uplink: The interface that it works on.
    ///   - address: The address that it got, without a length.
    ///   - stateDirectory: Where udhcpc's event script may keep a file.
    /// - Throws: `unsupported` or `unsafe` where this client cannot be handed over.
    public init(
        of client: RunningDHCPClient, uplink: String, bridge: String, address: String?,
        stateDirectory: String,
        runner: ProgramRunner, delegate: Delegate
    ) throws(DrawbridgeError) {
        try client.checkHandover(from: uplink)
        self.uplink = uplink
        self.runner = runner
        self.delegate = delegate
        record = DHCPHandoverRecord(client: client, address: address, uplink: uplink, bridge: bridge)
        substitute = DHCPSubstitute(
            client: client, uplink: uplink, bridge: bridge, address: address, stateDirectory: stateDirectory,
            tag: record.tag)
        if client.command.kind == .dhclient {
            record.knownExpiry = DHCPSubstitute.lease(in: substitute.hostLeaseFile, for: uplink)?.expiry
        }
    }

    /// Takes up what an earlier daemon began.
    public init(
        resuming record: DHCPHandoverRecord, stateDirectory: String, runner: ProgramRunner, delegate: Delegate
    ) {
        self.record = record
        uplink = record.uplink
        self.runner = runner
        self.delegate = delegate
        substitute = DHCPSubstitute(
            client: record.client, uplink: record.uplink, bridge: record.bridge, address: record.address,
            stateDirectory: stateDirectory, tag: record.tag)
    }

    /// The address of the lease that a client keeps in its file; nil where it keeps none.
    static func knownLease(of client: RunningDHCPClient, on uplink: String) -> String? {
        guard client.command.kind == .dhclient else { return nil }
        let file = client.command.leaseFile ?? DHCPSubstitute.standardLeaseFile
        return DHCPSubstitute.lease(in: file, for: uplink)?.address
    }

    /// Lays the host's own client to rest (SIGSTOP): it keeps its process, its place among the services, and its
    /// lease, but can do nothing.
    ///
    /// - Throws: `script` where it cannot be stopped.
    public func rest() async throws(DrawbridgeError) {
        let client = record.client.reference
        guard client.signal(SIGSTOP) else {
            throw DrawbridgeError(.script, name, "it is gone, or cannot be stopped")
        }
        for _ in 0..<100 where !client.isStopped { try? await Task.sleep(for: .milliseconds(10)) }
        guard client.isStopped else { throw DrawbridgeError(.script, name, "it cannot be stopped") }
        record.restingSince = Self.monotonicSeconds()
        // A script that it has just started still works on the uplink.
        for _ in 0..<200 where client.hasChildren { try? await Task.sleep(for: .milliseconds(10)) }
    }

    /// Starts the client on the bridge, or takes up the one that an earlier daemon started.
    ///
    /// - Throws: `script` where it cannot be started.
    public func raise() async throws(DrawbridgeError) {
        guard supervisor == nil else { return }
        let substitute = substitute
        let adopted = record.substitute.flatMap { $0.isRunning ? $0 : nil }
        // What an adopted one works with must stay as it is.
        let hasFile =
            adopted == nil ? try substitute.prepare() : access(substitute.configurationFile, F_OK) == 0
        let delegate = delegate
        let supervisor = Supervisor(
            name: "the DHCP client on \(record.bridge)", runner: runner,
            program: { () throws(DrawbridgeError) in try substitute.program(ownConfiguration: hasFile) },
            changed: { reference in await self.substituteChanged(to: reference) },
            log: delegate.log)
        let before = lease(ofSubstitute: true)
        try await supervisor.start(adopting: adopted)
        self.supervisor = supervisor
        await substituteChanged(to: await supervisor.process)
        watchLeases(ofSubstitute: true, since: before)
    }

    /// Ends the client on the bridge without a release.
    public func lower() async {
        if let supervisor {
            await supervisor.stop()
        } else if let left = record.substitute {
            left.signal(SIGKILL)
            for _ in 0..<100 where left.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        }
        supervisor = nil
        watcher?.cancel()
        await substituteChanged(to: nil)
    }

    /// Leaves everything as it is for the next daemon, which resumes from the record.
    public func leave() async {
        await supervisor?.leave()
        supervisor = nil
        watcher?.cancel()
    }

    /// Waits until a client that was started anew has its lease, and the address its lifetime: whoever ends before
    /// that leaves it with the rest of the old one. Others need no waiting for.
    public func finish(within limit: Duration) async {
        guard let watcher else { return }
        let timer = Task {
            try? await Task.sleep(for: limit)
            watcher.cancel()
        }
        await watcher.value
        timer.cancel()
    }

    /// Lets the host's own client go on.
    ///
    /// udhcpc counts time from when it last looked, so it goes on wherever it was, and is told to renew. dhclient
    /// goes by the clock: where the lease that it knows has ended meanwhile, it would take the address away, so it
    /// is ended and started anew as it was, from the lease that was got in its place.
    ///
    /// - Throws: `script` where it cannot be started again.
    public func wake() async throws(DrawbridgeError) {
        defer { substitute.cleanUp() }
        let client = record.client
        guard client.reference.isRunning else {
            if record.isBeingRenewed == true {
                handLeaseBack()
                return try await startInstead()
            }
            // Whoever ended it while it rested, meant it.
            delegate.log("\(name) was ended while it rested; it is not started again")
            return
        }
        guard client.command.kind == .dhclient else {
            // Renewed at once: the lease may be older than it thinks. But not where it may not have had the answer to
            // the last such wish: by a second one udhcpc gives its address up and begins anew.
            let rested = Self.monotonicSeconds() - (record.restingSince ?? 0)
            if client.reference.isStopped, rested >= Self.shortRest { client.reference.signal(SIGUSR1) }
            client.reference.signal(SIGCONT)
            return
        }
        guard let expiry = record.knownExpiry, expiry - Int64(time(nil)) < Self.margin else {
            client.reference.signal(SIGCONT)
            return
        }
        try await startAnew()
    }

    /// A rest after which udhcpc knows its lease well enough, in seconds.
    private static let shortRest: Int64 = 3

    static func monotonicSeconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec)
    }

    private func startAnew() async throws(DrawbridgeError) {
        let client = record.client
        handLeaseBack()
        // Remembered before it is done: a daemon that ends in between has left the host without a client.
        record.isBeingRenewed = true
        await delegate.recordChanged(record)
        client.reference.signal(SIGKILL)
        for _ in 0..<200 where client.reference.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        // It may have had a supervisor of its own, which starts it again by itself.
        try? await Task.sleep(for: .milliseconds(300))
        try await startInstead()
    }

    /// Starts the host's own client as it was, unless somebody has done so already.
    private func startInstead() async throws(DrawbridgeError) {
        let client = record.client
        let before = lease(ofSubstitute: false)
        guard RunningDHCPClient.all(on: uplink, inNamespaceOf: "/proc/\(runner.thread)").isEmpty else {
            return watchLeases(ofSubstitute: false, since: before)
        }
        // A number in its file that is not used any more, or soon by another, would keep it from starting.
        let file = client.command.pidFile ?? "/run/dhclient.pid"
        if let bytes = SmallFile.read(file, limit: 64),
            Int32(String(decoding: bytes, as: UTF8.self).filter(\.isNumber)) == client.reference.process
        {
            unlink(file)
        }
        if let launcher = ClientLauncher.configured {
            let result = try await runner.run(
                ClientLauncher.program(launcher, restarting: client, on: uplink))
            guard result.succeeded else {
                throw DrawbridgeError(.script, name, "it cannot be started again: \(result.lastLine)")
            }
            return watchLeases(ofSubstitute: false, since: before)
        }
        var program = Program(
            .path(client.executable), arguments: client.command.arguments, environment: client.environment)
        var status = stat()
        program.directory = stat(client.directory, &status) == 0 ? client.directory : "/"
        program.standardFiles = .files(client.standardFiles)
        program.outlivesRunner = true
        let started = try await runner.start(program)
        joinGroup(started.reference)
        watchLeases(ofSubstitute: false, since: before)
    }

    /// Puts it where the host's own was, so that it belongs to the same service: else it would end with the daemon.
    private func joinGroup(_ reference: ProcessReference) {
        guard let path = record.client.cgroup, path != "/", !path.contains("..") else { return }
        for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        where access("\(root)/cgroup.procs", F_OK) == 0 {
            // A service without a process may have lost its group.
            mkdir(root + path, 0o755)
            guard let file = OwnedDescriptor(open("\(root)\(path)/cgroup.procs", O_WRONLY | O_CLOEXEC)),
                SmallFile.append(Array("\(reference.process)\n".utf8), to: file.number)
            else {
                delegate.log("\(name): it could not be put back into \(path): \(systemText(errno))")
                return
            }
            return
        }
    }

    /// Adds the lease that was got on the bridge to the host's own, under the uplink's name.
    private func handLeaseBack() {
        guard let lease = DHCPSubstitute.lease(in: substitute.leaseFile, for: record.bridge) else { return }
        guard let file = OwnedDescriptor(open(substitute.hostLeaseFile, O_WRONLY | O_APPEND | O_CLOEXEC))
        else {
            return delegate.log("\(substitute.hostLeaseFile) cannot be written: \(systemText(errno))")
        }
        let text = DHCPLeaseFile.renamed(lease.text, from: record.bridge, to: uplink)
        if !SmallFile.append(Array(text.utf8), to: file.number) {
            delegate.log("\(substitute.hostLeaseFile) cannot be written: \(systemText(errno))")
        }
    }

    private func lease(ofSubstitute: Bool) -> DHCPLeaseFile.Lease? {
        guard record.client.command.kind == .dhclient else { return nil }
        return ofSubstitute
            ? DHCPSubstitute.lease(in: substitute.leaseFile, for: record.bridge)
            : DHCPSubstitute.lease(in: substitute.hostLeaseFile, for: uplink)
    }

    /// Tells of every lease that begins on the bridge while the client there runs, or of the first one that the
    /// host's own gets again.
    private func watchLeases(ofSubstitute: Bool, since before: DHCPLeaseFile.Lease?) {
        watcher?.cancel()
        guard record.client.command.kind == .dhclient else { return }
        let interface = ofSubstitute ? record.bridge : uplink
        watcher = Task {
            var known = before
            // A server that does not answer the host's own within a minute is no longer our concern.
            var rounds = 0
            while ofSubstitute || rounds < 240 {
                rounds += 1
                if let lease = self.lease(ofSubstitute: ofSubstitute), lease != known {
                    known = lease
                    let remaining = lease.expiry.map { UInt32(clamping: $0 - Int64(time(nil))) }
                    await self.delegate.leaseBegan(
                        DHCPLease(interface: interface, address: lease.address, remaining: remaining))
                    if !ofSubstitute { return }
                }
                do { try await Task.sleep(for: .milliseconds(250)) } catch { return }
            }
        }
    }

    private func substituteChanged(to reference: ProcessReference?) async {
        guard record.substitute != reference else { return }
        record.substitute = reference
        await delegate.recordChanged(record)
    }

    private var name: String {
        "\(uplink): \(record.client.command.kind.rawValue) (process \(record.client.reference.process))"
    }
}
