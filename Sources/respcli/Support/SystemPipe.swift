// A pipe that child processes do not inherit.

import Glibc

enum SystemPipe {
    /// Opens a pipe: its end for reading, then its end for writing. False if that fails.
    static func open(_ ends: inout [CInt]) -> Bool {
        guard pipe(&ends) == 0 else { return false }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return true
    }
}
