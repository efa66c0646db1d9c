// How scripts run commands: redis.call and redis.pcall.
//
// A command of a script is a `Call` like any other, nested in that of the script: it may not wait, time stands still, and its effects belong to
// the script's. Its words are used where Lua has them, and its reply goes to a writer of the runner's own, from which Lua's
// values are made.

import RespCodec
import StoreEngine

extension ScriptRunner: LuaHost {
    func call(_ lua: Lua, raisesErrors: Bool) -> Int32 {
        let failure: Int32 = raisesErrors ? -1 : 1
        guard isRunning else {
            LuaEnvironment.pushError(lua, "redis.call can only be used while a script or function runs")
            return failure
        }
        let count = Int(lua.count)
        guard count > 0 else {
            LuaEnvironment.pushError(lua, "Please specify at least one argument for this redis lib call")
            return failure
        }
        guard let arguments = words.collect(lua, count: count) else {
            lua.truncate(to: 0)
            LuaEnvironment.pushError(lua, "Lua redis lib command arguments must be strings or integers")
            return failure
        }
        if let refusal = execute(arguments) {
            lua.truncate(to: 0)
            refusal.withByteSlice { LuaEnvironment.pushError(lua, $0) }
            lua.push(true)
            lua.setField("ignore_error_stats_update", of: -2)
            return failure
        }
        lua.truncate(to: 0)
        let bytes = reply.written(0..<reply.count)
        let isError = bytes.count > 0 && (bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "!"))
        var conversion = ReplyToLua(lua, bytes)
        do throws(ReplyToLua.Mistake) {
            try conversion.push()
        } catch {
            lua.truncate(to: 0)
            LuaEnvironment.pushError(
                lua, error == .memory ? "not enough memory for the reply" : "the reply has no form in Lua")
            reply.removeAll()
            return failure
        }
        // What was long is given back.
        if bytes.count > 1 << 20 { reply.removeAll() }
        return isError ? failure : 1
    }

    /// Runs a command; its reply is then in the writer.
    /// - Returns: why it was refused, as the script is told, and then there is no reply.
    @inline(__always)
    private func execute(_ arguments: Arguments) -> [UInt8]? {
        latestRun.uncountedConnection.use { connection in
            uncountedServer.use { execute(arguments, latestRun, of: connection, on: $0) }
        }
    }

    @inline(__always)
    private func execute(
        _ arguments: Arguments, _ run: ScriptRun, of connection: Connection, on server: Server
    ) -> [UInt8]? {
        guard let found = server.commands.find(arguments[0]) else { return refuse(nil, Self.unknownCommand) }
        var command = found
        if found.data == nil {
            let container = found.record
            if !container.subcommands.isEmpty && arguments.count > 1 {
                guard let subcommand = container.subcommand(arguments[1]) else {
                    return refuse(nil, Self.unknownCommand)
                }
                command = subcommand.handle
            }
        }
        guard command.accepts(arguments.count) else {
            return refuse(command.record, .text("Wrong number of args calling Redis command from script"))
        }
        let flags = command.flags
        if !flags.isDisjoint(with: admission.gate),
            let refusal = admission.refusal(command.record, hasWritten: run.hasWritten)
        {
            return refuse(command.record, refusal)
        }
        if flags.contains(.write) { run.hasWritten = true }
        reply.removeAll()
        reply.version = run.version
        var call = Call(command, arguments, for: connection, replyingTo: reply)
        call.isNested = true
        call.options = .scripted
        if connection.isNoTouch && connection.leavesAccessTimes(command.record) {
            call.options.insert(.leavesAccessTimes)
        }
        // What Lua took up to here is the script's own.
        server.clock.restart()
        server.run(call)
        if reply.count >= server.observer.noticedReply { noteLongReply(call) }
        server.statistics.commandsProcessed &+= 1
        connection.commandCount &+= 1
        if connection.tracker != nil {
            server.tracking.remember(command, arguments, readBy: connection)
        }
        if !server.monitors.isEmpty {
            server.showToMonitors(command.record, arguments, of: connection, as: "lua")
        }
        // Much may have been told to others.
        server.replies.handOverWithinCommand(to: connection, from: run.replyStart)
        return nil
    }

    @inline(never)
    private func noteLongReply(_ call: Call) {
        unsafe server.observer.observe(
            FinishedCall(
                command: call.command, arguments: call.arguments, connection: call.connection, cycles: 0, isNested: true
            ),
            requestByteCount: 0, replyByteCount: reply.count)
    }

    private static let unknownCommand = ScriptAdmission.Refusal.text("Unknown Redis command called from script")

    /// Counts a refusal.
    /// - Returns: what the script is told of it.
    private func refuse(_ record: CommandRecord?, _ refusal: ScriptAdmission.Refusal) -> [UInt8] {
        record?.countRejection()
        switch refusal {
        case .text(let text):
            server.errors.count("ERR")
            return ByteSlice(text).array
        case .error(let error):
            let writer = ReplyWriter(capacity: 512)
            defer { unsafe writer.deallocate() }
            error.write(to: writer)
            server.errors.count(writer.lastError)
            return [UInt8(ascii: "-")] + writer.lastError.array
        }
    }

    // MARK: the rest of the library

    func checkPermission(_ lua: Lua) -> Int32 {
        let count = Int(lua.count)
        guard count > 0 else {
            return LuaEnvironment.raise(lua, "Please specify at least one argument for this redis lib call")
        }
        guard let arguments = words.collect(lua, count: count) else {
            return LuaEnvironment.raise(lua, "Lua redis lib command arguments must be strings or integers")
        }
        let found = server.commands.find(arguments[0])?.record
        let isContainer = found?.subcommands.isEmpty == false
        guard let found, !isContainer || arguments.count == 1 || found.subcommand(arguments[1]) != nil else {
            return LuaEnvironment.raise(lua, "Invalid command passed to redis.acl_check_cmd()")
        }
        // Whoever may run scripts may run any command, as there is but one user.
        lua.push(true)
        return 1
    }

    func setProtocol(_ version: ProtocolVersion) { run?.version = version }

    /// While effects are hidden nobody is told what the script does.
    func setReplication(_ isTold: Bool) {
        guard let run, run.hidesEffects == isTold else { return }
        run.hidesEffects = !isTold
        server.engine.hidesEffects = !isTold
    }

    func log(_ level: Int, _ text: ByteSlice) {
        let levels: [LogLevel] = [.debug, .verbose, .notice, .warning]
        server.log.line(levels[level], text.description)
    }
}
