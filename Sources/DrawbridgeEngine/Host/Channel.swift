/// What one task leaves for another one to take, without waiting for it.
struct Channel<Element: Sendable>: Sendable {
    /// What was sent, for one task to iterate.
    let elements: AsyncStream<Element>
    private let continuation: AsyncStream<Element>.Continuation

    /// - Parameter limit: how many elements may wait, the newest of them; nil keeps all.
    init(keeping limit: Int? = nil) {
        (elements, continuation) = AsyncStream.makeStream(
            bufferingPolicy: limit.map { .bufferingNewest($0) } ?? .unbounded)
    }

    func send(_ element: Element) { continuation.yield(element) }

    /// Ends the sequence once what waits is taken.
    func finish() { continuation.finish() }
}
