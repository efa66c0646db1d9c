// Runs the requests of an append-only file: effects of this server, or what Redis has written, which is much the same.
//
// Commands are found by the names that clients use, which a log has, and by their own ones, whatever `rename-command` says. Those on
// data and the few others that can be in a log run as calls of a client that there is not, their keys hashed and their memory asked for in
// batches, as those of clients are. None of them counts in the statistics.

import RespCodec
import StoreEngine

final class LogRunner {
    /// Why a request cannot be run.
    struct Mistake: Error {
        let offset: Int
        let reason: String
        var cause = Cause.damage
    }

    enum Cause {
        case damage
        /// It may not be the file that is at fault.
        case unknownCommand
        /// It takes the interpreter of scripts, which the system does not have.
        case noInterpreter
    }

    private let server: Server
    private let engine: Engine
    private let commands = CommandTable()
    private let hasRenamed: Bool
    private let connection: Connection
    private let reply = ReplyWriter(capacity: 16 * 1024)
    private let batch = RequestBatch()
    /// How many were answered with an error, and the first of them.
    private(set) var failureCount = 0
    private(set) var firstFailure: Mistake?

    init(_ server: Server) {
        self.server = server
        engine = server.engine
        server.scripts.lacksInterpreter = false
        hasRenamed = !server.configuration.settings.renamedCommands.isEmpty
        for command in Engine.allCommands { commands.add(CommandRecord(command)) }
        for command in SessionCommands.all { commands.add(CommandRecord(command)) }
        connection = Connection(
            .scripted(ScriptedPeer(descriptor: -1)), id: 0, isUnix: true, now: engine.now, unixPath: "")
    }

    deinit { unsafe reply.deallocate() }

    func knows(_ name: ByteSlice) -> Bool { find(name) != nil }

    private func find(_ name: ByteSlice) -> CommandHandle? {
        if hasRenamed, let meant = server.commands.find(name) {
            return Array(meant.record.info.name.utf8).withByteSlice { commands.find($0) }
        }
        return commands.find(name)
    }

    /// Runs what a reader has read.
    func run(_ reader: EffectReader) throws(Mistake) {
        reply.removeAll()
        var next = 0
        while next < reader.count {
            let range = next..<min(next + RequestReader.batchCapacity, reader.count)
            batch.lookUp(reader, range, engine: engine, database: connection.database) { find($0) }
            for index in range {
                let words = reader.words(index)
                let command = batch.command(index - range.lowerBound)
                do throws(Refusal) {
                    try run(command, words, batch.key(index - range.lowerBound))
                } catch {
                    throw Mistake(
                        offset: reader.offset(of: index), reason: error.reason,
                        cause: command == nil ? .unknownCommand : .damage)
                }
                if reply.hasUncountedErrors { try noteFailure(at: reader.offset(of: index), words) }
            }
            next = range.upperBound
        }
        if engine.hasGarbage { engine.freeSlice() }
    }

    private struct Refusal: Error {
        let reason: String
    }

    private func run(_ command: CommandHandle?, _ words: Arguments, _ key: HashedKey?) throws(Refusal) {
        guard var command else { throw Refusal(reason: "Unknown command '\(Self.shown(words[0]))'") }
        if command.data == nil, words.count > 1, let subcommand = command.record.subcommand(words[1]) {
            command = subcommand.handle
        }
        if command.data != nil {
            guard command.accepts(words.count) else {
                throw Refusal(reason: "Wrong number of arguments for '\(Self.shown(words[0]))'")
            }
        } else {
            let record = command.record
            let use = record.info.logUse
            guard command.accepts(words.count), record.session != nil,
                use != nil || !record.flags.isDisjoint(with: [.write, .mayWrite, .runsScript])
            else { throw Refusal(reason: "'\(Self.shown(words[0]))' has no place in an append-only file") }
            if use == .selectsDatabase { return try select(words[1]) }
        }
        var call = Call(command, words, for: connection, replyingTo: reply, key: key)
        call.isNested = true
        call.options = []
        server.perform(call)
    }

    private func select(_ word: ByteSlice) throws(Refusal) {
        guard let index = Decimal.parse(word), 0..<engine.databaseCount ~= index else {
            throw Refusal(
                reason: "Database \(Self.shown(word)) is selected, which there is not: see the setting databases")
        }
        connection.database = index
    }

    private static func shown(_ word: ByteSlice) -> String { word[0..<min(word.count, 100)].description }

    /// - Throws: if it is to end the start: what takes an interpreter where there is none would be lost with the next rewriting.
    private func noteFailure(at offset: Int, _ words: Arguments) throws(Mistake) {
        reply.errorsWereCounted()
        var failure = Mistake(offset: offset, reason: "'\(Self.shown(words[0]))': \(reply.lastError.description)")
        if server.scripts.lacksInterpreter {
            failure.cause = .noInterpreter
            throw failure
        }
        failureCount += 1
        if firstFailure == nil { firstFailure = failure }
    }
}
