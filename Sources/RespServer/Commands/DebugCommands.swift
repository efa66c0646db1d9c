// DEBUG: for tests and for those who look for faults. Its subcommands are no commands of their own: COMMAND does not list them.

import Glibc
import RespCodec
import StoreEngine

enum DebugCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "DEBUG", group: .server, since: "1.0.0", arity: -2,
            flags: [.admin, .noScript, .loading, .stale, .protected],
            syntax: "", summary: "Commands for testing and for finding faults.",
            complexity: "Depends on the subcommand", run: run)
    ]

    @Sendable static func run(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let engine = context.server.engine
        let database = context.connection.database
        let reply = context.reply
        switch (arguments[1].lowercasedText, arguments.count) {
        case ("help", 2):
            reply.help(of: "DEBUG", help)
        case ("sleep", 3):
            sleep(arguments[2])
            reply.ok()
        case ("object", 3):
            try describe(arguments[2], engine.facts(of: arguments[2], database: database), reply)
        case ("set-active-expire", 3):
            context.server.expiry.isEnabled = leadingInteger(arguments[2]) != 0
            reply.ok()
        case ("pause-cron", 3):
            context.server.upkeep.isPaused = leadingInteger(arguments[2]) != 0
            reply.ok()
        case ("move-all-blocks", 3):
            context.server.defragmentation.movesAllBlocks = leadingInteger(arguments[2]) != 0
            reply.ok()
        case ("set-disable-deny-scripts", 3):
            context.server.scripts.runsAllCommands = leadingInteger(arguments[2]) != 0
            reply.ok()
        case ("populate", 3...5):
            try populate(context, arguments)
        case ("stringmatch-len", 4):
            try matchLength(arguments, reply)
        case ("digest", 2):
            reply.status(text: engine.dataDigest())
        case ("digest-value", 2...):
            reply.array(arguments.count - 2)
            for index in 2..<arguments.count {
                reply.status(text: engine.valueDigest(of: arguments[index], database: database))
            }
        case ("protocol", 3):
            try showProtocol(arguments[2], reply)
        case ("error", 3):
            // Not by way of `error`: a made-up error is not to be found in the statistics.
            let text = arguments[2].array.map { $0 == 0x0D || $0 == 0x0A ? 0x20 : $0 }
            ([UInt8(ascii: "-")] + text + [0x0D, 0x0A]).withByteSlice { reply.raw($0) }
        case ("quicklist-packed-threshold", 3):
            try setPlainElementSize(context, arguments[2])
            reply.ok()
        case ("effects", 3...4):
            try effects(context.server, arguments, reply)
        case ("aof-flush-sleep", 3):
            // A second is long enough to be noticed.
            context.server.appendOnly.writer.flushDelay = min(max(leadingInteger(arguments[2]), 0), 60_000_000)
            reply.ok()
        case ("change-repl-id", 2):
            reply.ok()
        case ("config-rewrite-force-all", 2):
            try ConfigCommands.refusing { () throws(ConfigurationRefusal) in
                try context.server.configuration.rewrite(everything: true)
            }
            reply.ok()
        case ("replybuffer", 4):
            try checkReplyBufferOption(arguments)
            reply.ok()
        case ("loadaof", 2):
            guard context.server.persistence.loading == nil,
                context.server.reloadLog(for: context.isNested ? nil : context.connection)
            else {
                throw .message("ERR Error trying to load the AOF files, check server logs.")
            }
            context.server.log.notice("Append Only File loaded by DEBUG LOADAOF")
            reply.ok()
        case ("log", 3):
            context.server.log.warning("DEBUG LOG: \(arguments[2])")
            reply.ok()
        case ("segfault", 2):
            CrashReport.crash()
        case ("set-skip-checksum-validation", 3):
            engine.settings.comparesChecksums = leadingInteger(arguments[2]) == 0
            reply.ok()
        case ("reload", 2...):
            try reload(context.server, arguments)
            reply.ok()
        default:
            throw .subcommandSyntax(of: "DEBUG", arguments[1])
        }
    }

    private static let help = [
        "AOF-FLUSH-SLEEP <microseconds>", "    Wait for so long before anything is written to the append-only file.",
        "CHANGE-REPL-ID", "    Do nothing, for this version does not replicate.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    Write all settings to the configuration file, also those that have their default value.",
        "DIGEST", "    Return a digest of all data: equal for equal data.",
        "DIGEST-VALUE <key> [<key> ...]", "    Return a digest of each key's value.",
        "EFFECTS START",
        "    Record from now on, beginning with no data, what commands did, as commands that do the same anywhere.",
        "EFFECTS LOG", "    Return what was recorded.",
        "EFFECTS REPLAY [<milliseconds>]",
        "    Run what was recorded in a second store, whose clock is ahead by that long, or ten minutes. Return a digest of all",
        "    data, the same of the other store, and what failed there or is miscounted in either.",
        "EFFECTS STOP", "    Forget what was recorded.",
        "ERROR <string>", "    Return the string as an error.",
        "LOADAOF", "    Drop all data and load it from the append-only file.",
        "LOG <message>", "    Write a message to the log.",
        "MOVE-ALL-BLOCKS <0|1>", "    Whether all that keys and values lie in is moved to other places all the time.",
        "OBJECT <key>", "    Tell how the value of a key is kept.",
        "PAUSE-CRON <0|1>", "    Leave undone what is done by itself, the end by a signal included.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make string keys key:0, key:1 and so on, or with another prefix, and with values of a given size.",
        "PROTOCOL <type>",
        "    Return an example of a type of reply: string, integer, double, bignum, null, array, set, map,",
        "    attrib, push, verbatim, true or false.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    From how many bytes on an element of a large list is kept by itself: 0 for the default of 1gb.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save all data, drop it and load it from the file. With NOFLUSH it is not dropped, so that no key may be there;",
        "    with MERGE neither, and what is loaded takes the place of what is there. With NOSAVE it is not saved before.",
        "REPLYBUFFER <RESIZING <0|1> | PEAK-RESET-TIME <NEVER|RESET|milliseconds>>",
        "    Do nothing, for no client has a buffer for replies whose size follows what it asks for.",
        "SEGFAULT", "    Crash.",
        "SET-ACTIVE-EXPIRE <0|1>", "    Whether expired keys are removed before anybody looks for them.",
        "SET-DISABLE-DENY-SCRIPTS <0|1>", "    Whether scripts may run commands that are not for scripts.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>", "    Whether RESTORE and RDB files may have any checksum.",
        "SLEEP <seconds>", "    Do nothing for a time, which may have decimals. All clients wait.",
        "STRINGMATCH-LEN <count> <pattern>",
        "    Match a pattern against that many letters a, to see how long it takes.",
    ]

    // MARK: subcommands

    private static func sleep(_ text: ByteSlice) {
        // What strtod makes of it: text that is no number is 0.
        let seconds = unsafe strtod(text.description, nil)
        guard seconds > 0 else { return }
        Syscall.sleep(microseconds: Int(min(seconds, 1e9) * 1_000_000))
    }

    /// The integer that the text begins with, or 0.
    private static func leadingInteger(_ text: ByteSlice) -> Int { unsafe strtol(text.description, nil, 10) }

    private static func checkReplyBufferOption(_ arguments: Arguments) throws(CommandError) {
        switch arguments[2].lowercasedText {
        case "resizing": break
        case "peak-reset-time":
            let time = arguments[3]
            guard time.isWord("never") || time.isWord("reset") || Decimal.parse(time) != nil else { throw .notInteger }
        default: throw .subcommandSyntax(of: "DEBUG", arguments[1])
        }
    }

    private static func describe(_ key: ByteSlice, _ facts: ValueFacts?, _ reply: ReplyWriter) throws(CommandError) {
        guard let facts else { throw .noSuchKey }
        var text =
            "Value at:0x\(String(facts.address, radix: 16)) refcount:1 encoding:\(facts.encoding)"
        text +=
            " serializedlength:\(facts.serializedLength) lru:\(facts.accessClock) lru_seconds_idle:\(facts.idleSeconds)"
        reply.status(text: text)
    }

    private static func populate(_ context: SessionContext, _ arguments: Arguments) throws(CommandError) {
        func positive(_ index: Int) throws(CommandError) -> Int {
            guard let value = Decimal.parse(arguments[index]), value >= 0 else { throw .mustBePositive }
            return value
        }
        let count = try positive(2)
        // More cannot be held, and the loop would not end.
        guard count <= 1 << 32 else { throw .message("ERR Out of memory for so many keys") }
        let size = arguments.count == 5 ? try positive(4) : 0
        guard size <= context.server.engine.settings.maximumStringLength else { throw .stringTooLong }
        let prefix = arguments.count > 3 ? arguments[3].array : Array("key".utf8)
        context.server.engine.populate(count, prefix: prefix, size: size, database: context.connection.database)
        context.reply.ok()
    }

    private static func reload(_ server: Server, _ arguments: Arguments) throws(CommandError) {
        var (flushes, replaces, saves) = (true, false, true)
        var options = ArgumentReader(arguments, from: 2)
        while !options.isAtEnd {
            if options.takes("merge") {
                (flushes, replaces) = (false, true)
            } else if options.takes("noflush") {
                flushes = false
            } else if options.takes("nosave") {
                saves = false
            } else {
                throw .message("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
            }
        }
        let engine = server.engine
        // Reading would drop what has expired without a word.
        engine.removeExpired()
        if server.persistence.background?.rewrite == nil { server.persistence.cancelBackgroundSave() }
        guard server.persistence.loading == nil, !saves || server.persistence.saveNow() else { throw .message("ERR") }
        if flushes {
            engine.removeAll()
            server.scripts.flushFunctions()
        }
        guard server.loadSnapshot(replacing: replaces, serving: false) == .loaded else {
            throw .message("ERR Error trying to load the RDB dump, check server logs.")
        }
        server.log.notice("DB reloaded by DEBUG RELOAD")
    }

    private static func setPlainElementSize(_ context: SessionContext, _ text: ByteSlice) throws(CommandError) {
        // A listpack cannot tell of more than 4 GB.
        guard let size = SettingNumber.memory(text.array), size <= 1 << 32 - 1 << 20 else {
            throw .message("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
        }
        context.server.engine.settings.listPlainElementSize =
            size == 0 ? EngineSettings.unsetPlainElementSize : Int(size)
    }

    private static func matchLength(_ arguments: Arguments, _ reply: ReplyWriter) throws(CommandError) {
        guard let count = Decimal.parse(arguments[2]) else { throw .notInteger }
        guard (0...1 << 29).contains(count) else { throw .mustBePositive }
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: count)
        reply.integer(text.withByteSlice { Engine.matches(pattern: arguments[3], $0) } ? 1 : 0)
    }

    private static func showProtocol(_ type: ByteSlice, _ reply: ReplyWriter) throws(CommandError) {
        switch type.lowercasedText {
        case "string": reply.bulkString("Hello World")
        case "integer": reply.integer(12345)
        case "double": reply.double(3.141)
        case "bignum": reply.bigNumber("1234567999999999999999999999999999999")
        case "null": reply.null()
        case "array":
            reply.array(3)
            for value in 0..<3 { reply.integer(value) }
        case "set":
            reply.set(3)
            for value in 0..<3 { reply.integer(value) }
        case "map":
            reply.map(3)
            for value in 0..<3 {
                reply.integer(value)
                reply.boolean(value == 1)
            }
        case "attrib":
            if reply.version == .resp3 {
                reply.attribute(1)
                reply.bulkString("key-popularity")
                reply.array(2)
                reply.bulkString("key:123")
                reply.integer(90)
            }
            reply.bulkString("Some real reply following the attribute")
        case "push":
            guard reply.version == .resp3 else { throw .message("ERR RESP2 is not supported by this command") }
            // As in Redis 7.2, messages that are pushed during a command follow its reply.
            reply.bulkString("Some real reply following the push reply")
            reply.push(2)
            reply.bulkString("server-cpu-usage")
            reply.integer(42)
        case "verbatim": reply.verbatim(Array("This is a verbatim\nstring".utf8))
        case "true": reply.boolean(true)
        case "false": reply.boolean(false)
        default:
            throw .message(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
            )
        }
    }
}
