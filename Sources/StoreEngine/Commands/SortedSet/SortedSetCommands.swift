// Commands on sorted sets. Members, their scores and ranks are here; ranges, popping, random members and algebra have files of their own.

import RespCodec

enum SortedSetCommands {
    static let all = members + ranges + popping + random + algebra

    private static let members: [Command<KeyspaceContext>] = [
        Command(
            "ZADD", group: .sortedSet, since: "1.2.0", arity: -4, flags: [.write, .denyOOM, .fast], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax:
                "key condition=[NX | XX]@3.0.2 comparison=[GT | LT]@6.2.0 [change=CH]@3.0.2 [increment=INCR]@3.0.2 score member [score member ...]",
            summary: "Adds members with scores, or gives members other scores.",
            complexity: "O(log(N)) for each member of N"
        ) { (context, arguments) throws(CommandError) in try add(context, arguments, increments: false) }
        .lookingForMember(at: 3)
        .changed("2.4.0", "Takes several members.")
        .changed("3.0.2", "Takes `XX`, `NX`, `CH` and `INCR`.")
        .changed("6.2.0", "Takes `GT` and `LT`."),
        Command(
            "ZINCRBY", group: .sortedSet, since: "1.2.0", arity: 4, flags: [.write, .denyOOM, .fast], effect: .verbatim,
            keys: [.first([.rw, .access, .update])], syntax: "key increment member",
            summary: "Adds to the score of a member.", complexity: "O(log(N)) in the members"
        ) { (context, arguments) throws(CommandError) in try add(context, arguments, increments: true) }
        .lookingForMember(at: 3),
        Command(
            "ZREM", group: .sortedSet, since: "1.2.0", arity: -3, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .delete])],
            syntax: "key member [member ...]", summary: "Removes members, and the sorted set with the last of them.",
            complexity: "O(M*log(N)) to remove M of N members", run: remove
        ).lookingForMember(at: 2)
            .changed("2.4.0", "Takes several members."),
        reader(
            "ZCARD", since: "1.2.0", arity: 2, keyFlags: [.ro], syntax: "key",
            summary: "Returns how many members there are."
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(try context.sortedSet(at: arguments[1], .read)?.count ?? 0)
        },
        reader(
            "ZSCORE", since: "1.2.0", arity: 3, syntax: "key member", summary: "Returns the score of a member."
        ) { (context, arguments) throws(CommandError) in
            replyScore(context.reply, try context.sortedSet(at: arguments[1], .read)?.score(of: arguments[2]))
        }.lookingForMember(at: 2),
        reader(
            "ZMSCORE", since: "6.2.0", arity: -3, syntax: "key member [member ...]",
            summary: "Returns the scores of members.", complexity: "O(N) in the members asked for"
        ) { (context, arguments) throws(CommandError) in
            let set = try context.sortedSet(at: arguments[1], .read)
            context.reply.array(arguments.count - 2)
            for index in 2..<arguments.count { replyScore(context.reply, set?.score(of: arguments[index])) }
        }.lookingForMember(at: 2),
        reader(
            "ZRANK", since: "2.0.0", arity: -3, syntax: "key member [WITHSCORE]",
            summary: "Returns how many members have lower scores than a member.", complexity: "O(log(N)) in the members"
        ) { (context, arguments) throws(CommandError) in try rank(context, arguments, "zrank") { rank, _ in rank } }
        .lookingForMember(at: 2)
        .changed("7.2.0", "Takes `WITHSCORE`."),
        reader(
            "ZREVRANK", since: "2.0.0", arity: -3, syntax: "key member [WITHSCORE]",
            summary: "Returns how many members have higher scores than a member.",
            complexity: "O(log(N)) in the members"
        ) { (context, arguments) throws(CommandError) in
            try rank(context, arguments, "zrevrank") { rank, count in count - 1 - rank }
        }.lookingForMember(at: 2)
            .changed("7.2.0", "Takes `WITHSCORE`."),
        reader(
            "ZCOUNT", since: "2.0.0", arity: 4, syntax: "key min:double max:double",
            summary: "Returns how many members have scores in a range.", complexity: "O(log(N)) in the members"
        ) { (context, arguments) throws(CommandError) in
            let range = try ScoreRange(arguments[2], arguments[3])
            context.reply.integer(try context.sortedSet(at: arguments[1], .read)?.ranks(in: range).count ?? 0)
        },
        reader(
            "ZLEXCOUNT", since: "2.8.9", arity: 4, syntax: "key min max",
            summary: "Returns how many members of equal scores are in a range.", complexity: "O(log(N)) in the members"
        ) { (context, arguments) throws(CommandError) in
            let range = try MemberRange(arguments[2], arguments[3])
            context.reply.integer(try context.sortedSet(at: arguments[1], .read)?.ranks(in: range).count ?? 0)
        },
    ]

    private static func reader(
        _ name: String, since: String, arity: Int, keyFlags: KeySpec.Flags = [.ro, .access], syntax: String,
        summary: String, complexity: String = "O(1)", run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: since, arity: arity, flags: [.readOnly, .fast],
            keys: [KeySpec(keyFlags, begin: .index(1))], syntax: syntax, summary: summary, complexity: complexity,
            run: run)
    }

    private static func replyScore(_ reply: ReplyWriter, _ score: Double?) {
        if let score { reply.double(score) } else { reply.null() }
    }

    // MARK: adding

    /// What ZADD was told besides members and scores.
    private struct AddOptions {
        var condition: SortedSetValue.Condition = []
        var countsUpdates = false
        var increments: Bool
        /// Where the first score is.
        let end: Int

        init(_ arguments: Arguments, increments: Bool) throws(CommandError) {
            self.increments = increments
            var options = ArgumentReader(arguments, from: 2)
            options: while !options.isAtEnd {
                // Scores do not begin with these letters: most requests are done here.
                switch options.initial {
                case UInt8(ascii: "n") where options.takes("nx"): condition.insert(.isNew)
                case UInt8(ascii: "x") where options.takes("xx"): condition.insert(.exists)
                case UInt8(ascii: "g") where options.takes("gt"): condition.insert(.isGreater)
                case UInt8(ascii: "l") where options.takes("lt"): condition.insert(.isLess)
                case UInt8(ascii: "c") where options.takes("ch"): countsUpdates = true
                case UInt8(ascii: "i") where options.takes("incr"): self.increments = true
                default: break options
                }
            }
            end = options.index
            let left = options.left
            guard left > 0 && left % 2 == 0 else { throw .syntax }
            if condition.contains(.isNew) && condition.contains(.exists) {
                throw .message("ERR XX and NX options at the same time are not compatible")
            }
            let comparisons: SortedSetValue.Condition = [.isGreater, .isLess]
            if condition.isSuperset(of: comparisons)
                || condition.contains(.isNew) && !condition.isDisjoint(with: comparisons)
            {
                throw .message("ERR GT, LT, and/or NX options at the same time are not compatible")
            }
            if self.increments && left > 2 {
                throw .message("ERR INCR option supports a single increment-element pair")
            }
        }
    }

    private static func add(
        _ context: KeyspaceContext, _ arguments: Arguments, increments: Bool
    ) throws(CommandError) {
        let options = try AddOptions(arguments, increments: increments)
        let first = options.end
        let pairs = (arguments.count - first) / 2
        // All scores are read before anything is changed.
        let score = try arguments.double(first)
        var more: [Double] = []
        if pairs > 1 {
            more.reserveCapacity(pairs - 1)
            for pair in 1..<pairs { more.append(try arguments.double(first + 2 * pair)) }
        }
        let key = arguments[1]
        let found =
            options.condition.contains(.exists)
            ? try context.sortedSet(at: key, .write) : try context.sortedSetMade(at: key)
        guard let set = found else {
            return options.increments ? context.reply.null() : context.reply.integer(0)
        }
        set.prepare(for: pairs)
        if options.increments { return try increment(context, set, arguments, score, options) }
        var added = 0
        var updated = 0
        for pair in 0..<pairs {
            switch set.change(
                arguments[first + 2 * pair + 1], pair == 0 ? score : more[pair - 1], when: options.condition)
            {
            case .added: added += 1
            case .updated: updated += 1
            case .kept, .refused, .notANumber: break
            }
        }
        if added + updated > 0 { context.changed(key, .zadd, count: added + updated) }
        context.reply.integer(options.countsUpdates ? added + updated : added)
    }

    private static func increment(
        _ context: KeyspaceContext, _ set: SortedSetValue, _ arguments: Arguments, _ score: Double,
        _ options: AddOptions
    ) throws(CommandError) {
        switch set.change(arguments[options.end + 1], score, adds: true, when: options.condition) {
        case .added(let score), .updated(let score):
            context.changed(arguments[1], .zincr)
            context.reply.double(score)
        case .kept(let score): context.reply.double(score)
        case .refused: context.reply.null()
        case .notANumber: throw .message("ERR resulting score is not a number (NaN)")
        }
    }

    // MARK: removing and ranks

    @Sendable private static func remove(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        guard let set = try context.sortedSet(at: key, .write) else { return context.reply.integer(0) }
        var removed = 0
        for index in 2..<arguments.count where set.remove(arguments[index]) { removed += 1 }
        if removed > 0 { context.changed(key, .zrem, count: removed) }
        if set.count == 0 { context.removeEmptied(key) }
        context.reply.integer(removed)
    }

    /// - Parameter place: the rank to reply, of a rank from the lowest score on and the number of members.
    private static func rank(
        _ context: KeyspaceContext, _ arguments: Arguments, _ name: String, _ place: (Int, Int) -> Int
    ) throws(CommandError) {
        guard arguments.count <= 4 else { throw .wrongArity(name) }
        var options = ArgumentReader(arguments, from: 3)
        let withScore = options.takes("withscore")
        try options.end()
        let reply = context.reply
        guard let set = try context.sortedSet(at: arguments[1], .read),
            let (rank, score) = set.rankAndScore(of: arguments[2])
        else { return withScore ? reply.nullArray() : reply.null() }
        if withScore { reply.array(2) }
        reply.integer(place(rank, set.count))
        if withScore { reply.double(score) }
    }
}

extension KeyEvent {
    static let zadd = KeyEvent(.sortedSet, "zadd")
    static let zincr = KeyEvent(.sortedSet, "zincr")
    static let zrem = KeyEvent(.sortedSet, "zrem")
    static let zremRangeByRank = KeyEvent(.sortedSet, "zremrangebyrank")
    static let zremRangeByScore = KeyEvent(.sortedSet, "zremrangebyscore")
    static let zremRangeByLex = KeyEvent(.sortedSet, "zremrangebylex")
    static let zpopMin = KeyEvent(.sortedSet, "zpopmin")
    static let zpopMax = KeyEvent(.sortedSet, "zpopmax")
    static let zrangeStore = KeyEvent(.sortedSet, "zrangestore")
    static let zunionStore = KeyEvent(.sortedSet, "zunionstore")
    static let zinterStore = KeyEvent(.sortedSet, "zinterstore")
    static let zdiffStore = KeyEvent(.sortedSet, "zdiffstore")
}
