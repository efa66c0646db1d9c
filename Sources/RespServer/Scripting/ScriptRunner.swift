// Runs scripts: compiles them once, calls them with their keys and arguments, and answers with what they return.
//
// There are two interpreters, one for scripts and one for functions, each made when it is first needed. What one script of them runs is all
// here: only one runs at a time, and its commands run as parts of the request that began it. `ScriptRunner+Commands.swift` has how a script
// runs commands, `ScriptRunner+Busy.swift` what happens while one takes long.

import CLinux
import RespCodec
import StoreEngine

@safe final class ScriptRunner {
    /// Set before anybody asks for a script, as the server is made of its parts.
    var server: Server {
        @inline(__always) get { uncountedServer.object }
        set { uncountedServer = unsafe Uncounted(newValue) }
    }
    private(set) var uncountedServer: Uncounted<Server>!
    /// While there is much garbage.
    private let timer: LoopTimer
    /// The interpreter of scripts.
    private var scriptEnvironment: LuaEnvironment?
    /// How many there have been: a script is compiled anew for each, when it is next run.
    private var environmentNumber = 0
    /// That of functions, and the libraries in it.
    private(set) var functionInterpreter: LuaEnvironment?
    /// Whether an interpreter was wanted that the system does not have. Who loads data sets it back before.
    var lacksInterpreter = false
    var functions = FunctionSet()
    /// The library that is being loaded.
    var loading: FunctionLibrary?
    /// No other code runs while it is modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) private(set) var cache = ScriptCache()
    private(set) var evictedCount = 0

    // MARK: what runs

    /// What is known of the script or function that runs: the same object for all, made anew for each run.
    let latestRun = ScriptRun()
    /// Whether a script or function runs.
    private(set) var isRunning = false
    /// The script or function that runs; nil while none does.
    @inline(__always) var run: ScriptRun? { isRunning ? latestRun : nil }
    /// Whether it takes so long that others are served meanwhile.
    var isBusy = false

    /// Whether what runs has run a command that writes.
    var hasWritten: Bool { run?.hasWritten ?? false }

    // MARK: commands of a script

    // No other code runs while what each call changes is modified, so exclusive access is not checked at run time.

    /// The reply of the command that a script runs.
    let reply = ReplyWriter(capacity: 4096)
    /// The words of the command.
    @safe @exclusivity(unchecked) var words = LuaWords()
    /// Which commands the script that runs may not run.
    private(set) var admission = ScriptAdmission()
    /// Whether scripts may run commands that are not for scripts, except those that run or keep scripts: DEBUG allows it, for tests.
    var runsAllCommands = false

    init(_ timers: LoopTimers) {
        timer = timers.add()
        timer.action = { [unowned self] in maintain() }
    }

    deinit {
        unsafe reply.deallocate()
        unsafe words.deallocate()
    }

    // MARK: what is told of scripts

    /// The memory of the interpreter of scripts, and that of functions.
    var scriptInterpreterBytes: Int { scriptEnvironment?.usedBytes ?? 0 }
    var functionInterpreterBytes: Int { functionInterpreter?.usedBytes ?? 0 }
    /// All memory of scripts and functions.
    var byteCount: Int {
        scriptInterpreterBytes + functionInterpreterBytes + cache.byteCount + functions.byteCount
    }

    func resetStatistics() { evictedCount = 0 }

    // MARK: the interpreter

    /// The interpreter of scripts.
    func environment() throws(CommandError) -> LuaEnvironment {
        if let scriptEnvironment {
            if scriptEnvironment.isCrowded { scriptEnvironment.collectAll() }
            return scriptEnvironment
        }
        let new = try makeEnvironment(for: .scripts)
        scriptEnvironment = new
        environmentNumber += 1
        return new
    }

    /// The interpreter of functions.
    func functionEnvironment() throws(CommandError) -> LuaEnvironment {
        if let functionInterpreter {
            if functionInterpreter.isCrowded { functionInterpreter.collectAll() }
            return functionInterpreter
        }
        let new = try makeEnvironment(for: .functions)
        functionInterpreter = new
        return new
    }

    /// What goes at once.
    private struct Compiled<What> {
        let what: What
        let interpreter: LuaEnvironment?
    }

    /// Removes all libraries, and whatever they have left in the interpreter.
    func flushFunctions() {
        let gone = Compiled(what: functions, interpreter: functionInterpreter)
        functions = FunctionSet()
        functionInterpreter = nil
        BackgroundRelease.release(consume gone)
    }

    private func makeEnvironment(for use: LuaEnvironment.Use) throws(CommandError) -> LuaEnvironment {
        let limit = server.configuration.settings.scriptMemoryLimit
        guard let new = LuaEnvironment(host: self, for: use, limit: limit) else {
            lacksInterpreter = true
            throw .text("ERR Scripts are off: \(LuaLibrary.advice)")
        }
        return new
    }

    /// To be called when the settings of scripts have changed.
    func followSettings() {
        for environment in [scriptEnvironment, functionInterpreter] {
            environment?.limit = server.configuration.settings.scriptMemoryLimit
        }
    }

    /// Forgets all scripts, and whatever they have left in the interpreter.
    func flush() {
        let gone = Compiled(what: cache, interpreter: scriptEnvironment)
        cache = ScriptCache()
        scriptEnvironment = nil
        BackgroundRelease.release(consume gone)
    }

    /// To be called at times: collects garbage, and goes on soon if there is more.
    func maintain() { timer.set(for: collectGarbage() ? server.now : nil) }

    /// - Returns: Whether there is more.
    private func collectGarbage() -> Bool {
        guard !isRunning else { return false }
        var isBehind = false
        let end = clinux_cycle_counter() &+ server.clock.millisecond / 2
        for environment in [scriptEnvironment, functionInterpreter] {
            guard let environment, environment.hasGarbage else { continue }
            var isDone = false
            while !isDone && clinux_cycle_counter() < end { isDone = environment.collectSome() }
            if !isDone { isBehind = true }
        }
        // A new one needs less. The libraries of functions may keep what a new one would not have.
        if scriptEnvironment?.isSparse == true, scriptEnvironment?.hasGarbage == false {
            let gone = scriptEnvironment
            scriptEnvironment = nil
            BackgroundRelease.release(consume gone)
        }
        return isBehind
    }

    // MARK: the cache

    /// The script of EVALSHA.
    @inline(__always)
    func script(digest: ByteSlice) throws(CommandError) -> Script {
        guard let script = cache.find(digest: digest) else {
            throw .noSuchScript
        }
        return script
    }

    /// Whether there is a script of a digest.
    func contains(digest: ByteSlice) -> Bool { cache.contains(digest: digest) }

    func find(digest: ByteSlice) -> Script? { cache.find(digest: digest) }

    /// The script of a text, which is compiled if it is new.
    /// - Parameter isDroppable: whether a new one goes when there are too many. One that may not go never goes, however it came.
    func script(body: ByteSlice, isDroppable: Bool) throws(CommandError) -> Script {
        let hash = server.engine.hash(body)
        if let script = cache.find(body: body, hash: hash) {
            if !isDroppable { cache.keep(script) }
            return script
        }
        let digest = SHA1.hexadecimal(of: body)
        // Another text may have the same hash.
        if let script = digest.withByteSlice({ cache.find(digest: $0) }) {
            if !isDroppable { cache.keep(script) }
            return script
        }
        let header = try ScriptHeader(of: body)
        let environment = try environment()
        environment.rest()
        let lua = environment.lua
        try compile(body.dropFirst(header.byteCount), environment)
        let script = Script(
            digest: digest, body: body.array, bodyHash: hash, headerByteCount: header.byteCount, flags: header.flags,
            function: lua.keep(), environment: environmentNumber)
        for dropped in cache.add(script, isDroppable: isDroppable) {
            if dropped.environment == environmentNumber { lua.release(dropped.function) }
            evictedCount += 1
        }
        return script
    }

    /// Leaves the function of a script's text on the stack.
    private func compile(_ text: ByteSlice, _ environment: LuaEnvironment) throws(CommandError) {
        guard environment.lua.load(text, named: "@user_script") == .done else {
            defer { environment.rest() }
            throw .bytes(
                Array("ERR Error compiling script (new function): ".utf8)
                    + (environment.lua.text(-1)?.array ?? []))
        }
    }

    /// Compiles a script that was compiled for an interpreter that is no more.
    @inline(never)
    private func compileAgain(_ script: Script, _ environment: LuaEnvironment) throws(CommandError) {
        environment.rest()
        let body = script.body
        try body.withByteSlice { (body) throws(CommandError) in
            try compile(body.dropFirst(script.headerByteCount), environment)
        }
        script.function = environment.lua.keep()
        script.environment = environmentNumber
    }

    // MARK: running

    /// Runs a script of EVAL or EVALSHA and answers the request.
    /// - Parameters:
    ///   - arguments: the request: its keys begin at 3, `keyCount` of them, and then its arguments.
    ///   - isReadOnly: whether nothing may be written.
    func evaluate(
        _ script: Script, _ context: SessionContext, _ arguments: Arguments, keyCount: Int, isReadOnly: Bool
    ) throws(CommandError) {
        let environment = try environment()
        if script.environment != environmentNumber { try compileAgain(script, environment) }
        try begin(
            script.digest, script.flags, context, arguments, isReadOnly: isReadOnly, isFunction: false, environment)
        let lua = environment.lua
        lua.push(copyOf: LuaEnvironment.keysNameIndex)
        if push(arguments, 3..<3 + keyCount, lua) {
            lua.setEntry(of: LuaEnvironment.globalsIndex)
            lua.push(copyOf: LuaEnvironment.argumentsNameIndex)
            if push(arguments, 3 + keyCount..<arguments.count, lua) {
                lua.setEntry(of: LuaEnvironment.globalsIndex)
                lua.push(kept: script.function)
                let outcome = lua.call(argumentCount: 0, resultCount: 1, handler: LuaEnvironment.handlerIndex)
                finish(outcome, context.reply, environment)
                return cache.touch(script)
            }
        }
        lua.push("not enough memory")
        finish(.outOfMemory, context.reply, environment)
    }

    /// Pushes arguments of a request as a table; false if there is no memory for it.
    @inline(__always)
    func push(_ arguments: Arguments, _ range: Range<Int>, _ lua: Lua) -> Bool {
        lua.pushTable(elements: range.count)
        for index in range {
            let argument = arguments[index]
            guard !lua.isOverLimit(adding: argument.count) else { return false }
            lua.push(argument)
            lua.setElement(index - range.lowerBound + 1, of: -2)
        }
        return true
    }

    /// Checks whether a script may run now, and begins.
    func begin(
        _ name: [UInt8], _ flags: ScriptFlags, _ context: SessionContext, _ arguments: Arguments,
        isReadOnly: Bool, isFunction: Bool, _ environment: LuaEnvironment
    ) throws(CommandError) {
        // No script runs another one: commands that would are not for scripts.
        guard !isRunning else { throw .message("ERR A script is running") }
        admission = try uncountedServer.use { (server) throws(CommandError) in
            try ScriptAdmission(
                flags,
                ScriptAdmission.Conditions(
                    isReadOnly: isReadOnly,
                    // As for any other command, room is made first.
                    isOutOfMemory: server.memoryLimit.isExceeded && !server.makeRoom(),
                    storageProblem: server.storageProblem, runsAllCommands: runsAllCommands))
        }
        environment.rest()
        latestRun.begin(
            name: name, isFunction: isFunction, for: context.uncountedConnection, arguments,
            replyStart: context.reply.count, environment)
        isRunning = true
    }

    /// Writes the reply, and ends the run.
    func finish(_ outcome: Lua.Outcome, _ reply: ReplyWriter, _ environment: LuaEnvironment) {
        let lua = environment.lua
        var isCounted = false
        if outcome == .done {
            let start = reply.count
            var conversion = LuaToReply(lua, reply, scriptVersion: latestRun.version)
            conversion.write()
            isCounted = conversion.holdsCountedError
            if conversion.isInterrupted {
                reply.truncate(to: start)
                environment.rest()
                LuaEnvironment.pushError(lua, latestRun.killedText)
                isCounted = writeError(lua, reply)
            }
        } else {
            isCounted = writeError(lua, reply)
        }
        uncountedServer.use { $0.errors.skipsNext = isCounted }
        end(environment)
    }

    private func end(_ environment: LuaEnvironment) {
        environment.rest()
        environment.random.forgetSeed()
        environment.json.reset()
        if latestRun.isKilled {
            environment.interruptAtTimes()
            followSettings()
        }
        if isBusy { endBusy() }
        latestRun.giveBackDatabase()
        if latestRun.hidesEffects { setReplication(true) }
        latestRun.end()
        isRunning = false
    }

    /// Writes what a script has raised, which is on top of the stack.
    /// - Returns: Whether it was counted when it came.
    private func writeError(_ lua: Lua, _ reply: ReplyWriter) -> Bool {
        if latestRun.isKilled && !lua.isTable(-1) {
            LuaEnvironment.pushError(lua, latestRun.killedText)
        }
        guard lua.isTable(-1) else {
            let text = (lua.text(-1)?.array ?? Array("execution failure".utf8)).prefix(100)
            (Array("ERR Error running script ".utf8) + latestRun.name + Array(", ".utf8) + text).withByteSlice {
                reply.error($0)
            }
            return false
        }
        let table = lua.count
        lua.pushField("err", of: table)
        var text = lua.text(-1)?.array ?? Array("ERR unknown error".utf8)
        lua.pushField("source", of: table)
        lua.pushField("line", of: table)
        lua.pushField("ignore_error_stats_update", of: table)
        let isCounted = lua.boolean(-1)
        if let line = lua.text(-2)?.array, let source = lua.text(-3)?.array {
            text += Array(" script: ".utf8) + latestRun.name + Array(", on ".utf8) + source + [UInt8(ascii: ":")] + line
            text.append(UInt8(ascii: "."))
        }
        text.withByteSlice { reply.error($0) }
        return isCounted
    }
}

/// A script or function that runs. Whoever runs it holds its client and the interpreter: they are not counted once more.
@safe final class ScriptRun {
    /// The digest, or the name of the function.
    private(set) var name: [UInt8] = []
    private(set) var isFunction = false
    private(set) var uncountedConnection: Uncounted<Connection>!
    private var uncountedEnvironment: Uncounted<LuaEnvironment>!
    private(set) var arguments: Arguments!
    /// The database of the caller, to which it comes back.
    private(set) var database = 0
    /// Where its reply begins.
    private(set) var replyStart = 0
    /// When it began, in cycles.
    private(set) var start: UInt64 = 0
    private var microseconds: Int64?
    /// In which version of the protocol its commands are answered.
    var version = ProtocolVersion.resp2
    /// It has run a command that writes.
    var hasWritten = false
    var isKilled = false
    /// It is ended because it took too long.
    var isTooLong = false
    /// Its effects are not told.
    var hidesEffects = false

    /// Who asked for it.
    @inline(__always) var connection: Connection { uncountedConnection.object }
    @inline(__always) var environment: LuaEnvironment { uncountedEnvironment.object }

    /// What TIME answers, in microseconds since 1970: when it was asked first, until the script is busy. Then the time moves at each look after
    /// it, or a script that waits for a moment would never end.
    var shownTime: Int64 {
        if let microseconds { return microseconds }
        let now = Syscall.wallMicroseconds()
        microseconds = now
        return now
    }

    /// To be called while it is busy: the time has passed.
    func letTimePass() { microseconds = nil }

    @inline(__always)
    fileprivate func begin(
        name: [UInt8], isFunction: Bool, for connection: Uncounted<Connection>, _ arguments: Arguments, replyStart: Int,
        _ environment: LuaEnvironment
    ) {
        self.name = name
        self.isFunction = isFunction
        uncountedConnection = connection
        uncountedEnvironment = unsafe Uncounted(environment)
        self.arguments = arguments
        database = connection.use { $0.database }
        self.replyStart = replyStart
        start = clinux_cycle_counter()
        microseconds = nil
        version = .resp2
        hasWritten = false
        isKilled = false
        isTooLong = false
        hidesEffects = false
    }

    /// The script may have selected another database.
    fileprivate func giveBackDatabase() {
        uncountedConnection.use { if $0.database != database { $0.database = database } }
    }

    fileprivate func end() {
        uncountedConnection = nil
        uncountedEnvironment = nil
    }
}
