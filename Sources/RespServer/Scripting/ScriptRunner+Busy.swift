// What happens while a script takes long.
//
// Lua asks every hundred thousand instructions whether it may go on. From `busy-reply-threshold` on others are served then: they are told BUSY,
// but for the few commands that every state of the server allows. So the loop takes a turn within a request that runs. What
// that request has in the reader, the batch and the reply queue is set aside meanwhile; its client is not served, nothing expires, nobody who
// waits is run, and for the data the time stands still: it is as the script has it. Only what TIME answers moves.
//
//     runs --threshold--> busy --ends--> over
//                          |--SCRIPT KILL, FUNCTION KILL: if it has not written--> killed --error at its next line--> over
//                          `--SHUTDOWN NOSAVE; a signal, if it has not written--> killed

import CLinux
import RespCodec
import StoreEngine

extension ScriptRunner {
    static let busyText: StaticString =
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    static let busyFunctionText: StaticString =
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."

    /// What others are told while one runs.
    var busyError: CommandError { .message(run?.isFunction == true ? Self.busyFunctionText : Self.busyText) }

    /// Marks the script or function that runs to be ended.
    /// - Throws: if there is none, if it has written, or if it is of the other kind.
    func kill(isFunction: Bool) throws(CommandError) {
        guard let run else { throw .message("NOTBUSY No scripts in execution right now.") }
        guard !run.hasWritten else {
            throw .message(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
            )
        }
        guard run.isFunction == isFunction else { throw busyError }
        run.isKilled = true
    }

    func interrupt(_ lua: Lua) -> Int32 {
        guard let run else { return interruptLoading(lua) }
        if !run.isKilled { look(after: run) }
        guard run.isKilled else { return 0 }
        // A coroutine that made this one does not hear of it before its own time. Until then it gets no memory for another.
        run.environment.interruptAlways(lua)
        run.environment.interruptAlways(run.environment.lua)
        run.environment.limit = 0
        LuaEnvironment.pushError(lua, run.killedText)
        return -1
    }

    private func look(after run: ScriptRun) {
        let settings = server.configuration.settings
        // There is no upkeep meanwhile.
        server.clock.correctMillisecond()
        let passed = run.milliseconds(server.clock)
        if settings.scriptKillAfterMilliseconds > 0 && passed >= settings.scriptKillAfterMilliseconds && !run.hasWritten
        {
            server.log.warning(
                "A script that only reads is ended after \(passed) milliseconds: \(run.shownName)")
            run.isTooLong = true
            run.isKilled = true
            return
        }
        guard settings.busyReplyThresholdMilliseconds > 0, passed >= settings.busyReplyThresholdMilliseconds else {
            return
        }
        if !isBusy {
            server.log.warning(
                "Slow script detected: still in execution after \(passed) milliseconds. You can try killing the script using the \(run.isFunction ? "FUNCTION KILL" : "SCRIPT KILL") command. Script name is: \(run.shownName)."
            )
            isBusy = true
            server.updateGate()
        }
        run.letTimePass()
        if server.persistence.loading == nil {
            server.serveWhileBusy(run.connection)
        } else {
            // It is in an append-only file, and its client there is none.
            _ = server.continueWhileLoading()
        }
        if server.turns.isStopping { run.isKilled = true }
        if run.isKilled { server.log.notice("Lua script killed by user with SCRIPT KILL.") }
    }

    /// To be called when it has ended.
    func endBusy() {
        isBusy = false
        server.updateGate()
    }
}

extension ScriptRun {
    /// For how long it has been running.
    func milliseconds(_ clock: TurnClock) -> Int {
        Int((clinux_cycle_counter() &- start) / clock.millisecond)
    }

    /// What the client of a script that was ended is told.
    var killedText: ByteSlice {
        isTooLong
            ? "Script ended as it took longer than script-kill-after allows"
            : "Script killed by user with SCRIPT KILL..."
    }

    var shownName: String { String(decoding: name, as: UTF8.self) }
}

extension Server {
    /// Serves all others within a request that runs.
    func serveWhileBusy(_ connection: Connection) {
        // Its client has to wait; what it has sent meanwhile is read in the turn that follows.
        turns.setAside(connection)
        let aside = (reader: RequestReader(), batch: RequestBatch())
        reader.exchange(with: aside.reader)
        reader.limits = aside.reader.limits
        batch.exchange(with: aside.batch)
        replies.setAside()
        takeTurnWhileBusy()
        replies.takeBack()
        batch.exchange(with: aside.batch)
        reader.exchange(with: aside.reader)
        turns.putBack(connection)
    }
}
