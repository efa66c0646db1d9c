// Unions, intersections and differences of sorted sets and sets, returned, stored or counted.

import RespCodec

extension SortedSetCommands {
    static let algebra: [Command<KeyspaceContext>] = [
        combiner(
            "ZUNION", .union, since: "6.2.0", summary: "Returns the members of any of several sorted sets.",
            complexity: "O(N+M*log(M)) for N members in all and M results"
        )
        .asIn("Redis 8.8.0"),
        combiner(
            "ZINTER", .intersection, since: "6.2.0", summary: "Returns the members of all of several sorted sets.",
            complexity: "O(N*K+M*log(M)) for N members of the smallest of K sets and M results"
        )
        .asIn("Redis 8.8.0"),
        combiner(
            "ZDIFF", .difference, since: "6.2.0",
            summary: "Returns the members of the first sorted set that are in no other.",
            complexity: "O(L+M*log(M)) for L members in all and M results"),
        storer(
            "ZUNIONSTORE", .union, since: "2.0.0", summary: "Stores the members of any of several sorted sets.",
            complexity: "O(N+M*log(M)) for N members in all and M results", event: .zunionStore
        )
        .asIn("Redis 8.8.0"),
        storer(
            "ZINTERSTORE", .intersection, since: "2.0.0",
            summary: "Stores the members of all of several sorted sets.",
            complexity: "O(N*K+M*log(M)) for N members of the smallest of K sets and M results", event: .zinterStore
        )
        .asIn("Redis 8.8.0"),
        storer(
            "ZDIFFSTORE", .difference, since: "6.2.0",
            summary: "Stores the members of the first sorted set that are in no other.",
            complexity: "O(L+M*log(M)) for L members in all and M results", event: .zdiffStore),
        Command(
            "ZINTERCARD", group: .sortedSet, since: "7.0.0", arity: -3, flags: [.readOnly, .movableKeys],
            keys: [sources(countedAt: 1)], syntax: "numkeys key [key ...] [LIMIT limit]",
            summary: "Returns how many members are in all of several sorted sets.",
            complexity: "O(N*K) for N members of the smallest of K sets"
        ) { (context, arguments) throws(CommandError) in
            let request = try AlgebraRequest(context, arguments, countedAt: 1, .intersection, for: .counting)
            context.reply.integer(request.intersectionCount())
        },
    ]

    private static func sources(countedAt index: Int) -> KeySpec {
        KeySpec([.ro, .access], begin: .index(index), find: .keyCount(count: 0, first: 1, step: 1))
    }

    private static func options(_ operation: AlgebraRequest.Operation) -> String {
        operation == .difference
            ? "" : " [WEIGHTS weight [weight ...]] [AGGREGATE aggregate=<SUM | MIN | MAX | COUNT>]"
    }

    private static func combiner(
        _ name: String, _ operation: AlgebraRequest.Operation, since: String, summary: String, complexity: String
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: since, arity: -3, flags: [.readOnly, .movableKeys],
            keys: [sources(countedAt: 1)], syntax: "numkeys key [key ...]\(options(operation)) [WITHSCORES]",
            summary: summary, complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            let request = try AlgebraRequest(context, arguments, countedAt: 1, operation, for: .replying)
            var builder = SortedSetBuilder(context.database)
            request.build(&builder)
            let list = PairList(context.reply, withValues: request.withScores)
            list.begin(builder.count)
            builder.forEachOrdered { list.add(.bytes($0), $1) }
            builder.discard(context.engine)
        }
    }

    private static func storer(
        _ name: String, _ operation: AlgebraRequest.Operation, since: String, summary: String, complexity: String,
        event: KeyEvent
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: since, arity: -4, flags: [.write, .denyOOM, .movableKeys],
            effect: .verbatim,
            keys: [.first([.ow, .update]), sources(countedAt: 2)],
            syntax: "destination numkeys key [key ...]\(options(operation))", summary: summary, complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            let request = try AlgebraRequest(context, arguments, countedAt: 2, operation, for: .storing)
            var builder = SortedSetBuilder(context.database)
            request.build(&builder)
            let count = builder.count
            context.store(&builder, at: arguments[1], event)
            context.reply.integer(count)
        }
    }
}

/// Which sets are to be combined, and how.
struct AlgebraRequest {
    enum Operation {
        case union
        case intersection
        case difference
    }

    enum Purpose {
        case replying
        case storing
        case counting
    }

    private enum Aggregate {
        case sum
        case minimum
        case maximum
        /// The sum of the weights of the sets that have the member.
        case count
    }

    /// A sorted set, a set, whose members all count as of score 1, or nothing where there is no key.
    private struct Source {
        enum Members {
            case none
            case sortedSet(SortedSetValue)
            case set(SetView)
        }

        let members: Members
        /// The address of its key's entry; 0 if there is no key.
        let entry: Int
        let count: Int
        var weight = 1.0

        init(_ members: Members, entry: Int) {
            self.members = members
            self.entry = entry
            switch members {
            case .none: count = 0
            case .sortedSet(let set): count = set.count
            case .set(let set): count = set.count
            }
        }

        func score(of member: ByteSlice) -> Double? {
            switch members {
            case .none: nil
            case .sortedSet(let set): set.score(of: member)
            case .set(let set): set.contains(member) ? 1 : nil
            }
        }

        /// Calls `body` with each member and its score, until it returns false.
        func visit(_ body: (ByteSlice, Double) -> Bool) {
            switch members {
            case .none: break
            case .sortedSet(let set):
                set.visit(from: 0, count: count, reversed: false) { member, score in
                    member.withBytes { body($0, score) }
                }
            case .set(let set):
                set.visit { member in member.withBytes { body($0, 1) } }
            }
        }

        func forEach(_ body: (ByteSlice, Double) -> Void) {
            visit { member, score in
                body(member, score)
                return true
            }
        }
    }

    private let operation: Operation
    private var sources: [Source] = []
    private var aggregate = Aggregate.sum
    private(set) var withScores = false
    private var limit = 0

    /// Reads the number of keys at argument `start`, the keys and what follows them. The sources are good until the keyspace changes.
    init(
        _ context: KeyspaceContext, _ arguments: Arguments, countedAt start: Int, _ operation: Operation,
        for purpose: Purpose
    ) throws(CommandError) {
        self.operation = operation
        var options = ArgumentReader(arguments, from: start)
        let keyCount = try options.integer()
        guard keyCount >= 1 else {
            let name = arguments[0].lowercasedText
            throw .text("ERR at least 1 input key is needed for '\(name)' command")
        }
        let keys = try options.take(keyCount)
        sources.reserveCapacity(keyCount)
        for index in keys { sources.append(try Self.source(context, arguments[index], .read)) }
        let combinesScores = operation != .difference && purpose != .counting
        while !options.isAtEnd {
            if combinesScores && options.takes("weights", with: keyCount) {
                for source in 0..<keyCount {
                    sources[source].weight = try options.double(otherwise: .message("ERR weight value is not a float"))
                }
            } else if combinesScores && options.takes("aggregate", with: 1) {
                aggregate = try Self.aggregate(&options)
            } else if purpose == .replying && options.takes("withscores") {
                withScores = true
            } else if purpose == .counting, let limit = try options.takesCountingLimit() {
                self.limit = limit
            } else {
                throw .syntax
            }
        }
        if purpose == .counting {
            // To be named more than once makes no difference there.
            var seen: Set<Int> = []
            sources.removeAll { !seen.insert($0.entry).inserted }
        }
        // The smallest first; for a difference the first stays what the others are taken from.
        if operation != .difference { sources = Self.sorted(sources[...]) { $0.count < $1.count } }
    }

    private static func source(
        _ context: KeyspaceContext, _ key: ByteSlice, _ access: KeyAccess
    ) throws(CommandError) -> Source {
        guard let slot = context.find(key, access) else { return Source(.none, entry: 0) }
        let entry = context.entry(slot)
        let address = unsafe Int(bitPattern: entry.address)
        if entry.isType(.sortedSet) { return Source(.sortedSet(context.sortedSet(in: slot)), entry: address) }
        guard entry.isType(.set) else { throw .wrongType }
        return Source(.set(SetView(entry)), entry: address)
    }

    private static func aggregate(_ reader: inout ArgumentReader) throws(CommandError) -> Aggregate {
        if reader.takes("sum") { return .sum }
        if reader.takes("min") { return .minimum }
        if reader.takes("max") { return .maximum }
        if reader.takes("count") { return .count }
        throw .syntax
    }

    /// The sources in an order, those that are equal in it as they were: scores are added in this order.
    private static func sorted(_ sources: ArraySlice<Source>, _ isBefore: (Source, Source) -> Bool) -> [Source] {
        let isSorted = sources.indices.dropFirst().allSatisfy { !isBefore(sources[$0], sources[$0 - 1]) }
        if isSorted { return Array(sources) }
        return sources.enumerated().sorted { left, right in
            isBefore(left.element, right.element)
                || !isBefore(right.element, left.element) && left.offset < right.offset
        }.map(\.element)
    }

    // MARK: combining

    @inline(__always)
    private func weighted(_ score: Double, _ weight: Double) -> Double {
        aggregate == .count ? weight : weight * score
    }

    @inline(__always)
    private func combined(_ left: Double, _ right: Double) -> Double {
        switch aggregate {
        case .sum, .count:
            let sum = left + right
            // The sum of +inf and -inf is not a number: it counts as 0.
            return sum.isNaN ? 0 : sum
        case .minimum: return right < left ? right : left
        case .maximum: return right > left ? right : left
        }
    }

    func build(_ builder: inout SortedSetBuilder) {
        switch operation {
        case .union: unite(&builder)
        case .intersection:
            visitShared { member, score in
                builder.add(member, score)
                return true
            }
        case .difference: subtract(&builder)
        }
    }

    private func unite(_ builder: inout SortedSetBuilder) {
        for source in sources {
            let isFirst = builder.count == 0
            source.forEach { member, score in
                let weighted = weighted(score, source.weight)
                let score = weighted.isNaN ? 0 : weighted
                if isFirst { builder.add(member, score) } else { builder.add(member, score, combine: combined) }
            }
        }
    }

    /// What of a source counts for an intersection.
    private struct Other {
        let weight: Double
        /// Its place among the sources; -1 if it is the first one's key again, which is not looked into for what comes from it.
        let place: Int
    }

    /// Calls `body` with each member that all sources have, and its score, until it returns false.
    private func visitShared(_ body: (ByteSlice, Double) -> Bool) {
        let first = sources[0]
        let others = sources.indices.dropFirst().map {
            Other(weight: sources[$0].weight, place: sources[$0].entry == first.entry ? -1 : $0)
        }
        let isSum = aggregate == .sum || aggregate == .count
        first.visit { member, score in
            let start = weighted(score, first.weight)
            if isSum {
                // What is no number stays so whatever is added to it: if the sum is one, no step has to be looked at.
                guard let sum = total(of: member, score, from: start, others, { $0 + $1 }) else { return true }
                if !sum.isNaN { return body(member, sum) }
            }
            let total = total(of: member, score, from: start.isNaN ? 0 : start, others, combined)
            return total.map { body(member, $0) } ?? true
        }
    }

    /// The score of a member of the first source; nil if another has it not.
    @inline(__always)
    private func total(
        of member: ByteSlice, _ score: Double, from start: Double, _ others: [Other],
        _ combine: (Double, Double) -> Double
    ) -> Double? {
        var total = start
        for other in others {
            var found = score
            if other.place >= 0 {
                guard let own = sources[other.place].score(of: member) else { return nil }
                found = own
            }
            total = combine(total, weighted(found, other.weight))
        }
        return total
    }

    /// How many members all sources have, or the limit if there are more.
    func intersectionCount() -> Int {
        var count = 0
        visitShared { _, _ in
            count += 1
            return count != limit
        }
        return count
    }

    private func subtract(_ builder: inout SortedSetBuilder) {
        let first = sources[0]
        let others = Self.sorted(sources.dropFirst()) { $0.count > $1.count }
        let total = sources.reduce(0) { $0 + $1.count }
        // Either the others are looked into for each member of the first, or the members of all are gone through.
        if first.count <= total * 2 / sources.count {
            return first.forEach { member, score in
                for other in others where other.score(of: member) != nil { return }
                builder.add(member, score)
            }
        }
        first.forEach { builder.add($0, $1) }
        for other in others { other.forEach { member, _ in builder.remove(member) } }
    }
}
