// Signals: asked to stop (TERM, INT) sets a flag that the loop looks at; a broken pipe is an ordinary error of the call.

import Glibc
import Synchronization

enum Signals {
    private static let flag = Atomic<Int32>(0)

    /// The signal that asked the server to stop, or 0.
    static var received: Int32 { flag.load(ordering: .relaxed) }

    /// Goes on though one was received; the next one is the first again.
    static func forget() { flag.store(0, ordering: .relaxed) }

    /// The file that goes with the process: the directory that it is in, and the address of its name, 0 for none. Names stay in memory, as
    /// a handler may be reading one.
    private static let directory = Atomic<Int32>(-1)
    private static let fileName = Atomic<UInt>(0)

    static func setTemporaryFile(_ name: String?, _ directory: Int32) {
        fileName.store(0, ordering: .sequentiallyConsistent)
        guard let name else { return }
        self.directory.store(directory, ordering: .sequentiallyConsistent)
        unsafe fileName.store(UInt(bitPattern: strdup(name)), ordering: .sequentiallyConsistent)
    }

    private static func endAtOnce() -> Never {
        CrashReport.tell("You insist... exiting now.\n")
        let name = fileName.load(ordering: .sequentiallyConsistent)
        if let name = unsafe UnsafePointer<CChar>(bitPattern: name) {
            unsafe unlinkat(directory.load(ordering: .sequentiallyConsistent), name, 0)
        }
        _exit(1)
    }

    static func install() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        // A file that may not grow any more is an error of the call, too.
        signal(SIGXFSZ, SIG_IGN)
        for number in [SIGTERM, SIGINT] {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { number in
                let isFirst = Signals.flag.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
                // Who presses Ctrl-C while the server ends does not want to wait until all is saved. A manager of services may ask twice
                // without meaning that.
                if !isFirst && number == SIGINT { Signals.endAtOnce() }
            }
            unsafe sigaction(number, &action, nil)
        }
    }
}
