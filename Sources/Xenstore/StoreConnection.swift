import Glibc
import LinuxHeaders
import Synchronization

/// A connection on which any number of requests may be under way, and watches.
///
/// One thread of its own reads and writes. When the store cuts the connection, does not answer in time or says what
/// is not the protocol, everything under way fails, every watch ends with the error, and so does whatever is asked
/// later: who wants to go on connects anew.
public final class StoreConnection: StoreAccess, Sendable {
    private let shared: StoreTraffic

    /// Connects.
    ///
    /// - Parameter seconds: how long each answer may take.
    public init(to location: StoreLocation, seconds: Int = 10) throws(StoreError) {
        shared = try StoreTraffic(to: location, seconds: seconds)
        try shared.start()
    }

    deinit { shared.fail(.disconnected) }

    /// Cuts the connection; what is under way fails.
    public func close() { shared.fail(.disconnected) }

    /// Why the connection is of no use any more; nil while it is.
    public var failure: StoreError? { shared.failure }

    public func perform(_ request: StoreRequest) async throws(StoreError) -> [UInt8] {
        try await shared.perform(request, transaction: 0)
    }

    /// Begins to watch an entry and everything below it, or `@introduceDomain` and `@releaseDomain`.
    ///
    /// The store tells once at the beginning, whether the entry is there or not.
    public func watch(_ path: String) async throws(StoreError) -> StoreWatch {
        let token = shared.newToken()
        let watch = StoreWatch(path: path) { [weak shared] in shared?.endWatch(path, token) }
        shared.add(watch.events, token)
        do throws(StoreError) {
            _ = try await shared.perform(.watch(path, token: token), transaction: 0)
        } catch {
            shared.remove(token)
            throw error
        }
        return watch
    }

    /// Does several things as one: others see all of it or nothing, and what is read does not change meanwhile.
    ///
    /// - Parameters:
    ///   - attempts: how often it is tried while others are in the way (EAGAIN).
    ///   - body: may run several times; what it throws undoes the transaction.
    public func transaction<Value>(
        attempts: Int = 100,
        _ body: (StoreTransaction) async throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        for _ in 0..<attempts {
            let number = try StoreReply.transaction(try await perform(.startTransaction))
            do throws(StoreError) {
                let value = try await body(StoreTransaction(number: number, shared: shared))
                _ = try await shared.perform(.endTransaction(commit: true), transaction: number)
                return value
            } catch {
                if error.code == "EAGAIN" {
                    // Said within the body, it leaves the transaction open; said at the end, it does not.
                    _ = try? await shared.perform(.endTransaction(commit: false), transaction: number)
                    continue
                }
                _ = try? await shared.perform(.endTransaction(commit: false), transaction: number)
                throw error
            }
        }
        throw .contended(attempts: attempts)
    }
}

/// What is asked within one transaction.
public struct StoreTransaction: StoreAccess, Sendable {
    /// The store's number for it.
    public let number: UInt32
    fileprivate let shared: StoreTraffic

    public func perform(_ request: StoreRequest) async throws(StoreError) -> [UInt8] {
        try await shared.perform(request, transaction: number)
    }
}

/// The thread of a connection and what it shares with those who ask.
private final class StoreTraffic: Sendable {
    private struct Waiting {
        var request: StoreRequest
        var deadline: Int
        var answer: CheckedContinuation<Result<[UInt8], StoreError>, Never>
    }

    private struct State {
        var outgoing: [UInt8] = []
        var waiting: [UInt32: Waiting] = [:]
        var watches: [String: StoreWatch.Events] = [:]
        var nextRequest: UInt32 = 1
        var nextToken = 1
        var failure: StoreError?
    }

    private let descriptor: StoreDescriptor
    private let wakeUp: StoreDescriptor
    private let limit: Int
    private let state = Mutex(State())

    init(to location: StoreLocation, seconds: Int) throws(StoreError) {
        descriptor = try location.open()
        guard let event = StoreDescriptor(eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))) else {
            throw .unreachable(place: location.path, cause: String(cString: strerror(errno)))
        }
        wakeUp = event
        limit = seconds
    }

    func start() throws(StoreError) {
        let body = Unmanaged.passRetained(self)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<StoreTraffic>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard code == 0 else {
            body.release()
            throw .unreachable(place: "thread", cause: String(cString: strerror(code)))
        }
    }

    var failure: StoreError? { state.withLock { $0.failure } }

    func newToken() -> String {
        state.withLock { state in
            state.nextToken += 1
            return "drawbridge-\(state.nextToken)"
        }
    }

    func add(_ events: StoreWatch.Events, _ token: String) {
        let failure = state.withLock { state in
            if state.failure == nil { state.watches[token] = events }
            return state.failure
        }
        if let failure { events.end(failure) }
    }

    func remove(_ token: String) { state.withLock { $0.watches[token] = nil } }

    func endWatch(_ path: String, _ token: String) {
        remove(token)
        // Nobody waits for this answer: it is passed over when it comes.
        send { number in
            try? StoreRequest.unwatch(path, token: token).message(request: number, transaction: 0)
        }
    }

    private func send(_ make: (UInt32) -> StoreMessage?) {
        state.withLock { state in
            guard state.failure == nil else { return }
            let number = state.nextRequest
            state.nextRequest = number &+ 1
            if let message = make(number) { state.outgoing += message.octets }
        }
        wake()
    }

    func perform(_ request: StoreRequest, transaction: UInt32) async throws(StoreError) -> [UInt8] {
        // Checked before, so that what cannot be said is told at once.
        _ = try request.message(request: 0, transaction: transaction)
        let deadline = StoreSession.now() + limit * 1000
        let result: Result<[UInt8], StoreError> = await withCheckedContinuation { continuation in
            let failure = state.withLock { state -> StoreError? in
                if let failure = state.failure { return failure }
                let number = state.nextRequest
                state.nextRequest = number &+ 1
                do throws(StoreError) {
                    state.outgoing += try request.message(request: number, transaction: transaction).octets
                } catch { return error }
                state.waiting[number] = Waiting(
                    request: request, deadline: deadline, answer: continuation)
                return nil
            }
            if let failure { continuation.resume(returning: .failure(failure)) } else { wake() }
        }
        return try result.get()
    }

    /// Gives everything up that is under way.
    func fail(_ error: StoreError) {
        let (waiting, watches) = state.withLock { state in
            guard state.failure == nil else { return ([Waiting](), [StoreWatch.Events]()) }
            state.failure = error
            defer {
                state.waiting = [:]
                state.watches = [:]
                state.outgoing = []
            }
            return (Array(state.waiting.values), Array(state.watches.values))
        }
        for one in waiting { one.answer.resume(returning: .failure(error)) }
        for events in watches { events.end(error) }
        wake()
    }

    private func wake() {
        var one: UInt64 = 1
        _ = Glibc.write(wakeUp.number, &one, 8)
    }

    private func run() {
        var parser = StoreMessageParser()
        do throws(StoreError) {
            while failure == nil {
                let isBlocked = try writeAll()
                try wait(forRoom: isBlocked)
                while let octets = try descriptor.read() {
                    guard !octets.isEmpty else { throw .disconnected }
                    parser.append(octets)
                    while let message = try parser.next() { handle(message) }
                }
            }
        } catch {
            fail(error)
        }
    }

    /// Waits for the store, for somebody who asks, or for the first deadline.
    private func wait(forRoom: Bool) throws(StoreError) {
        let deadline = state.withLock { state in state.waiting.values.map(\.deadline).min() }
        let left = deadline.map { max(0, $0 - StoreSession.now()) }
        var entries = [
            pollfd(
                fd: descriptor.number, events: Int16(forRoom ? POLLIN | POLLOUT : POLLIN), revents: 0),
            pollfd(fd: wakeUp.number, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&entries, 2, left.map { Int32(clamping: $0 + 1) } ?? -1)
        var count: UInt64 = 0
        _ = Glibc.read(wakeUp.number, &count, 8)
        if let deadline, entries[0].revents == 0, StoreSession.now() > deadline {
            let isOverdue = state.withLock { state in
                state.waiting.values.contains { StoreSession.now() > $0.deadline }
            }
            if isOverdue { throw .timeout(seconds: limit) }
        }
    }

    /// Writes what is to be said; true if there is no room for the rest.
    private func writeAll() throws(StoreError) -> Bool {
        while true {
            let octets = state.withLock { state in
                defer { state.outgoing = [] }
                return state.outgoing
            }
            guard !octets.isEmpty else { return false }
            let count = try descriptor.write(octets[...])
            guard count < octets.count else { continue }
            state.withLock { $0.outgoing = Array(octets[count...]) + $0.outgoing }
            if count == 0 { return true }
        }
    }

    private func handle(_ message: StoreMessage) {
        if message.kind == StoreMessage.Kind.watchEvent.rawValue {
            let texts = StoreReply.texts(message.payload)
            guard texts.count >= 2 else { return }
            state.withLock { $0.watches[texts[1]] }?.add(texts[0])
            return
        }
        guard let waiting = state.withLock({ $0.waiting.removeValue(forKey: message.request) }) else {
            return
        }
        let result: Result<[UInt8], StoreError>
        do throws(StoreError) {
            result = .success(try StoreReply.payload(of: message, to: waiting.request))
        } catch { result = .failure(error) }
        waiting.answer.resume(returning: result)
    }
}
