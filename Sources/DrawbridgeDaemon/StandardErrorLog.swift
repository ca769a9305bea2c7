import Glibc
public import Logging

/// Writes log lines to standard error: for a person with time and level, for the journal with its priority
/// prefix (sd-daemon(3)).
public struct StandardErrorLog: LogHandler {
    public var logLevel: Logger.Level = .info
    public var metadata: Logger.Metadata = [:]
    private let isJournal: Bool

    /// Makes a handler; whether the journal reads is found out once.
    public init() { isJournal = Self.isStandardErrorTheJournal() }

    /// A logger that writes here.
    public static func logger(_ label: String) -> Logger { Logger(label: label) { _ in StandardErrorLog() } }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let metadata = self.metadata.merging(event.metadata ?? [:]) { $1 }
        let details = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let text = "\(event.message)\(details)"
        let line = String(text.map { $0.isNewline ? " " : $0 })
        let octets = Array((prefix(event.level) + line + "\n").utf8)
        _ = write(STDERR_FILENO, octets, octets.count)
    }

    private func prefix(_ level: Logger.Level) -> String {
        if isJournal { return "<\(Self.priority(level))>" }
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec]
            .map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
        return "\(clock) \(level.rawValue) "
    }

    /// The priorities of syslog(3).
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    /// JOURNAL_STREAM names device and inode of the stream, so that a redirection is noticed (systemd.exec(5)).
    private static func isStandardErrorTheJournal() -> Bool {
        guard let value = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: value) == "\(status.st_dev):\(status.st_ino)"
    }
}
