// Signals: asked to stop (TERM, INT) sets a flag that the loop looks at; a broken pipe is an ordinary error of the call.

import Glibc
import Synchronization

enum Signals {
    private static let flag = Atomic<Int32>(0)

    /// The signal that asked the server to stop, or 0.
    static var received: Int32 { flag.load(ordering: .relaxed) }

    /// Goes on though one was received; the next one is the first again.
    static func forget() { flag.store(0, ordering: .relaxed) }

    static func install() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        // A file that may not grow any more is an error of the call, too.
        signal(SIGXFSZ, SIG_IGN)
        for number in [SIGTERM, SIGINT] {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { number in
                // A second request while the first is being served ends at once.
                if Signals.flag.exchange(number, ordering: .relaxed) != 0 { _exit(1) }
            }
            unsafe sigaction(number, &action, nil)
        }
    }
}
