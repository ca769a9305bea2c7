import LinuxHeaders

/// How the C library keeps the memory of this process (mallopt(3)).
public enum ProcessMemory {
    /// Has all threads share one heap: each of their own keeps what its thread needed at its height, and hardly any of
    /// the daemon's threads does more than hand something on. Called before the first thread is started.
    public static func shareOneHeap() { mallopt(M_ARENA_MAX, 1) }
}
