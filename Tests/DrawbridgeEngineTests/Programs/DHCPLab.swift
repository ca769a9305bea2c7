import Glibc
import LinuxHeaders
import Synchronization

@testable import DrawbridgeEngine

/// A host with `eth0` and a router with a DHCP server, each in a network namespace of its own.
final class DHCPLab: Sendable {
    static let numbers = Atomic<Int>(0)
    let host: String
    let router: String
    let bridge: String
    let directory: TestDirectory
    /// Starts programs where the test stands, and in the host.
    let outside: ProgramRunner
    let inside: ProgramRunner
    /// What the server said, and which addresses came and went on the host.
    let server = Lines()
    let addresses = Lines()
    private let helpers = Mutex<[RunningProgram]>([])

    /// - Parameter lease: in seconds.
    private init(lease: Int) async throws {
        let number = Self.numbers.wrappingAdd(1, ordering: .relaxed).newValue
        host = "dbh\(getpid())-\(number)"
        router = "dbr\(getpid())-\(number)"
        bridge = "xb\(getpid())-\(number)"
        directory = try TestDirectory()
        outside = try ProgramRunner()
        let outside = outside
        func run(_ line: String) async throws {
            let program = Program(
                .path("/usr/sbin/ip"), arguments: ["ip"] + line.split(separator: " ").map(String.init))
            let result = try await outside.run(program)
            guard result.succeeded else {
                throw TestDirectory.Failure(what: "ip \(line): \(result.lastLine)")
            }
        }
        try await run("netns add \(host)")
        try await run("netns add \(router)")
        inside = try Self.runner(in: host)
        try await run("link add eth0 netns \(host) type veth peer name up0 netns \(router)")
        try await run("-n \(router) addr add 192.0.2.1/24 dev up0")
        for line in ["\(router) link set up0 up", "\(host) link set lo up", "\(host) link set eth0 up"] {
            try await run("-n \(line)")
        }
        directory.write(
            "udhcpd.conf",
            """
            start 192.0.2.100
            end 192.0.2.200
            interface up0
            lease_file \(directory.path)/leases
            pidfile \(directory.path)/udhcpd.pid
            min_lease 5
            option subnet 255.255.255.0
            option router 192.0.2.1
            option lease \(lease)

            """)
        directory.write("leases", "")
        let server = server
        let addresses = addresses
        var daemon = Program(
            .path("/usr/sbin/ip"),
            arguments: [
                "ip", "netns", "exec", router, "busybox", "udhcpd", "-f", "\(directory.path)/udhcpd.conf",
            ],
            environment: ["PATH=\(CustomScript.searchPath)"])
        daemon.log = { server.append($0) }
        var monitor = Program(
            .path("/usr/sbin/ip"), arguments: ["ip", "-n", host, "-4", "-o", "monitor", "address"])
        monitor.log = { addresses.append($0) }
        let started = [try await outside.start(daemon), try await outside.start(monitor)]
        helpers.withLock { $0 = started }
    }

    /// Makes a lab, lends it, and removes it whatever happens.
    static func with(lease: Int, _ body: (DHCPLab) async throws -> Void) async throws {
        let lab = try await DHCPLab(lease: lease)
        do {
            try await body(lab)
        } catch {
            await lab.tearDown()
            throw error
        }
        await lab.tearDown()
    }

    private func tearDown() async {
        for helper in helpers.withLock({ $0 }) { helper.reference.signal(SIGKILL) }
        // Whatever still runs in the namespaces ends with the test.
        for name in [host, router] {
            let text =
                "rm -f /var/lib/dhcp/dhclient.drawbridge-\(bridge)-*; for p in $(ip netns pids \(name)); do kill -9 $p; done; ip netns del \(name)"
            _ = try? await outside.run(
                Program(
                    .path("/bin/sh"), arguments: ["sh", "-c", text],
                    environment: ["PATH=\(CustomScript.searchPath)"]))
        }
    }

    /// A runner whose programs start in a namespace.
    private static func runner(in name: String) throws -> ProgramRunner {
        final class Box: Sendable {
            let name: String
            let result = Mutex<Result<ProgramRunner, any Error>?>(nil)
            init(_ name: String) { self.name = name }
        }
        let box = Box(name)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
                let namespace = open("/run/netns/\(box.name)", O_RDONLY | O_CLOEXEC)
                let status = setns(namespace, Int32(LINUX_CLONE_NEWNET))
                close(namespace)
                let result = Result {
                    guard status == 0 else { throw TestDirectory.Failure(what: "setns") }
                    return try ProgramRunner()
                }
                box.result.withLock { $0 = result }
                return nil
            }, Unmanaged.passRetained(box).toOpaque())
        pthread_join(thread, nil)
        guard let result = box.result.withLock({ $0 }) else { throw TestDirectory.Failure(what: "thread") }
        return try result.get()
    }

    /// Runs lines of a shell in the host; what it prints, a line each.
    @discardableResult
    func inHost(_ text: String) async throws -> [String] {
        let lines = Lines()
        var program = Program(
            .path("/bin/sh"), arguments: ["sh", "-ec", text], environment: ["PATH=\(CustomScript.searchPath)"]
        )
        program.log = { lines.append($0) }
        let result = try await inside.run(program)
        guard result.succeeded else { throw TestDirectory.Failure(what: "\(text): \(lines.all)") }
        return lines.all
    }

    /// How often the server confirmed a lease.
    var confirmations: Int { server.all.filter { $0.contains("sending ACK") }.count }

    /// Waits until something holds; false where it does not come to hold.
    func wait(_ seconds: Int = 60, for condition: () async throws -> Bool) async throws -> Bool {
        for _ in 0..<(seconds * 10) {
            if try await condition() { return true }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    /// The address that a device has by DHCP, with its length.
    func leased(on device: String) async throws -> String? {
        try await inHost("ip -4 -o addr show dev \(device) to 192.0.2.0/24 | awk '{print $4}'").first
    }

    /// Moves everything from `eth0` to the bridge, as start does; then back, as stop does.
    func moveToBridge() async throws {
        try await inHost(
            """
            ip link add \(bridge) type bridge forward_delay 0
            ip link set \(bridge) address $(ip -o link show eth0 | sed 's/.*ether \\([^ ]*\\).*/\\1/')
            ip link set \(bridge) up
            \(Self.move(from: "eth0", to: bridge))
            ip link set eth0 master \(bridge)
            ip route replace default via 192.0.2.1 dev \(bridge)
            ip route replace 203.0.113.0/24 via 192.0.2.1 dev \(bridge)
            ip -4 addr flush dev eth0
            """)
    }

    func moveBack() async throws {
        try await inHost(
            """
            ip link set eth0 nomaster
            \(Self.move(from: bridge, to: "eth0"))
            ip route replace default via 192.0.2.1 dev eth0
            ip route replace 203.0.113.0/24 via 192.0.2.1 dev eth0
            ip link del \(bridge)
            """)
    }

    private static func move(from old: String, to new: String) -> String {
        """
        ip -4 -o addr show dev \(old) | while read -r n d f a rest; do
            brd= lft=
            case "$rest" in *brd*) brd="brd $(echo "$rest" | sed 's/.*brd \\([^ ]*\\).*/\\1/')";; esac
            v=$(echo "$rest" | sed -n 's/.*valid_lft \\([0-9]*\\)sec.*/\\1/p')
            [ -z "$v" ] || lft="valid_lft $v preferred_lft $v"
            ip -4 addr add $a $brd dev \(new) $lft
        done
        """
    }
}
