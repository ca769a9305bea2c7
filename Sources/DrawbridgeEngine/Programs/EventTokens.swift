import Glibc
import Synchronization

/// Names events that run, for the programs that run for them: a built-in that such a program calls says which
/// event it belongs to, and runs inside it instead of waiting for its end.
///
/// A token is 128 random bits, valid until its event ends.
public final class EventTokens<Event: Sendable>: Sendable {
    private let events = Mutex<[String: Event]>([:])

    public init() {}

    /// Makes a token for an event that begins.
    public func issue(for event: Event) -> String {
        var generator = SystemRandomNumberGenerator()
        return events.withLock { events in
            var token: String
            // The generator is getrandom(2)'s, so a token that exists will not be met in the age of the universe.
            repeat {
                token = (0..<4).map { _ in
                    let digits = String(UInt32.random(in: .min ... .max, using: &generator), radix: 16)
                    return String(repeating: "0", count: 8 - digits.count) + digits
                }.joined()
            } while events[token] != nil
            events[token] = event
            return token
        }
    }

    /// The event that a token names; nil where there is none that still runs.
    public func event(for token: String) -> Event? { events.withLock { $0[token] } }

    /// Ends a token's validity.
    public func revoke(_ token: String) { events.withLock { _ = $0.removeValue(forKey: token) } }

    /// How many events run.
    public var count: Int { events.withLock { $0.count } }
}
