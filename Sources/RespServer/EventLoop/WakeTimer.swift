// A descriptor that becomes readable at a time, for the loop to wait on with everything else. A time limit given to the wait itself
// would have the kernel set and drop a timer for every request; this one is set only when the time to wake at changes.

import CLinux
import Glibc

struct WakeTimer: ~Copyable {
    let descriptor: Int32
    /// When it will wake the loop, in milliseconds of the clock that `set` is given; `Int64.max` if it will not.
    private var setFor = Int64.max

    init() throws(SyscallError) {
        descriptor = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK) | Int32(TFD_CLOEXEC))
        guard descriptor >= 0 else { throw SyscallError("timerfd_create") }
    }

    deinit { close(descriptor) }

    /// Makes sure that the loop wakes at `time` or before, both in milliseconds.
    mutating func set(for time: Int64, now: Int64) {
        // What is set for longer than anybody asks was set before the clock was put back.
        if time >= setFor && setFor - now < 1000 { return }
        setFor = time
        let wait = max(1, Int(time - now))
        var specification = itimerspec(
            it_interval: timespec(), it_value: timespec(tv_sec: wait / 1000, tv_nsec: wait % 1000 * 1_000_000))
        unsafe timerfd_settime(descriptor, 0, &specification, nil)
    }

    /// Takes note that it has woken the loop.
    mutating func hasFired() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
        setFor = Int64.max
    }
}
