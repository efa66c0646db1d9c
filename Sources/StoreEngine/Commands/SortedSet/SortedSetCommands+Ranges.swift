// Parts of sorted sets by rank, score or member: returned, stored or removed.

import RespCodec

extension SortedSetCommands {
    static let ranges: [Command<KeyspaceContext>] = [
        ranger(
            "ZRANGE", since: "1.2.0",
            syntax: "key start:string stop:string sortby=[BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
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
            syntax: "key min:double max:double [WITHSCORES] [LIMIT offset count]",
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

    private let bounds: Bounds
    private(set) var isReversed: Bool
    private(set) var withScores = false
    private var offset = 0
    private var limit = -1

    /// Reads two bounds from argument `start` on, and the options behind them.
    /// - Parameters:
    ///   - kind: what the bounds are, or nil if an option says it; the same with `isReversed`.
    ///   - takesScores: whether WITHSCORES may be asked for.
    init(
        _ arguments: Arguments, from start: Int, _ kind: Kind?, isReversed: Bool?, takesScores: Bool
    ) throws(CommandError) {
        var chosen = kind
        var direction = isReversed
        var options = ArgumentReader(arguments, from: start + 2)
        while !options.isAtEnd {
            if takesScores && options.takes("withscores") {
                withScores = true
            } else if let limits = try options.takesLimits() {
                (offset, limit) = limits
            } else if direction == nil && options.takes("rev") {
                direction = true
            } else if chosen == nil && options.takes("bylex") {
                chosen = .members
            } else if chosen == nil && options.takes("byscore") {
                chosen = .scores
            } else {
                throw .syntax
            }
        }
        self.isReversed = direction ?? false
        let kind = chosen ?? .ranks
        if limit != -1 && kind == .ranks {
            throw .message(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        }
        if withScores && kind == .members {
            throw .message("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
        }
        let low = arguments[self.isReversed ? start + 1 : start]
        let high = arguments[self.isReversed ? start : start + 1]
        switch kind {
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
        guard offset >= 0 && offset < ranks.count else { return 0..<0 }
        let left = ranks.count - offset
        let count = limit < 0 ? left : min(limit, left)
        let start = isReversed ? ranks.upperBound - offset - count : ranks.lowerBound + offset
        return start..<start + count
    }
}
