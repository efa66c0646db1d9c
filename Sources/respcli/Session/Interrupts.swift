// Ctrl-C. In an interactive session it ends what is waited for and returns to the prompt; in a mode that goes through all keys it
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
    private static let stopped = Atomic<Bool>(false)
    /// Whether there is a prompt to go back to.
    private static let keepsSession = Atomic<Bool>(false)
    /// Whether the user has interrupted a session that goes on, between two things that it waits for.
    private static let pending = Atomic<Bool>(false)

    /// Whether a loop that `cancelLoops` was called for should end.
    static var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Whether the user has interrupted what runs within `whileStreaming`: what is being printed need not be finished.
    static var isStopped: Bool { stopped.load(ordering: .relaxed) }

    /// From now on Ctrl-C is handled here, and SIGPIPE is ignored.
    static func install() {
        target.store(-1, ordering: .relaxed)
        signal(SIGPIPE, SIG_IGN)
        handleSignal()
    }

    /// From now on Ctrl-C never ends the program: what comes between two waits ends the next one.
    static func keepSession() { keepsSession.store(true, ordering: .relaxed) }

    /// Forgets an interruption that has found nothing to end.
    static func forget() { pending.store(false, ordering: .relaxed) }

    /// Handles Ctrl-C again after it was ignored for a while.
    static func handleSignal() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let descriptor = Interrupts.target.load(ordering: .relaxed)
            Terminal.showInterrupt()
            if descriptor < 0 {
                if Interrupts.keepsSession.load(ordering: .relaxed) {
                    Interrupts.pending.store(true, ordering: .relaxed)
                    return
                }
                Terminal.restore()
                _exit(1)
            }
            Interrupts.stop(descriptor)
        }
        sigaction(SIGINT, &action, nil)
    }

    /// Ends what waits within `whileStreaming`. May be called by a signal handler.
    private static func stop(_ descriptor: CInt) {
        stopped.store(true, ordering: .relaxed)
        var byte: UInt8 = 0
        _ = write(descriptor, &byte, 1)
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
        stopped.store(false, ordering: .relaxed)
        target.store(ends[1], ordering: .relaxed)
        if pending.exchange(false, ordering: .relaxed) { stop(ends[1]) }
        defer {
            target.store(-1, ordering: .relaxed)
            stopped.store(false, ordering: .relaxed)
            close(ends[0])
            close(ends[1])
        }
        return body(ends[0])
    }

    /// Takes notice of an interruption, so that the next one is another.
    ///
    /// - Parameters:
    ///   - descriptor: that of `whileStreaming`.
    ///   - microseconds: how long to wait for one.
    /// - Returns: whether there was one.
    static func take(_ descriptor: CInt, within microseconds: Int = 0) -> Bool {
        let deadline = Clock.microseconds + microseconds
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let rest = max(0, deadline - Clock.microseconds)
            let count = poll(&waiting, 1, CInt(clamping: (rest + 999) / 1000))
            if count > 0 {
                var bytes = [UInt8](repeating: 0, count: 64)
                _ = read(descriptor, &bytes, bytes.count)
                stopped.store(false, ordering: .relaxed)
                return true
            }
            if count == 0 && Clock.microseconds >= deadline { return false }
        }
    }
}
