import Glibc

/// A connection that waits for each answer before it goes on: for programs that have nothing else to do.
public struct StoreSession: ~Copyable {
    private let descriptor: StoreDescriptor
    private let limit: Int
    private var parser = StoreMessageParser()
    private var nextRequest: UInt32 = 1

    /// Connects.
    ///
    /// - Parameter seconds: how long each answer may take.
    public init(to location: StoreLocation, seconds: Int = 10) throws(StoreError) {
        descriptor = try location.open()
        limit = seconds
    }

    /// Asks and waits for the answer; events of watches are passed over.
    public mutating func perform(
        _ request: StoreRequest, transaction: UInt32 = 0
    ) throws(StoreError) -> [UInt8] {
        let number = nextRequest
        nextRequest += 1
        let deadline = Self.now() + limit * 1000
        var rest = try request.message(request: number, transaction: transaction).octets[...]
        while !rest.isEmpty {
            let count = try descriptor.write(rest)
            rest = rest.dropFirst(count)
            if count == 0 { try wait(for: POLLOUT, until: deadline) }
        }
        while true {
            while let message = try parser.next() {
                guard message.request == number, message.kind != StoreMessage.Kind.watchEvent.rawValue else {
                    continue
                }
                return try StoreReply.payload(of: message, to: request)
            }
            guard let octets = try descriptor.read() else {
                try wait(for: POLLIN, until: deadline)
                continue
            }
            guard !octets.isEmpty else { throw .disconnected }
            parser.append(octets)
        }
    }

    /// The value of an entry as text; nil if there is none.
    public mutating func readIfPresent(_ path: String) throws(StoreError) -> String? {
        do throws(StoreError) {
            return String(decoding: try perform(.read(path)), as: UTF8.self)
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }

    /// Writes texts, in this order and all of them or none.
    ///
    /// - Parameter condition: an entry without which nothing is written.
    /// - Returns: whether they were written.
    public mutating func write(
        _ values: [(path: String, value: String)], where condition: String
    ) throws(StoreError) -> Bool {
        let attempts = 100
        for _ in 0..<attempts {
            let transaction = try StoreReply.transaction(try perform(.startTransaction))
            do throws(StoreError) {
                _ = try perform(.read(condition), transaction: transaction)
                for (path, value) in values {
                    _ = try perform(.write(path, Array(value.utf8)), transaction: transaction)
                }
                _ = try perform(.endTransaction(commit: true), transaction: transaction)
                return true
            } catch {
                if error.code == "EAGAIN" { continue }
                _ = try? perform(.endTransaction(commit: false), transaction: transaction)
                guard error.isMissing else { throw error }
                return false
            }
        }
        throw .contended(attempts: attempts)
    }

    private func wait(for events: Int32, until deadline: Int) throws(StoreError) {
        let left = deadline - Self.now()
        var entry = pollfd(fd: descriptor.number, events: Int16(events), revents: 0)
        guard left > 0, poll(&entry, 1, Int32(clamping: left)) != 0 else { throw .timeout(seconds: limit) }
    }

    /// Milliseconds on a clock that only goes forward.
    static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
