import Synchronization

/// What a watch tells: the path of each entry that changed.
///
/// Several changes of one entry that nobody has asked for yet are told once: what it is now has to be read anyhow. It
/// ends with an error when the connection does, and is given up when nobody holds it any more. For one reader.
public final class StoreWatch: AsyncSequence, Sendable {
    public typealias Element = String
    public typealias Failure = StoreError

    /// What is watched.
    public let path: String
    let events = Events()
    private let onEnd: @Sendable () -> Void

    init(path: String, onEnd: @escaping @Sendable () -> Void) {
        self.path = path
        self.onEnd = onEnd
    }

    deinit { onEnd() }

    public func makeAsyncIterator() -> Iterator { Iterator(watch: self) }

    /// Waits for the next change.
    public struct Iterator: AsyncIteratorProtocol {
        let watch: StoreWatch

        /// The next path; nil once the task is cancelled.
        public mutating func next() async throws(StoreError) -> String? {
            while true {
                if let path = watch.events.take() { return path }
                if let failure = watch.events.failure { throw failure }
                guard await watch.events.wait() else { return nil }
            }
        }

        /// As ``next()``.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(StoreError) -> String? {
            try await next()
        }
    }

    /// What was told and not asked for yet.
    final class Events: Sendable {
        private struct State {
            var paths: [String] = []
            var known: Set<String> = []
            var failure: StoreError?
            var isCancelled = false
            var waiter: CheckedContinuation<Void, Never>?
        }

        private let state = Mutex(State())

        func add(_ path: String) {
            change { state in
                if state.known.insert(path).inserted { state.paths.append(path) }
            }
        }

        func take() -> String? {
            state.withLock { state in
                guard !state.paths.isEmpty else { return nil }
                let path = state.paths.removeFirst()
                state.known.remove(path)
                return path
            }
        }

        var failure: StoreError? { state.withLock { $0.failure } }

        func end(_ error: StoreError) { change { $0.failure = error } }

        /// Waits until there is something to take; false once the task is cancelled.
        func wait() async -> Bool {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isDue = state.withLock { state in
                        guard state.paths.isEmpty, state.failure == nil, !state.isCancelled else {
                            return true
                        }
                        state.waiter = continuation
                        return false
                    }
                    if isDue { continuation.resume() }
                }
            } onCancel: {
                change { $0.isCancelled = true }
            }
            return !state.withLock { $0.isCancelled }
        }

        private func change(_ body: (inout State) -> Void) {
            let waiter = state.withLock { state in
                body(&state)
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }
}
