import Glibc
import Logging

/// The event log: what happened lately, for those who ask, and what happens from now on, for those who listen.
struct EventLog {
    private var records: [EventRecord] = []
    private var next: UInt64 = 1
    private var listeners: [UInt64: AsyncStream<EventRecord>.Continuation] = [:]
    private let logger: Logger

    /// How many past events are kept for late listeners.
    static let kept = 1024
    /// How far a listener may fall behind before it loses the oldest.
    static let backlog = 4096

    init(logger: Logger) { self.logger = logger }

    /// Writes an event down and tells it to everyone who listens.
    mutating func add(_ event: String, _ object: String, _ detail: String = "", error: String? = nil) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let record = EventRecord(
            sequence: next, time: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec), event: event,
            object: object, detail: detail, error: error)
        next += 1
        records.append(record)
        // Many at once: each would move all that stays.
        if records.count >= 2 * Self.kept { records.removeFirst(records.count - Self.kept) }
        if let error {
            logger.error("\(event) \(object): \(error)")
        } else {
            logger.info("\(event) \(object)\(detail.isEmpty ? "" : ": \(detail)")")
        }
        for (id, listener) in listeners {
            if case .terminated = listener.yield(record) { listeners[id] = nil }
        }
    }

    /// A stream of what is to come, preceded by what is kept from after `sequence`.
    mutating func listen(since sequence: UInt64?) -> AsyncStream<EventRecord> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: EventRecord.self, bufferingPolicy: .bufferingNewest(Self.backlog))
        if let sequence {
            for record in records.suffix(Self.kept) where record.sequence > sequence { continuation.yield(record) }
        }
        listeners[next] = continuation
        next += 1
        return stream
    }

    /// Ends every stream.
    mutating func close() {
        for listener in listeners.values { listener.finish() }
        listeners = [:]
    }
}
