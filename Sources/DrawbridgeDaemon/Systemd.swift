import Glibc
import LinuxHeaders
import Varlink

/// What the service manager is told and hands over, by its documented environment (sd_notify(3),
/// sd_listen_fds(3)).
struct Systemd: Sendable {
    private let notifySocket: String?

    init(environment: [String: String]) { notifySocket = environment["NOTIFY_SOCKET"] }

    /// Everything that the configuration asks for is there.
    func tellReady(_ status: String) { notify("READY=1\nSTATUS=\(status)") }

    /// The orderly end has begun.
    func tellStopping(_ status: String) { notify("STOPPING=1\nSTATUS=\(status)") }

    /// The configuration is read again; to be followed by ready.
    func tellReloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let microseconds = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        notify("RELOADING=1\nMONOTONIC_USEC=\(microseconds)")
    }

    private func notify(_ message: String) {
        guard let notifySocket, let socket = try? UnixSocket.connect(to: notifySocket, .datagram) else {
            return
        }
        try? Packet.send(Array(message.utf8), to: socket)
    }

    /// The listening sockets that were handed over, by their type.
    struct Sockets: ~Copyable {
        var stream: OwnedDescriptor?
        var sequencedPacket: OwnedDescriptor?
    }

    /// Takes the sockets over. Called once, before anything is opened; the variables are gone afterwards.
    static func takeSockets(environment: [String: String]) -> Sockets {
        var sockets = Sockets()
        defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) } }
        guard environment["LISTEN_PID"] == String(getpid()),
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), (1...64).contains(count)
        else { return sockets }
        // SD_LISTEN_FDS_START is 3.
        for raw in 3..<(3 + count) {
            let descriptor = OwnedDescriptor(taking: raw)
            _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
            _ = fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK)
            let type = option(raw, SO_TYPE)
            if type == Int32(SOCK_STREAM.rawValue) {
                sockets.stream = consume descriptor
            } else if type == Int32(SOCK_SEQPACKET.rawValue) {
                sockets.sequencedPacket = consume descriptor
            }
        }
        return sockets
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(4)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}
