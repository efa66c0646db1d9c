// Parts of sorted sets by rank, score or member: returned, stored or removed.

import RespCodec

extension SortedSetCommands {
    static let ranges: [Command<KeyspaceContext>] = [
        ranger(
            "ZRANGE", since: "1.2.0",
            syntax:
                "key start:string stop:string sortby=[BYSCORE | BYLEX]@6.2.0 [REV]@6.2.0 [LIMIT offset count]@6.2.0 [WITHSCORES]",
            summary: "Returns members in a range of ranks, scores or members."
        ) { (context, arguments) throws(CommandError) in
            try replyRange(context, arguments, nil, reversed: nil)
        }
        .changed("6.2.0", "Takes `REV`, `BYSCORE`, `BYLEX` and `LIMIT`."),
        ranger(
            "ZREVRANGE", since: "1.2.0",
            syntax: "key start stop [WITHSCORES]",
            summary: "Returns members in a range of ranks, the highest score first."
        ) { (context, arguments) throws(CommandError) in
            try replyRange(context, arguments, .ranks, reversed: true)
        }
        .deprecated("6.2.0", replacedBy: "`ZRANGE` with `REV`"),
        ranger(
            "ZRANGEBYSCORE", since: "1.0.5",
            syntax: "key min:double max:double [WITHSCORES]@2.0.0 [LIMIT offset count]",
            summary: "Returns members in a range of scores."
        ) { (context, arguments) throws(CommandError) in
            try replyRange(context, arguments, .scores, reversed: false)
        }
        .changed("2.0.0", "Takes `WITHSCORES`.")
        .deprecated("6.2.0", replacedBy: "`ZRANGE` with `BYSCORE`"),
        ranger(
            "ZREVRANGEBYSCORE", since: "2.2.0",
            syntax: "key max:double min:double [WITHSCORES] [LIMIT offset count]",
            summary: "Returns members in a range of scores, the highest first."
        ) { (context, arguments) throws(CommandError) in
            try replyRange(context, arguments, .scores, reversed: true)
        }
        .changed("2.1.6", "The range may be without its ends.")
        .deprecated("6.2.0", replacedBy: "`ZRANGE` with `REV` and `BYSCORE`"),
        ranger(
            "ZRANGEBYLEX", since: "2.8.9",
            syntax: "key min max [LIMIT offset count]",
            summary: "Returns members of equal scores in a range of members."
        ) { (context, arguments) throws(CommandError) in
            try replyRange(context, arguments, .members, reversed: false)
        }
        .deprecated("6.2.0", replacedBy: "`ZRANGE` with `BYLEX`"),
        ranger(
            "ZREVRANGEBYLEX", since: "2.8.9",
            syntax: "key max min [LIMIT offset count]",
            summary: "Returns members of equal scores in a range of members, the last first."
        ) { (context, arguments) throws(CommandError) in
            try replyRange(context, arguments, .members, reversed: true)
        }
        .deprecated("6.2.0", replacedBy: "`ZRANGE` with `REV` and `BYLEX`"),
        Command(
            "ZRANGESTORE", group: .sortedSet, since: "6.2.0", arity: -5, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [.first([.ow, .update]), KeySpec([.ro, .access], begin: .index(2))],
            syntax: "dst src min max sortby=[BYSCORE | BYLEX] [REV] [LIMIT offset count]",
            summary: "Stores members in a range of ranks, scores or members.",
            complexity: "O(log(N)+M*log(M)) for M of N members", run: storeRange),
        remover(
            "ZREMRANGEBYRANK", since: "2.0.0", syntax: "key start stop", summary: "Removes members in a range of ranks."
        ) { (context, arguments) throws(CommandError) in
            let first = try arguments.integer(2)
            let last = try arguments.integer(3)
            try removeRange(context, arguments, .zremRangeByRank) { $0.ranks(from: first, through: last) }
        },
        remover(
            "ZREMRANGEBYSCORE", since: "1.2.0", syntax: "key min:double max:double",
            summary: "Removes members in a range of scores."
        ) { (context, arguments) throws(CommandError) in
            let range = try ScoreRange(arguments[2], arguments[3])
            try removeRange(context, arguments, .zremRangeByScore) { $0.ranks(in: range) }
        },
        remover(
            "ZREMRANGEBYLEX", since: "2.8.9", syntax: "key min max",
            summary: "Removes members of equal scores in a range of members."
        ) { (context, arguments) throws(CommandError) in
            let range = try MemberRange(arguments[2], arguments[3])
            try removeRange(context, arguments, .zremRangeByLex) { $0.ranks(in: range) }
        },
    ]

    private static func ranger(
        _ name: String, since: String, syntax: String, summary: String,
        run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: since, arity: -4, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: syntax, summary: summary, complexity: "O(log(N)+M) for M of N members", run: run)
    }

    private static func replyRange(
        _ context: KeyspaceContext, _ arguments: Arguments, _ kind: RangeQuery.Kind?, reversed: Bool?
    ) throws(CommandError) {
        let query = try RangeQuery(arguments, from: 2, kind, isReversed: reversed, takesScores: true)
        guard let set = try context.sortedSet(at: arguments[1], .read) else { return context.reply.array(0) }
        let ranks = query.ranks(of: set)
        let list = PairList(context.reply, withValues: query.withScores)
        list.begin(ranks.count)
        set.forEach(ranks, reversed: query.isReversed) { list.add($0, $1) }
    }

    private static func remover(
        _ name: String, since: String, syntax: String, summary: String, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: since, arity: 4, flags: [.write], effect: .verbatim,
            keys: [.first([.rw, .delete])],
            syntax: syntax, summary: summary, complexity: "O(log(N)+M) to remove M of N members", run: run)
    }

    @Sendable private static func storeRange(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let query = try RangeQuery(arguments, from: 3, nil, isReversed: nil, takesScores: false)
        let set = try context.sortedSet(at: arguments[2], .read)
        var builder = SortedSetBuilder(context.database)
        if let set {
            set.forEach(query.ranks(of: set), reversed: false) { member, score in
                member.withBytes { builder.add($0, score) }
            }
        }
        let count = builder.count
        context.store(&builder, at: arguments[1], .zrangeStore)
        context.reply.integer(count)
    }

    private static func removeRange(
        _ context: KeyspaceContext, _ arguments: Arguments, _ event: KeyEvent, _ ranks: (SortedSetValue) -> Range<Int>
    ) throws(CommandError) {
        guard let set = try context.sortedSet(at: arguments[1], .write) else { return context.reply.integer(0) }
        let ranks = ranks(set)
        context.reply.integer(ranks.count)
        context.removeRanks(ranks, of: set, at: arguments[1], event)
    }
}

extension KeyspaceContext {
    /// Removes the members of these ranks, and the key with the last of them, and says so.
    func removeRanks(_ ranks: Range<Int>, of set: SortedSetValue, at key: ByteSlice, _ event: KeyEvent) {
        guard !ranks.isEmpty else { return }
        let isAll = ranks.count == set.count
        // All of them go with the key, in slices.
        if !isAll { set.remove(ranks: ranks) }
        changed(key, event, count: ranks.count)
        if isAll { removeEmptied(key) }
    }
}

/// Which part of a sorted set a command asks for, in what direction.
struct RangeQuery {
    enum Kind {
        case ranks
        case scores
        case members
    }

    private enum Bounds {
        case ranks(first: Int, last: Int)
        case scores(ScoreRange)
        case members(MemberRange)
    }

    /// What is told by words rather than by the bounds.
    private struct Options {
        var kind: Kind?
        var isReversed: Bool?
        var withScores = false
        var offset = 0
        var limit = -1

        /// Reads the words behind the bounds, of which most requests have none.
        @inline(never)
        mutating func read(_ arguments: Arguments, from start: Int, takesScores: Bool) throws(CommandError) {
            var reader = ArgumentReader(arguments, from: start)
            while !reader.isAtEnd {
                if takesScores && reader.takes("withscores") {
                    withScores = true
                } else if let limits = try reader.takesLimits() {
                    (offset, limit) = limits
                } else if isReversed == nil && reader.takes("rev") {
                    isReversed = true
                } else if kind == nil && reader.takes("bylex") {
                    kind = .members
                } else if kind == nil && reader.takes("byscore") {
                    kind = .scores
                } else {
                    throw .syntax
                }
            }
            if limit != -1 && (kind ?? .ranks) == .ranks {
                throw .message(
                    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
            }
            if withScores && kind == .members {
                throw .message("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
            }
        }
    }

    private let bounds: Bounds
    private let options: Options

    var isReversed: Bool { options.isReversed ?? false }
    var withScores: Bool { options.withScores }

    /// Reads two bounds from argument `start` on, and the options behind them.
    /// - Parameters:
    ///   - kind: what the bounds are, or nil if an option says it; the same with `isReversed`.
    ///   - takesScores: whether WITHSCORES may be asked for.
    init(
        _ arguments: Arguments, from start: Int, _ kind: Kind?, isReversed: Bool?, takesScores: Bool
    ) throws(CommandError) {
        var options = Options(kind: kind, isReversed: isReversed)
        if arguments.count > start + 2 { try options.read(arguments, from: start + 2, takesScores: takesScores) }
        self.options = options
        let isReversed = options.isReversed ?? false
        let low = arguments[isReversed ? start + 1 : start]
        let high = arguments[isReversed ? start : start + 1]
        switch options.kind ?? .ranks {
        case .ranks: bounds = .ranks(first: try arguments.integer(start), last: try arguments.integer(start + 1))
        case .scores: bounds = .scores(try ScoreRange(low, high))
        case .members: bounds = .members(try MemberRange(low, high))
        }
    }

    /// The ranks that are meant in a set, counted from the lowest score.
    func ranks(of set: SortedSetValue) -> Range<Int> {
        let ranks: Range<Int>
        switch bounds {
        case .ranks(let first, let last):
            let ranks = set.ranks(from: first, through: last)
            let count = set.count
            return isReversed ? count - ranks.upperBound..<count - ranks.lowerBound : ranks
        case .scores(let range): ranks = set.ranks(in: range)
        case .members(let range): ranks = set.ranks(in: range, reversed: isReversed)
        }
        let (offset, limit) = (options.offset, options.limit)
        guard offset >= 0 && offset < ranks.count else { return 0..<0 }
        let left = ranks.count - offset
        let count = limit < 0 ? left : min(limit, left)
        let start = isReversed ? ranks.upperBound - offset - count : ranks.lowerBound + offset
        return start..<start + count
    }
}
