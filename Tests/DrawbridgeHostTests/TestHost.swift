import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import TestSupport
import Testing

/// A host in a network namespace of its own, with a router's end of its wire in another.
final class TestHost: Sendable {
    let namespace: Int32
    let router: Int32
    let host: Host

    /// `eth0` in the host, `router0` beyond the wire, both up.
    init() throws {
        namespace = try makeNamespace()
        router = try makeNamespace()
        host = try Host(namespace: namespace)
        try on(namespace, "ip link add eth0 address 02:00:00:00:00:01 type veth peer name router0")
        let target = "/proc/\(getpid())/fd/\(router)"
        try on(namespace, "ip link set router0 netns \(target)")
        try on(namespace, "ip link set eth0 up")
        try on(router, "ip link set router0 up && ip addr add 192.0.2.1/24 dev router0")
    }

    deinit {
        close(namespace)
        close(router)
    }
}

/// Runs a line of shell in a namespace and returns what it printed, without the last newline.
@discardableResult
func on(_ namespace: Int32, _ line: String) throws -> String {
    let text = try inNamespace(namespace) { try run("sh", "-c", line) }
    return String(text.hasSuffix("\n") ? text.dropLast() : text[...])
}

/// What `ip` and `sysctl` say of the host's configuration, what is counted and what passes masked.
func dump(_ namespace: Int32) throws -> [String] {
    let mask =
        "walk(if type == \"object\" then del(.stats64, .stats, .valid_life_time, .preferred_life_time, .used, "
        + ".updated, .confirmed, .refcnt, .hello_timer, .gc_timer, .expires, .cacheinfo, .ifindex, .linkinfo) else . end)"
    return try [
        "ip -d -j link show eth0", "ip -d -j addr show eth0", "ip -d -j route show table all",
        "ip -d -j -6 route show table all", "ip -d -j rule", "ip -d -j nexthop",
    ].map { try $0 + ": " + on(namespace, "\($0) | jq -S -c '\(mask)'") }
        + [on(namespace, "sysctl -a 2>/dev/null | grep -E '^net.ipv[46].(conf|neigh).eth0'")]
        + [on(namespace, "ip neigh show nud permanent; ip neigh show proxy")]
}

let theNetwork = NetworkName("xenbr0").map { name in
    Network(name: name, uplink: LinkName("eth0").map { .named($0) } ?? .none)
}

extension HostAccess {
    mutating func observe(_ network: Network) throws(DrawbridgeError) -> Observation {
        guard let name = LinkName("eth0") else { throw DrawbridgeError(.internal, "eth0", "no name") }
        return try observe(.network(network, uplink: .name(name)))
    }

    /// Plans towards a state and applies the plan.
    mutating func reach(
        _ desired: HostState, of network: BridgeNetwork, from observation: Observation
    ) throws(DrawbridgeError) -> Applied {
        do throws(PlanningError) {
            let plan = try difference(from: observation.state.slice(of: network.scope), to: desired)
            return apply(plan, bindings: observation.bindings)
        } catch { throw error.drawbridgeError }
    }
}

/// A program that runs beside the test, in the namespace the thread is in when it is started.
final class Listener: Sendable {
    private let stream: Int32
    private let process: pid_t

    init(_ line: String) throws {
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else { throw TestFailure("socketpair: errno \(errno)") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        let arguments: [String] = ["sh", "-c", "exec " + line]
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        // Threads of the tests have every signal blocked, and what they start would never be ended by one.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var started: pid_t = 0
        let status = posix_spawnp(&started, "sh", &actions, &attributes, &words, environ)
        close(ends[1])
        guard status == 0 else { throw TestFailure("sh: cannot be run: errno \(status)") }
        stream = ends[0]
        process = started
    }

    var identifier: Int32 { process }

    /// All that it prints until it ends by itself.
    func text() -> String {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(stream, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            output += chunk[..<count]
        }
        return String(decoding: output, as: UTF8.self)
    }

    deinit {
        kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        close(stream)
    }
}

/// Tries until a condition holds, for at most ten seconds.
func eventually(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<100 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("it did not come to be")
}
