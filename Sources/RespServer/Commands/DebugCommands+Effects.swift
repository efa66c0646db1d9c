// DEBUG EFFECTS: records what writes did, and proves that it gives the same data elsewhere and later.

import RespCodec
import StoreEngine

extension DebugCommands {
    static func effects(_ server: Server, _ arguments: Arguments, _ reply: ReplyWriter) throws(CommandError) {
        let engine = server.engine
        switch (arguments[2].lowercasedText, arguments.count) {
        case ("start", 3):
            guard engine.databasesInUse.allSatisfy({ $0.count == 0 }) else {
                throw .message("ERR Effects are recorded from no data on: use FLUSHALL before")
            }
            let log = EffectLog()
            server.appendOnly.recorded = log
            server.appendOnly.followSinks()
            reply.ok()
        case ("stop", 3):
            server.appendOnly.recorded = nil
            server.appendOnly.followSinks()
            reply.ok()
        case ("log", 3):
            try show(try recorded(server), reply)
        case ("replay", _):
            var lead: Int64 = 10 * 60 * 1000
            if arguments.count == 4 {
                guard let given = Decimal.parse(arguments[3]), (0...1 << 50).contains(given) else {
                    throw .notInteger
                }
                lead = Int64(given)
            }
            try replay(try recorded(server), of: engine, server.commands, lead: lead, reply)
        default:
            throw .subcommandSyntax(of: "DEBUG", arguments[1])
        }
    }

    private static func recorded(_ server: Server) throws(CommandError) -> [UInt8] {
        guard let log = server.appendOnly.recorded else { throw .message("ERR No effects are recorded") }
        // Those of a transaction in which this is asked.
        server.engine.endEffects()
        return log.bytes
    }

    private static func show(_ log: [UInt8], _ reply: ReplyWriter) throws(CommandError) {
        var requests: [[[UInt8]]] = []
        do throws(ReplayError) {
            try log.withByteSlice { bytes throws(ReplayError) in
                try Engine.forEachRequest(in: bytes) { requests.append($0.owned) }
            }
        } catch {
            throw .text("ERR \(error)")
        }
        reply.array(requests.count)
        for words in requests {
            reply.array(words.count)
            for word in words { reply.bulkString(word) }
        }
    }

    private static func replay(
        _ log: [UInt8], of engine: Engine, _ commands: CommandTable, lead: Int64, _ reply: ReplyWriter
    ) throws(CommandError) {
        let other = Engine(databases: engine.databaseCount)
        other.settings = engine.settings
        other.accessTracking = engine.accessTracking
        // How values are kept must not matter, but for scores: a packed 0 has no sign.
        other.settings.streamNodeMaxEntries = 3
        other.settings.listMaxPackedSize = 4
        other.settings.hashMaxPackedEntries = 4
        other.settings.setMaxPackedEntries = 4
        other.settings.setMaxIntsetEntries = 4
        other.setTime(engine.now + lead)
        var failures: [String]
        do throws(ReplayError) {
            failures = try log.withByteSlice { bytes throws(ReplayError) in
                // Some effects are not on data: libraries of functions are not the engine's.
                try other.replay(bytes) { commands.record(of: $0)?.session != nil }
            }
        } catch {
            throw .text("ERR \(error)")
        }
        failures += [engine.problemOfKeySizes(), other.problemOfKeySizes()].compactMap { $0 }
        reply.array(3)
        reply.bulkString(text: engine.exactDigest())
        reply.bulkString(text: other.exactDigest())
        reply.array(failures.count)
        for failure in failures { reply.bulkString(text: failure) }
    }
}
