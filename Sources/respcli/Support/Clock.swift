// Time: how long things take, and waiting.

import Glibc

enum Clock {
    /// Nanoseconds since some moment; never goes back.
    static var nanoseconds: Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000_000 + now.tv_nsec
    }

    static var microseconds: Int { nanoseconds / 1000 }
    static var milliseconds: Int { nanoseconds / 1_000_000 }

    /// Waits. A signal ends the wait only if the loop that waits was cancelled by it.
    static func sleep(microseconds: Int) {
        var rest = timespec(tv_sec: microseconds / 1_000_000, tv_nsec: microseconds % 1_000_000 * 1000)
        var unslept = timespec()
        while nanosleep(&rest, &unslept) < 0 && errno == EINTR && !Interrupts.isCancelled { rest = unslept }
    }
}
