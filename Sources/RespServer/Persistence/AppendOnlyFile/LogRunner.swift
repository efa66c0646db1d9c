// Runs the requests of an append-only file: effects of this server, or what Redis has written, which is much the same.
//
// Commands are found by the names that clients use, which a log has, and by their own ones, whatever `rename-command` says. Those on
// data go to the engine, their keys hashed and their memory asked for in batches, as those of clients are; the few others that can be in a
// log run as those of a client that there is not.

import RespCodec
import StoreEngine

@safe final class LogRunner {
    /// Why a request cannot be run.
    struct Mistake: Error {
        let offset: Int
        let reason: String
        /// Whether it may not be the file that is at fault.
        var isUnknownCommand = false
    }

    private let server: Server
    private let engine: Engine
    private let commands = CommandTable()
    private let hasRenamed: Bool
    private let connection: Connection
    private let reply = ReplyWriter(capacity: 16 * 1024)
    private let keys: UnsafeMutableBufferPointer<HashedKey>
    /// Of each request of a batch its command, and where its key is among those of the batch, -1 if it has none.
    private var calls: [BatchedCall] = []
    /// How many were answered with an error, and the first of them.
    private(set) var failureCount = 0
    private(set) var firstFailure: Mistake?

    init(_ server: Server) {
        self.server = server
        engine = server.engine
        hasRenamed = !server.configuration.settings.renamedCommands.isEmpty
        for command in Engine.allCommands { commands.add(CommandRecord(command)) }
        for command in SessionCommands.all { commands.add(CommandRecord(command)) }
        connection = Connection(
            .scripted(ScriptedPeer(descriptor: -1)), id: 0, isUnix: true, now: engine.now, unixPath: "")
        unsafe keys = .allocate(capacity: EffectReader.mostRequests)
    }

    deinit {
        unsafe reply.deallocate()
        unsafe keys.deallocate()
    }

    func knows(_ name: ByteSlice) -> Bool { find(name) != nil }

    private func find(_ name: ByteSlice) -> CommandHandle? {
        if hasRenamed, let meant = server.commands.find(name) {
            return Array(meant.record.info.name.utf8).withByteSlice { commands.find($0) }
        }
        return commands.find(name)
    }

    /// Runs what a reader has read.
    func run(_ reader: EffectReader) throws(Mistake) {
        let count = reader.count
        reply.removeAll()
        if count <= EffectReader.mostRequests { lookUp(reader, count) }
        for index in 0..<count {
            let words = reader.words(index)
            let isPrepared = index < calls.count
            let command = isPrepared ? calls[index].command : find(words[0])
            var key: HashedKey?
            if isPrepared && calls[index].key >= 0 { key = unsafe keys[calls[index].key] }
            let errors = reply.errorCount
            do throws(Refusal) {
                try run(command, words, key)
            } catch {
                throw Mistake(
                    offset: reader.offset(of: index), reason: error.reason, isUnknownCommand: command == nil)
            }
            if reply.errorCount != errors { noteFailure(at: reader.offset(of: index), words) }
        }
        calls.removeAll(keepingCapacity: true)
        if engine.hasGarbage { engine.freeSlice() }
    }

    private func lookUp(_ reader: EffectReader, _ count: Int) {
        var keyCount = 0
        calls.removeAll(keepingCapacity: true)
        for index in 0..<count {
            let words = reader.words(index)
            let command = find(words[0])
            var call = BatchedCall(command: command)
            if let command, command.firstKey > 0, command.firstKey < words.count {
                unsafe keys[keyCount] = HashedKey(words[command.firstKey])
                call.key = keyCount
                keyCount += 1
            }
            calls.append(call)
        }
        guard keyCount > 0 else { return }
        unsafe engine.prepare(
            UnsafeMutableBufferPointer(rebasing: keys[..<keyCount]), UnsafeMutableBufferPointer(start: nil, count: 0),
            database: connection.database)
    }

    private struct Refusal: Error {
        let reason: String
    }

    private func run(_ command: CommandHandle?, _ words: Arguments, _ key: HashedKey?) throws(Refusal) {
        guard var command else { throw Refusal(reason: "Unknown command '\(Self.shown(words[0]))'") }
        if command.data == nil, words.count > 1, let subcommand = command.record.subcommand(words[1]) {
            command = subcommand.handle
        }
        if let run = command.data {
            guard command.accepts(words.count) else {
                throw Refusal(reason: "Wrong number of arguments for '\(Self.shown(words[0]))'")
            }
            engine.run(
                run, keys: command.keys, words, database: connection.database, reply: reply, key: key, effect: .none)
        } else if words.count == 2 && words[0].equalsIgnoringCase("select") {
            guard let index = Decimal.parse(words[1]), 0..<engine.databaseCount ~= index else {
                throw Refusal(
                    reason:
                        "Database \(Self.shown(words[1])) is selected, which there is not: see the setting databases"
                )
            }
            connection.database = index
        } else {
            try runSession(command.record, words)
        }
    }

    private func runSession(_ record: CommandRecord, _ words: Arguments) throws(Refusal) {
        guard record.accepts(words.count), let run = record.session,
            record.info.group == .scripting || !record.flags.isDisjoint(with: [.write, .mayWrite])
        else { throw Refusal(reason: "'\(Self.shown(words[0]))' has no place in an append-only file") }
        var context = SessionContext(server: server, connection: connection, reply: reply, isNested: true)
        let start = reply.count
        do throws(CommandError) {
            try run(&context, words)
        } catch {
            reply.truncate(to: start)
            error.write(to: reply)
        }
    }

    private static func shown(_ word: ByteSlice) -> String { word[0..<min(word.count, 100)].description }

    private func noteFailure(at offset: Int, _ words: Arguments) {
        failureCount += 1
        guard firstFailure == nil else { return }
        firstFailure = Mistake(offset: offset, reason: "'\(Self.shown(words[0]))': \(reply.lastError.description)")
    }
}
