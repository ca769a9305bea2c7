import LinuxHeaders

/// Memory that was needed for a while.
enum UnusedMemory {
    /// From how many vifs at once on what a transaction needed is worth giving back.
    static let manyVifs = 64

    /// Gives what is not used back to the kernel (malloc_trim(3)): by itself the C library gives back only what lies at
    /// the end of its heap, and the answers to a batch lie there for a while.
    static func giveBack() { malloc_trim(0) }
}
