// Trimming streams, and deleting entries with regard to the groups that may still want them.

import RespCodec

extension StreamCommands {
    static let trimming: [Command<KeyspaceContext>] = [
        Command(
            "XTRIM", group: .stream, since: "5.0.0", arity: -4, flags: [.write], effect: .explicit,
            keys: [.first([.rw, .delete])],
            tips: ["nondeterministic_output"],
            syntax:
                "key trim=<strategy=<MAXLEN | MINID@6.2.0> operator=[equal== | approximately=~] threshold [LIMIT count]@6.2.0 condition=[KEEPREF | DELREF | ACKED]>",
            summary: "Deletes the first entries of a stream.", complexity: "O(N) in the entries deleted", run: trim
        )
        .changed("6.2.0", "Takes `MINID` and `LIMIT`.")
        .changed("8.2.0", "Takes `KEEPREF`, `DELREF` and `ACKED`."),
        Command(
            "XDELEX", group: .stream, since: "8.2.0", arity: -5, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .delete])], syntax: "key condition=[KEEPREF | DELREF | ACKED] <IDS numids id [id ...]>",
            summary: "Deletes entries by their ids, with regard to groups.",
            complexity: "O(1) for each entry and group",
            run: deleteByReference),
        Command(
            "XACKDEL", group: .stream, since: "8.2.0", arity: -6, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .update, .delete])],
            syntax: "key group condition=[KEEPREF | DELREF | ACKED] <IDS numids id [id ...]>",
            summary: "Acknowledges entries in a group and deletes them, with regard to other groups.",
            complexity: "O(1) for each entry and group", run: acknowledgeAndDelete),
    ]

    /// How a stream is to be trimmed.
    struct Trim {
        let threshold: StreamValue.Threshold
        var isApproximate = false
        /// At most about how many entries go; 0 for any number.
        var most = 0
        var references = StreamValue.References.keep

        func apply(to stream: StreamValue) -> Int {
            stream.trim(to: threshold, approximately: isApproximate, most: most, references: references)
        }
    }

    /// The options of XADD and XTRIM.
    struct AddOptions {
        private(set) var trim: Trim?
        private(set) var mayNotMake = false
        /// Nil for one to be chosen.
        private(set) var id: StreamID.Parsed?
        /// The index of the id, or of the end.
        private(set) var end: Int

        @inline(__always)
        init(_ arguments: Arguments, isAdding: Bool, _ context: KeyspaceContext) throws(CommandError) {
            end = 2
            if isAdding && StreamCommands.isCharacter(arguments[2], "*") { return }
            try parse(arguments, isAdding: isAdding, context)
        }

        private mutating func parse(
            _ arguments: Arguments, isAdding: Bool, _ context: KeyspaceContext
        ) throws(CommandError) {
            var limit: Int?
            var references: StreamValue.References?
            var options = ArgumentReader(arguments, from: 2)
            options: while !options.isAtEnd {
                if isAdding && options.isAt("*") {
                    break
                } else if options.takes("maxlen", with: 1) {
                    trim = try Self.threshold(&options, ofLength: true, isGiven: trim != nil)
                } else if options.takes("minid", with: 1) {
                    trim = try Self.threshold(&options, ofLength: false, isGiven: trim != nil)
                } else if options.takes("limit", with: 1) {
                    let count = try options.integer()
                    guard count >= 0 else { throw .message("ERR The LIMIT argument must be >= 0.") }
                    limit = count
                } else if isAdding && options.takes("nomkstream") {
                    mayNotMake = true
                } else if references == nil, let word = options.takesReferences() {
                    references = word
                } else if isAdding {
                    guard let parsed = StreamID.parse(options.current, choice: true) else { throw invalidID }
                    id = parsed
                    break options
                } else {
                    throw .syntax
                }
            }
            end = options.index
            guard var trim else {
                if let limit, limit > 0 {
                    throw .message("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
                }
                if !isAdding { throw .message("ERR syntax error, XTRIM must be called with a trimming strategy") }
                // A limit of 0 alone is refused only for lack of "~".
                if limit != nil { throw Self.limitNeedsApproximation }
                return
            }
            // Redis logs what "~" came to as "=", and leaves the limit.
            if let limit, trim.isApproximate || !context.engine.isReplaying {
                guard trim.isApproximate else { throw Self.limitNeedsApproximation }
                trim.most = limit
            } else if trim.isApproximate {
                let (nodes, overflow) = context.settings.streamNodeMaxEntries.multipliedReportingOverflow(by: 100)
                trim.most = overflow ? 1_000_000 : nodes <= 0 ? 10_000 : min(nodes, 1_000_000)
            }
            trim.references = references ?? .keep
            self.trim = trim
        }

        private static let limitNeedsApproximation = CommandError.message(
            "ERR syntax error, LIMIT cannot be used without the special ~ option")

        /// Reads a threshold, with a sign before it or without.
        private static func threshold(
            _ reader: inout ArgumentReader, ofLength isLength: Bool, isGiven: Bool
        ) throws(CommandError) -> Trim {
            guard !isGiven else {
                throw .message("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
            }
            let isApproximate = reader.takes("~", with: 1)
            if !isApproximate { _ = reader.takes("=", with: 1) }
            guard isLength else {
                return Trim(threshold: .id(try StreamCommands.id(reader.next())), isApproximate: isApproximate)
            }
            let length = try reader.integer()
            guard length >= 0 else { throw .message("ERR The MAXLEN argument must be >= 0.") }
            return Trim(threshold: .length(length), isApproximate: isApproximate)
        }
    }

    @Sendable private static func trim(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let options = try AddOptions(arguments, isAdding: false, context)
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .write), let trim = options.trim else {
            return context.reply.integer(0)
        }
        let deleted = trim.apply(to: stream)
        if deleted > 0 {
            context.changed(key, .xtrim, count: deleted)
            tellTrimmed(context, arguments, trim, stream)
        }
        context.reply.integer(deleted)
    }

    // MARK: with regard to groups

    /// Where the ids of "IDS numids id [id ...]" are, and the words around them, from an argument on. The ids themselves are read
    /// only when there is a stream to look for them in.
    struct IDBlock {
        private(set) var references = StreamValue.References.keep
        private(set) var range = 0..<0

        init(_ arguments: Arguments, from start: Int) throws(CommandError) {
            var isGiven = false
            var options = ArgumentReader(arguments, from: start)
            while !options.isAtEnd {
                if !isGiven, let word = options.takesReferences() {
                    references = word
                    isGiven = true
                } else if options.takes("ids", with: 1) {
                    // Where there are several, the last counts.
                    range = try options.ids()
                } else {
                    throw .syntax
                }
            }
            guard !range.isEmpty else { throw .syntax }
        }
    }

    /// What XDELEX and XACKDEL say about an id.
    private enum Outcome: Int {
        case absent = -1
        case deleted = 1
        /// Not deleted, because a group still wants it.
        case referenced = 2
    }

    @Sendable private static func deleteByReference(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let key = arguments[1]
        let stream = try context.stream(at: key, .write)
        let block = try IDBlock(arguments, from: 2)
        let reply = context.reply
        reply.array(block.range.count)
        guard let stream else {
            for _ in block.range { reply.integer(Outcome.absent.rawValue) }
            return
        }
        var (deleted, changes) = (0, 0)
        for id in try ids(arguments, block.range) {
            let outcome = delete(id, from: stream, block.references, &changes)
            if outcome == .deleted { deleted += 1 }
            reply.integer(outcome.rawValue)
        }
        finish(context, key, deleted: deleted, changes: changes)
    }

    @Sendable private static func acknowledgeAndDelete(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let key = arguments[1]
        let stream = try context.stream(at: key, .update)
        let block = try IDBlock(arguments, from: 3)
        let reply = context.reply
        reply.array(block.range.count)
        guard let stream, let group = stream.group(arguments[2]) else {
            for _ in block.range { reply.integer(Outcome.absent.rawValue) }
            return
        }
        var (deleted, changes) = (0, 0)
        for id in try ids(arguments, block.range) {
            guard group.removePending(id) else {
                reply.integer(Outcome.absent.rawValue)
                continue
            }
            changes += 1
            var more = 0
            var outcome = delete(id, from: stream, block.references, &more)
            if outcome == .deleted { deleted += 1 }
            // What is not in the stream any more was acknowledged all the same.
            if outcome == .absent { outcome = .deleted }
            reply.integer(outcome.rawValue)
        }
        finish(context, key, deleted: deleted, changes: changes)
    }

    /// Deletes one entry, counting in `changes` what has changed.
    private static func delete(
        _ id: StreamID, from stream: StreamValue, _ references: StreamValue.References, _ changes: inout Int
    ) -> Outcome {
        switch references {
        case .keep: break
        case .delete: changes += stream.removeReferences(to: id) ? 1 : 0
        case .acknowledged:
            // As in Redis, also one that is not in the stream, when a group has it pending or has not come that far.
            if stream.isReferenced(id) { return .referenced }
        }
        let before = changes
        guard stream.delete(id) else { return .absent }
        stream.maximumDeletedID = max(stream.maximumDeletedID, id)
        changes = before + (references == .delete && before > 0 ? 0 : 1)
        return .deleted
    }

    private static func finish(_ context: KeyspaceContext, _ key: ByteSlice, deleted: Int, changes: Int) {
        if deleted > 0 {
            context.changed(key, .xdel, count: max(deleted, changes))
        } else if changes > 0 {
            context.changed(key, .pending, count: changes)
        }
    }
}

extension ArgumentReader {
    /// Takes the word for what becomes of references to entries, if one comes next.
    mutating func takesReferences() -> StreamValue.References? {
        if takes("keepref") { return .keep }
        if takes("delref") { return .delete }
        return takes("acked") ? .acknowledged : nil
    }

    /// Reads a number of ids and passes over as many ids, whose indexes it returns.
    mutating func ids() throws(CommandError) -> Range<Int> {
        let count = try integer(atLeast: 1, otherwise: .message("ERR Number of IDs must be a positive integer"))
        return try take(
            count, otherwise: .message("ERR The `numids` parameter must match the number of arguments"))
    }
}
