// Commands on lists. Pushing, popping and looking are here; changing elements in place, moving them between lists and
// waiting for them have files of their own.

import RespCodec

enum ListCommands {
    static let all: [Command<KeyspaceContext>] =
        pushing + popping + looking + editing + moving + blocking + movingMany

    // MARK: declaring

    static let popFlags: KeySpec.Flags = [.rw, .access, .delete]

    static let sourceAndDestination = [
        KeySpec(popFlags, begin: .index(1)), KeySpec([.rw, .insert], begin: .index(2)),
    ]

    // The functions are given whole, and have nothing of their own to keep: a closure with a context would cost every call counting
    // references to it.

    private static func pusher(
        _ name: String, since: String, _ summary: String, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .list, since: since, arity: -3, flags: [.write, .denyOOM, .fast], effect: .verbatim,
            keys: [.first([.rw, .insert])], syntax: "key element [element ...]", summary: summary,
            complexity: "O(N) in the elements", run: run)
    }

    private static func popper(
        _ name: String, _ summary: String, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .list, since: "1.0.0", arity: -2, flags: [.write, .fast], effect: .verbatim,
            keys: [KeySpec(popFlags, begin: .index(1))], syntax: "key [count]@6.2.0", summary: summary,
            complexity: "O(N) in the elements returned", run: run)
    }

    static let pushing: [Command<KeyspaceContext>] = [
        pusher("LPUSH", since: "1.0.0", "Puts elements at the head of a list, and returns its length.") {
            (context, arguments) throws(CommandError) in
            try push(context, arguments, at: .head, onlyExisting: false)
        }
        .changed("2.4.0", "Takes several elements."),
        pusher("RPUSH", since: "1.0.0", "Puts elements at the tail of a list, and returns its length.") {
            (context, arguments) throws(CommandError) in
            try push(context, arguments, at: .tail, onlyExisting: false)
        }
        .changed("2.4.0", "Takes several elements."),
        pusher("LPUSHX", since: "2.2.0", "Puts elements at the head of a list that exists.") {
            (context, arguments) throws(CommandError) in
            try push(context, arguments, at: .head, onlyExisting: true)
        }
        .changed("4.0.0", "Takes several elements."),
        pusher("RPUSHX", since: "2.2.0", "Puts elements at the tail of a list that exists.") {
            (context, arguments) throws(CommandError) in
            try push(context, arguments, at: .tail, onlyExisting: true)
        }
        .changed("4.0.0", "Takes several elements."),
    ]

    static let popping: [Command<KeyspaceContext>] = [
        popper("LPOP", "Takes elements from the head of a list and returns them.") {
            (context, arguments) throws(CommandError) in
            try pop(context, arguments, at: .head)
        }
        .changed("6.2.0", "Takes a count."),
        popper("RPOP", "Takes elements from the tail of a list and returns them.") {
            (context, arguments) throws(CommandError) in
            try pop(context, arguments, at: .tail)
        }
        .changed("6.2.0", "Takes a count."),
        Command(
            "LMPOP", group: .list, since: "7.0.0", arity: -4, flags: [.write, .movableKeys], effect: .explicit,
            keys: [KeySpec(popFlags, begin: .index(1), find: .keyCount(count: 0, first: 1, step: 1))],
            syntax: "numkeys key [key ...] where=<LEFT | RIGHT> [COUNT count]",
            summary: "Takes elements from the first list of several that has any, and returns them.",
            complexity: "O(N+M) in the keys and the elements returned"
        ) { (context, arguments) throws(CommandError) in
            let request = try PopRequest(arguments, from: 1, readEnd)
            guard try !popFromFirst(context, arguments, request) else { return }
            context.reply.nullArray()
        },
    ]

    static let looking: [Command<KeyspaceContext>] = [
        Command(
            "LLEN", group: .list, since: "1.0.0", arity: 2, flags: [.readOnly, .fast], keys: [.first(.ro)],
            syntax: "key", summary: "Returns the length of a list.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(try context.list(at: arguments[1], .read)?.count ?? 0)
        },
        Command(
            "LINDEX", group: .list, since: "1.0.0", arity: 3, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: "key index", summary: "Returns an element of a list by its index.",
            complexity: "O(N) in the elements to the nearer end", run: elementAtIndex),
        Command(
            "LRANGE", group: .list, since: "1.0.0", arity: 4, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: "key start stop", summary: "Returns a range of elements of a list.",
            complexity: "O(S+N) in the distance from the nearer end and the elements returned", run: range),
        Command(
            "LPOS", group: .list, since: "6.0.6", arity: -3, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
            summary: "Returns the indexes of elements that are equal to one given.",
            complexity: "O(N) in the elements looked at", run: positions),
    ]

    // MARK: pushing

    private static func push(
        _ context: KeyspaceContext, _ arguments: Arguments, at end: ListEnd, onlyExisting: Bool
    ) throws(CommandError) {
        let key = arguments[1]
        let list: ListValue
        if onlyExisting {
            guard let found = try context.list(at: key, .write) else { return context.reply.integer(0) }
            list = found
        } else {
            list = try context.listMade(at: key)
        }
        var bytes = 0
        for index in 2..<arguments.count { bytes += arguments[index].count }
        list.prepare(bytes: bytes, count: arguments.count - 2)
        for index in 2..<arguments.count { list.push(arguments[index], at: end) }
        context.changed(key, .pushed(at: end), count: arguments.count - 2)
        context.reply.integer(list.count)
    }

    // MARK: popping

    private static func pop(_ context: KeyspaceContext, _ arguments: Arguments, at end: ListEnd) throws(CommandError) {
        guard arguments.count <= 3 else { throw .wrongArity(end == .head ? "lpop" : "rpop") }
        let key = arguments[1]
        guard arguments.count == 3 else {
            guard let list = try context.list(at: key, .write) else { return context.reply.null() }
            context.reply.element(list.element(at: end))
            list.removeElement(at: end)
            context.popped(from: list, key, at: end, count: 1)
            return
        }
        let count = try arguments.count(2)
        guard let list = try context.list(at: key, .write) else { return context.reply.nullArray() }
        context.replyPopping(list, key, at: end, count: count)
    }

    static func readEnd(_ reader: inout ArgumentReader) throws(CommandError) -> ListEnd { try reader.listEnd() }

    /// Pops from the first of the keys that has a list; false if none has.
    static func popFromFirst(
        _ context: KeyspaceContext, _ arguments: Arguments, _ request: PopRequest<ListEnd>
    ) throws(CommandError) -> Bool {
        for index in request.keys where !context.passesOver(arguments[index], unless: .list) {
            guard let list = try context.list(at: arguments[index], .write) else { continue }
            context.reply.array(2)
            context.reply.bulkString(arguments[index])
            context.effect(request.end.popCommand, arguments[index], min(request.count, list.count))
            context.replyPopping(list, arguments[index], at: request.end, count: request.count)
            return true
        }
        return false
    }

    // MARK: looking

    @Sendable private static func elementAtIndex(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let reply = context.reply
        guard let list = try context.list(at: arguments[1], .read) else { return reply.null() }
        let index = try arguments.integer(2)
        list.withElement(at: index < 0 ? list.count + index : index) { element in
            if let element { reply.element(element) } else { reply.null() }
        }
    }

    @Sendable private static func range(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let start = try arguments.integer(2)
        let stop = try arguments.integer(3)
        guard let list = try context.list(at: arguments[1], .read) else { return context.reply.array(0) }
        let range = IndexRange(start, stop, count: list.count)
        context.replyElements(list, from: range.start, count: range.count)
    }

    @Sendable private static func positions(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        var rank = 1
        var wanted: Int?
        var limit = 0
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            if options.takes("rank", with: 1) {
                rank = try options.signedCount()
                guard rank != 0 else {
                    throw .message(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"
                    )
                }
            } else if options.takes("count", with: 1) {
                wanted = try options.integer(atLeast: 0, otherwise: .message("ERR COUNT can't be negative"))
            } else if options.takes("maxlen", with: 1) {
                limit = try options.integer(atLeast: 0, otherwise: .message("ERR MAXLEN can't be negative"))
            } else {
                throw .syntax
            }
        }
        let reply = context.reply
        guard let list = try context.list(at: arguments[1], .read) else {
            return wanted == nil ? reply.null() : reply.array(0)
        }
        let backwards = rank < 0
        let count = list.count
        let deferred = reply.beginDeferred()
        var skipped = rank.magnitude - 1
        var found = 0
        list.forEachMatch(PackedValue(arguments[2]), backwards: backwards, limit: limit == 0 ? Int.max : limit) {
            number in
            guard skipped == 0 else {
                skipped -= 1
                return true
            }
            reply.integer(backwards ? count - 1 - number : number)
            found += 1
            // Zero stands for all of them.
            return wanted == 0 || found < wanted ?? 1
        }
        if wanted != nil { reply.endArray(deferred, count: found) } else if found == 0 { reply.null() }
    }
}

/// A range of indexes as commands give it, the last included, negative ones counted from the end.
struct IndexRange {
    let start: Int
    /// 0 for a range that holds nothing.
    let count: Int

    init(_ start: Int, _ stop: Int, count total: Int) {
        let first = max(start < 0 ? total + start : start, 0)
        let last = min(stop < 0 ? total + stop : stop, total - 1)
        self.start = first
        count = first > last ? 0 : last - first + 1
    }
}

extension ListEnd {
    /// That takes from this end of one list.
    var popCommand: StaticString { self == .head ? "LPOP" : "RPOP" }
}

extension ArgumentReader {
    /// Reads LEFT or RIGHT, an end of a list.
    @inline(__always)
    mutating func listEnd() throws(CommandError) -> ListEnd { try either("left", or: "right") ? .head : .tail }
}

extension Arguments {
    /// Arguments 3 and 4 as the ends of the lists to move from and to.
    func listEnds() throws(CommandError) -> (from: ListEnd, to: ListEnd) {
        var reader = ArgumentReader(self, from: 3)
        return (try reader.listEnd(), try reader.listEnd())
    }
}

extension KeyspaceContext {
    /// A reply of `count` elements from number `start` on.
    func replyElements(_ list: ListValue, from start: Int, count: Int, backwards: Bool = false) {
        let reply = reply
        reply.array(count)
        guard count > 0 else { return }
        var left = count
        list.visit(from: start, backwards: backwards) { element in
            reply.element(element)
            left -= 1
            return left > 0
        }
    }

    /// Takes up to `count` elements from an end and answers with a list of them, the first taken first.
    func replyPopping(_ list: ListValue, _ key: ByteSlice, at end: ListEnd, count: Int) {
        let total = list.count
        let taken = min(count, total)
        replyElements(list, from: end == .head ? 0 : total - 1, count: taken, backwards: end == .tail)
        guard taken > 0 else { return }
        free(list.remove(from: end == .head ? 0 : total - taken, count: taken))
        popped(from: list, key, at: end, count: taken)
    }

    /// To be called when elements were taken from an end: says so, and removes a list that has none left.
    @inline(__always)
    func popped(from list: ListValue, _ key: ByteSlice, at end: ListEnd, count: Int) {
        changed(key, .popped(at: end), count: count)
        finishRemoving(from: list, key)
    }

    /// To be called when elements were taken out: removes a list that has none left, and packs one that has become
    /// small.
    @inline(__always)
    func finishRemoving(from list: ListValue, _ key: ByteSlice) {
        if list.count == 0 { removeEmptied(key) } else { list.shrink() }
    }

    /// Frees what was cut off a list, in slices if it is large.
    func free(_ rest: ListChain?) {
        if let rest { unsafe engine.freeing.free(rest) }
    }
}

extension KeyEvent {
    private static let lpush = KeyEvent(.list, "lpush")
    private static let rpush = KeyEvent(.list, "rpush")
    private static let lpop = KeyEvent(.list, "lpop")
    private static let rpop = KeyEvent(.list, "rpop")
    static let lset = KeyEvent(.list, "lset")
    static let linsert = KeyEvent(.list, "linsert")
    static let lrem = KeyEvent(.list, "lrem")
    static let ltrim = KeyEvent(.list, "ltrim")

    @inline(__always) static func pushed(at end: ListEnd) -> KeyEvent { end == .head ? lpush : rpush }
    @inline(__always) static func popped(at end: ListEnd) -> KeyEvent { end == .head ? lpop : rpop }
}
