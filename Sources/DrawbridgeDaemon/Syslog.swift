import Glibc
import Varlink

/// The system's log, as Xen's scripts wrote to it with logger(1): facility daemon, the script's path as the tag.
///
/// Sent by hand, since syslog(3) has one tag for the whole process. A log that cannot be written stops nothing.
final class Syslog: Sendable {
    /// How much a line matters (RFC 5424 §6.2.1).
    enum Severity: Int, Sendable {
        case error = 3
        case notice = 5
        case debug = 7
    }

    /// LOG_DAEMON.
    private static let facility = 3
    private let path: String

    /// - Parameter path: the log's socket.
    init(path: String = "/dev/log") { self.path = path }

    /// Sends one line.
    func send(_ severity: Severity, tag: String, _ message: String) {
        guard let socket = try? UnixSocket.connect(to: path, .datagram) else { return }
        var line = "<\(Self.facility << 3 | severity.rawValue)>\(Self.timestamp()) \(tag)[\(getpid())]: "
        line.unicodeScalars.append(
            contentsOf: message.unicodeScalars.lazy.map { $0.value < 32 || $0.value == 127 ? " " : $0 })
        try? Packet.send(Array(line.utf8.prefix(8192)), to: socket)
    }

    /// `Nov 23 04:05:06`, the local time without a year (RFC 3164 §4.1.2).
    private static func timestamp() -> String {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        func pad(_ number: Int32, _ character: String = "0") -> String {
            number < 10 ? "\(character)\(number)" : "\(number)"
        }
        let month = months[Int(max(0, min(11, parts.tm_mon)))]
        return "\(month) \(pad(parts.tm_mday, " ")) "
            + "\(pad(parts.tm_hour)):\(pad(parts.tm_min)):\(pad(parts.tm_sec))"
    }
}
