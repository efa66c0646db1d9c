// The descriptors of standard input, output and error. A process may be started without some of them; the first files and sockets that it opens
// would get their numbers then, and what it prints would go there.

import Glibc

public enum StandardDescriptors {
    /// Opens /dev/null in place of those that are missing. To be called before anything else is opened.
    public static func openMissing() {
        for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 && errno == EBADF {
            // The lowest number that is free is this one.
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }
}
