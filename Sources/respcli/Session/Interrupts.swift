// Ctrl-C. In an interactive session it ends a stream of messages and returns to the prompt; in a mode that goes through all keys it
// ends the loop, so that what was found so far is shown; anywhere else it ends the program.
//
// A signal may arrive just before a blocking read, so a flag would be checked too early. The handler writes to a pipe
// instead, which is polled together with the socket.

import Glibc
import Synchronization

enum Interrupts {
    /// The descriptor that the handler writes to while a stream is read; -1 otherwise.
    private static let target = Atomic<CInt>(-1)
    private static let cancelled = Atomic<Bool>(false)

    /// Whether a loop that `cancelLoops` was called for should end.
    static var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// From now on Ctrl-C is handled here, and SIGPIPE is ignored.
    static func install() {
        target.store(-1, ordering: .relaxed)
        signal(SIGPIPE, SIG_IGN)
        handleSignal()
    }

    /// Handles Ctrl-C again after it was ignored for a while.
    static func handleSignal() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let descriptor = Interrupts.target.load(ordering: .relaxed)
            Terminal.showInterrupt()
            if descriptor < 0 {
                Terminal.restore()
                _exit(1)
            }
            var byte: UInt8 = 0
            _ = write(descriptor, &byte, 1)
        }
        sigaction(SIGINT, &action, nil)
    }

    /// From now on Ctrl-C only sets `isCancelled`.
    static func cancelLoops() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Interrupts.cancelled.store(true, ordering: .relaxed) }
        sigaction(SIGINT, &action, nil)
    }

    /// Runs `body` with a descriptor that becomes readable on Ctrl-C, which does not end the program meanwhile.
    static func whileStreaming<Result>(_ body: (CInt?) -> Result) -> Result {
        var ends: [CInt] = [-1, -1]
        guard SystemPipe.open(&ends) else { return body(nil) }
        target.store(ends[1], ordering: .relaxed)
        defer {
            target.store(-1, ordering: .relaxed)
            close(ends[0])
            close(ends[1])
        }
        return body(ends[0])
    }
}
