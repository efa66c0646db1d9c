// Commands on streams. Adding, ranges and deleting are here; trimming, reading, groups, claims and XINFO have files of
// their own.

import RespCodec

enum StreamCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "XADD", group: .stream, since: "5.0.0", arity: -5, flags: [.write, .denyOOM, .fast], effect: .explicit,
                keys: [
                    .first([.rw, .update], notes: "UPDATE instead of INSERT because of the optional trimming feature")
                ],
                tips: ["nondeterministic_output"],
                syntax:
                    "key [NOMKSTREAM]@6.2.0 condition=[KEEPREF | DELREF | ACKED] trim=[strategy=<MAXLEN | MINID@6.2.0> operator=[equal== | approximately=~] threshold [LIMIT count]@6.2.0] id-selector=<auto-id=* | id> field value [field value ...]",
                summary: "Adds an entry to a stream, and makes the stream if there is none.",
                complexity: "O(1), and O(N) in the entries trimmed", run: add
            )
            .changed("6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`.")
            .changed("7.0.0", "An id may leave out its number: `ms-*`.")
            .changed("8.2.0", "Takes `KEEPREF`, `DELREF` and `ACKED`."),
            Command(
                "XLEN", group: .stream, since: "5.0.0", arity: 2, flags: [.readOnly, .fast], keys: [.first(.ro)],
                syntax: "key", summary: "Returns how many entries there are.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                context.reply.integer(try context.stream(at: arguments[1], .read)?.length ?? 0)
            },
            ranger("XRANGE", syntax: "key start:string end:string [COUNT count]", "Returns entries in a range of ids.")
            {
                (context, arguments) throws(CommandError) in
                try range(context, arguments, low: 2, high: 3, backwards: false)
            }
            .changed("6.2.0", "Takes ranges without their ends."),
            ranger(
                "XREVRANGE", syntax: "key end:string start:string [COUNT count]",
                "Returns entries in a range of ids, the last first."
            ) {
                (context, arguments) throws(CommandError) in
                try range(context, arguments, low: 3, high: 2, backwards: true)
            }
            .changed("6.2.0", "Takes ranges without their ends."),
            Command(
                "XDEL", group: .stream, since: "5.0.0", arity: -3, flags: [.write, .fast], effect: .verbatim,
                keys: [.first([.rw, .delete])],
                syntax: "key id [id ...]", summary: "Deletes entries by their ids.", complexity: "O(1) for each entry",
                run: delete),
            Command(
                "XSETID", group: .stream, since: "5.0.0", arity: -3, flags: [.write, .denyOOM, .fast],
                effect: .verbatim,
                keys: [.first([.rw, .update])],
                syntax: "key last-id [ENTRIESADDED entries-added]@7.0.0 [MAXDELETEDID max-deleted-id]@7.0.0",
                summary: "Sets the last id of a stream and what else it remembers, as replication wants it.",
                complexity: "O(1)", run: setID
            )
            .changed("7.0.0", "Takes `ENTRIESADDED` and `MAXDELETEDID`."),
        ] + trimming + reading + groups + claiming + [information]

    private static func ranger(
        _ name: String, syntax: String, _ summary: String, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .stream, since: "5.0.0", arity: -4, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: syntax, summary: summary, complexity: "O(N) in the entries returned", run: run)
    }

    // MARK: ids

    static let invalidID = CommandError.message("ERR Invalid stream ID specified as stream command argument")

    /// The argument as an id, the sequence 0 if it has none.
    @inline(__always)
    static func id(_ text: ByteSlice) throws(CommandError) -> StreamID {
        guard let parsed = StreamID.parse(text) else { throw invalidID }
        return parsed.id
    }

    /// The ids in arguments `range`.
    static func ids(_ arguments: Arguments, _ range: Range<Int>) throws(CommandError) -> [StreamID] {
        var ids: [StreamID] = []
        ids.reserveCapacity(range.count)
        for index in range { ids.append(try id(arguments[index])) }
        return ids
    }

    /// The argument as the lower bound of a range, which "(" excludes.
    static func lowerBound(_ text: ByteSlice) throws(CommandError) -> StreamID {
        let (id, isExcluded) = try bound(text, missing: 0)
        guard isExcluded else { return id }
        guard let next = id.successor else { throw .message("ERR invalid start ID for the interval") }
        return next
    }

    /// The argument as the upper bound of a range, which "(" excludes.
    static func upperBound(_ text: ByteSlice) throws(CommandError) -> StreamID {
        let (id, isExcluded) = try bound(text, missing: .max)
        guard isExcluded else { return id }
        guard let previous = id.predecessor else { throw .message("ERR invalid end ID for the interval") }
        return previous
    }

    private static func bound(_ text: ByteSlice, missing: UInt64) throws(CommandError) -> (StreamID, Bool) {
        let isExcluded = text.count > 1 && text[0] == UInt8(ascii: "(")
        let number = isExcluded ? text.dropFirst(1) : text
        guard let parsed = StreamID.parse(number, missing: missing, edges: !isExcluded) else { throw invalidID }
        return (parsed.id, isExcluded)
    }

    /// Whether the argument is this one character. As in C, a zero byte ends the argument.
    static func isCharacter(_ text: ByteSlice, _ character: Unicode.Scalar) -> Bool {
        text.count > 0 && text[0] == UInt8(ascii: character) && (text.count == 1 || text[1] == 0)
    }

    // MARK: adding

    @Sendable private static func add(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let options = try AddOptions(arguments, isAdding: true, context)
        let content = StreamNode.Content(arguments: arguments, first: options.end + 1)
        guard arguments.count - content.first >= 2, (arguments.count - content.first) % 2 == 0 else {
            throw .wrongArity("xadd")
        }
        if let given = options.id, !given.choosesSequence && given.id == .zero {
            throw .message("ERR The ID specified in XADD must be greater than 0-0")
        }
        let key = arguments[1]
        let found = try context.stream(at: key, .write)
        if found == nil && options.mayNotMake { return context.reply.null() }
        let id = try newID(options, last: found?.lastID ?? .zero, now: context.now)
        let stream = if let found { found } else { try context.streamMade(at: key) }
        let limits = StreamValue.Limits(
            bytes: context.settings.streamNodeMaxBytes, entries: context.settings.streamNodeMaxEntries)
        guard stream.append(id, content, limits: limits) else {
            if found == nil, let slot = context.find(key, .peek) { context.removeQuietly(slot) }
            throw .message("ERR Elements are too large to be stored")
        }
        context.reply.id(id)
        context.changed(key, .xadd)
        if let trim = options.trim, trim.apply(to: stream) > 0 { context.changed(key, .xtrim, count: 0) }
        if context.isRecorded { tellAdded(context, arguments, options, id, stream) }
    }

    /// The id of an entry to add behind `last`.
    @inline(__always)
    private static func newID(_ options: AddOptions, last: StreamID, now: Int64) throws(CommandError) -> StreamID {
        guard last < .maximum else {
            throw .message("ERR The stream has exhausted the last possible ID, unable to add more items")
        }
        guard let given = options.id else {
            let milliseconds = UInt64(max(now, 0))
            if milliseconds > last.milliseconds { return StreamID(milliseconds: milliseconds, sequence: 0) }
            return last.successor ?? .maximum
        }
        var id = given.id
        if given.choosesSequence && id.milliseconds == last.milliseconds {
            let (sequence, overflow) = last.sequence.addingReportingOverflow(1)
            guard !overflow else { throw notGreater }
            id.sequence = sequence
        }
        guard id > last else { throw notGreater }
        return id
    }

    private static let notGreater = CommandError.message(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item")

    // MARK: ranges

    private static func range(
        _ context: KeyspaceContext, _ arguments: Arguments, low: Int, high: Int, backwards: Bool
    ) throws(CommandError) {
        let low = try lowerBound(arguments[low])
        let high = try upperBound(arguments[high])
        var count = Int.max
        var options = ArgumentReader(arguments, from: 4)
        while !options.isAtEnd {
            guard options.takes("count", with: 1) else { throw .syntax }
            count = max(try options.integer(), 0)
        }
        guard let stream = try context.stream(at: arguments[1], .read) else { return context.reply.array(0) }
        guard count > 0 else { return context.reply.nullArray() }
        var entries = stream.entries(from: low, to: high, backwards: backwards)
        _ = context.reply.entries(&entries, atMost: count)
    }

    // MARK: deleting and setting

    @Sendable private static func delete(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .write) else { return context.reply.integer(0) }
        // All are read before one is deleted, so that a wrong one leaves everything as it is.
        for index in 2..<arguments.count { _ = try id(arguments[index]) }
        var deleted = 0
        for index in 2..<arguments.count {
            let id = try id(arguments[index])
            guard stream.delete(id) else { continue }
            stream.maximumDeletedID = max(stream.maximumDeletedID, id)
            deleted += 1
        }
        if deleted > 0 { context.changed(key, .xdel, count: deleted) }
        context.reply.integer(deleted)
    }

    @Sendable private static func setID(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let last = try id(arguments[2])
        var added: Int?
        var deletedID = StreamID.zero
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            if options.takes("entriesadded", with: 1) {
                let count = try options.integer()
                guard count >= 0 else { throw .message("ERR entries_added must be positive") }
                added = count
            } else if options.takes("maxdeletedid", with: 1) {
                deletedID = try id(options.next())
                guard last >= deletedID else {
                    throw .message("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
                }
            } else {
                throw .syntax
            }
        }
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .write) else { throw .noSuchKey }
        guard last >= stream.maximumDeletedID else {
            throw .message("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
        }
        if let top = stream.lastEntryID {
            guard last >= top else {
                throw .message("ERR The ID specified in XSETID is smaller than the target stream top item")
            }
            if let added, added < stream.length {
                throw .message("ERR The entries_added specified in XSETID is smaller than the target stream length")
            }
        }
        stream.lastID = last
        if let added { stream.entriesAdded = added }
        if deletedID != .zero { stream.maximumDeletedID = deletedID }
        context.changed(key, .xsetID)
        context.reply.ok()
    }
}

extension ReplyWriter {
    /// A bulk string of an id's text.
    func id(_ id: StreamID) { id.withText { bulkString($0) } }

    /// An id or, for none, null.
    func id(_ id: StreamID?) { if let id { self.id(id) } else { null() } }

    /// An entry: its id, and its fields and values by turns.
    @inline(__always)
    func entry(_ entry: StreamNode.Entry, of entries: StreamEntries) {
        array(2)
        contents(entry, of: entries)
    }

    /// The two parts of an entry, without the array around them.
    @inline(__always)
    func contents(_ entry: StreamNode.Entry, of entries: StreamEntries) {
        id(entry.id)
        array(entry.fieldCount * 2)
        entries.forEachField(of: entry) { field, value in
            element(field)
            element(value)
        }
    }

    /// An array of at most `limit` entries; returns how many.
    func entries(_ entries: inout StreamEntries, atMost limit: Int) -> Int {
        let list = beginDeferred()
        var count = 0
        while count < limit, let entry = entries.next() {
            self.entry(entry, of: entries)
            count += 1
        }
        endArray(list, count: count)
        return count
    }
}

extension KeyEvent {
    static let xadd = KeyEvent(.stream, "xadd")
    static let xdel = KeyEvent(.stream, "xdel").servingClaimsOnly
    static let xtrim = KeyEvent(.stream, "xtrim").servingClaimsOnly
    static let xsetID = KeyEvent(.stream, "xsetid").keepingWatches.servingClaimsOnly
    static let xgroupCreate = KeyEvent(.stream, "xgroup-create").servingClaimsOnly
    static let xgroupSetID = KeyEvent(.stream, "xgroup-setid").keepingWatches.servingClaimsOnly
    static let xgroupDestroy = KeyEvent(.stream, "xgroup-destroy").keepingWatches
    static let xgroupCreateConsumer = KeyEvent(.stream, "xgroup-createconsumer").keepingWatches.servingClaimsOnly
    static let xgroupDelConsumer = KeyEvent(.stream, "xgroup-delconsumer").keepingWatches.servingClaimsOnly
}
