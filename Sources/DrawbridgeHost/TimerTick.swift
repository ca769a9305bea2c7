import Glibc
import LinuxHeaders

extension HostAccess {
    /// How long the kernel's timer tick is, in nanoseconds: the resolution of its coarse clock (clock_getres(2)).
    public static var timerTick: UInt64 {
        var time = timespec()
        guard clock_getres(CLOCK_MONOTONIC_COARSE, &time) == 0 else { return 10_000_000 }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
