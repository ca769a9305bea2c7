import Glibc
import LinuxHeaders
import Varlink

/// The signals by which the daemon is managed.
public enum ManagementSignal: Hashable, Sendable {
    /// SIGTERM and SIGINT: end orderly.
    case stop
    /// SIGHUP: read the configuration again.
    case reload

    /// Blocks the signals for this thread and all that it starts, so that only `stream` sees them. To be called
    /// before there is any other thread.
    public static func block() {
        var set = Self.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A client that goes away is told by EPIPE.
        signal(SIGPIPE, SIG_IGN)
    }

    /// The signals as they come, read by a thread of its own (signalfd(2)).
    static func stream() throws(SocketError) -> AsyncStream<ManagementSignal> {
        var set = Self.set
        let raw = signalfd(-1, &set, Int32(SFD_CLOEXEC))
        guard raw >= 0 else { throw SocketError("signalfd", code: errno) }
        let (stream, continuation) = AsyncStream.makeStream(of: ManagementSignal.self)
        try startThread(named: "signals") {
            let descriptor = OwnedDescriptor(taking: raw)
            var info = signalfd_siginfo()
            while read(descriptor.rawValue, &info, MemoryLayout<signalfd_siginfo>.size) > 0 || errno == EINTR
            {
                continuation.yield(Int32(info.ssi_signo) == SIGHUP ? .reload : .stop)
            }
            continuation.finish()
        }
        return stream
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        return set
    }
}
