import Glibc

/// The time that this run has taken.
enum Clock {
    /// How long an event may take in all, in milliseconds. Xen's tools kill a script after 40 s, without a word to
    /// anybody, and what came of it has to be written down before.
    static let limit = 34_000

    /// When this run began.
    static let start = now()

    /// What is left of ``limit``, in milliseconds; not above 0 once it is over.
    static var left: Int { limit - (now() - start) }

    /// Milliseconds on a clock that only goes forward.
    static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
