// One call of a command: requests, the commands of a transaction and of a script, those that have waited, and those of an append-only file all
// run as one of these.

import RespCodec
import StoreEngine

/// What runs, for whom, and what holds meanwhile.
struct Call {
    let command: CommandHandle
    let arguments: Arguments
    /// Who asks: its database is used, in its protocol it is answered.
    unowned(unsafe) let connection: Connection
    /// Where its reply goes: to the client, or to who has the command run and makes something else of it.
    let reply: ReplyWriter
    /// The command's first key, if that has been hashed.
    var key: HashedKey?
    /// Whoever runs the call holds them. Unowned: a counted reference would make `Call` non-trivial to copy.
    unowned(unsafe) var adoptable: AdoptableArguments?
    var options: CallOptions = .mayWait
    /// Whether another command runs this one as a part of itself: time stands still for it.
    var isNested = false

    @inline(__always)
    init(
        _ command: CommandHandle, _ arguments: Arguments, for connection: Connection, replyingTo reply: ReplyWriter,
        key: HashedKey? = nil, adoptable: AdoptableArguments? = nil
    ) {
        self.command = command
        self.arguments = arguments
        unsafe self.connection = connection
        self.reply = reply
        self.key = key
        unsafe self.adoptable = adoptable
    }
}

extension Server {
    /// Runs a command that has passed all checks, writes its reply, and counts it.
    /// - Returns: Whether it has replied; false if it waits.
    @inline(__always) @discardableResult
    func run(_ call: Call) -> Bool {
        // The time of the commands that it runs is its, too.
        let start = clock.last
        perform(call)
        if !call.command.flags.isDisjoint(with: [.blocking, .suspends]), let wait = engine.takeWait() {
            beginWait(call, wait)
            return false
        }
        _ = clock.lap()
        finish(call, clock.last &- start)
        return true
    }

    /// Runs a command that may not wait, and writes its reply. It counts nowhere: what is loaded does not, and the end of a wait counts with what
    /// came before it.
    @inline(__always)
    func perform(_ call: Call) {
        let command = call.command
        if let run = command.data {
            unsafe engine.run(
                run, keys: command.keys, call.arguments, database: call.connection.database, reply: call.reply,
                key: call.key,
                adoptable: call.adoptable, options: call.options,
                effect: command.effect)
        } else {
            runSession(call)
        }
    }

    /// Suspends the client of a command that waits. The call counts when the wait ends.
    private func beginWait(_ call: Call, _ wait: Wait) {
        suspend(call, wait)
        let taken = clock.lap()
        call.command.cycles &+= taken
        unsafe call.connection.waiting?.cycles &+= taken
        if taken > clock.millisecond { updateTime() }
    }

    /// Runs a command on the session.
    private func runSession(_ call: Call) {
        let reply = call.reply
        let start = reply.count
        do throws(CommandError) {
            guard let run = call.command.session else { throw .wrongArity(call.command.record.fullName) }
            var context = unsafe SessionContext(
                server: self, connection: call.connection, reply: reply, isNested: call.isNested)
            try run(&context, call.arguments)
        } catch {
            reply.truncate(to: start)
            error.write(to: reply)
        }
    }

    /// Counts a call that has replied.
    /// - Parameter taken: how many cycles it took.
    @inline(__always)
    private func finish(_ call: Call, _ taken: UInt64) {
        count(call, taken)
        // The errors of commands that it ran have been counted as theirs.
        if call.reply.hasUncountedErrors {
            call.command.failedCalls += 1
            errors.count(call.reply)
        }
    }

    @inline(__always)
    private func count(_ call: Call, _ taken: UInt64) {
        call.command.cycles &+= taken
        call.command.calls &+= 1
        if call.isNested { statistics.nestedCycles &+= taken }
        if call.options.contains(.hasWaited) || taken >= clock.noticed
            || !call.command.latencies.count(clock.nanoseconds(short: taken))
        {
            observe(call, taken)
        }
    }

    private func observe(_ call: Call, _ taken: UInt64) {
        if taken > clock.millisecond && !call.isNested { updateTime() }
        let connection = unsafe call.connection
        let earlier = call.options.contains(.hasWaited) ? connection.waiting?.cycles ?? 0 : 0
        observer.observe(
            FinishedCall(
                command: call.command, arguments: call.arguments, connection: connection, cycles: earlier &+ taken,
                isNested: call.isNested))
    }
}
