// Random fields of hashes, and scans.

import RespCodec

extension HashCommands {
    static let random: [Command<KeyspaceContext>] = [
        Command(
            "HRANDFIELD", group: .hash, since: "6.2.0", arity: -2, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"], syntax: "key options=[count [WITHVALUES]]",
            summary: "Returns random fields.",
            complexity: "O(N) in the fields returned", run: replyRandom),
        Command(
            "HSCAN", group: .hash, since: "2.8.0", arity: -3, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"], syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
            summary: "Returns the fields and values of a hash piece by piece.",
            complexity: "O(1) for each call, O(N) for all", run: scan
        )
        .asIn("Redis 7.4.0"),
    ]

    // MARK: random fields

    @Sendable private static func replyRandom(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let key = arguments[1]
        guard arguments.count > 2 else {
            guard let hash = try hashWithoutExpiredFields(context, key) else { return context.reply.null() }
            guard hash.liveCount == hash.count else {
                // Fields that have expired stay during a pause.
                let fields = liveFields(of: hash)
                guard !fields.isEmpty else { return context.reply.null() }
                return context.reply.element(fields[context.engine.random.below(fields.count)].field)
            }
            return context.reply.element(hash.random(using: &context.engine.random).field)
        }
        let draw = try DrawRequest(arguments, withValues: "withvalues")
        let count = draw.count
        guard let hash = try hashWithoutExpiredFields(context, key), count != 0 else { return context.reply.array(0) }
        let liveCount = hash.liveCount
        guard liveCount > 0 else { return context.reply.array(0) }
        let list = PairList(context.reply, withValues: draw.withValues)
        guard count < 0 else {
            return replyDistinct(hash, min(count, liveCount), liveCount, list, using: &context.engine.random)
        }
        try arguments.checkDraws(count, context.reply)
        // In a forward list each draw would walk, so its fields are looked up once.
        let fields = !hash.isTable && -count > 1 || liveCount != hash.count ? liveFields(of: hash) : nil
        list.begin(-count)
        for _ in 0..<(-count) {
            let (field, value) =
                fields?[context.engine.random.below(liveCount)] ?? hash.random(using: &context.engine.random)
            list.add(field, value)
            if context.reply.isOverfull { return }
        }
    }

    /// All fields that are not expired. Good until the hash changes.
    private static func liveFields(of hash: HashValue) -> [(field: HashElement, value: HashElement)] {
        var fields: [(field: HashElement, value: HashElement)] = []
        hash.forEach { fields.append(($0, $1)) }
        return fields
    }

    /// The hash at a key, the fields of which that are expired having been removed.
    private static func hashWithoutExpiredFields(
        _ context: KeyspaceContext, _ key: ByteSlice
    ) throws(CommandError) -> HashValue? {
        guard let hash = try context.hash(at: key, .read) else { return nil }
        guard hash.hasDeadlines else { return hash }
        var budget = Int.max
        context.engine.expiry.removeFields(hash.slot, in: context.database, budget: &budget)
        return try context.hash(at: key, .peek)
    }

    /// Different fields, each as likely as any other.
    /// - Parameter total: how many fields are not expired.
    private static func replyDistinct(
        _ hash: HashValue, _ count: Int, _ total: Int, _ list: PairList, using generator: inout RandomSource
    ) {
        list.begin(count)
        if hash.isTable && total == hash.count {
            return hash.visitRandom(count, using: &generator) { field, value in list.add(field, value) }
        }
        var choice = Choice(count, of: total)
        hash.forEach { field, value in
            if choice.takesNext(using: &generator) { list.add(field, value) }
        }
    }

    // MARK: scanning

    @Sendable private static func scan(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        try context.replyScan(
            arguments, of: try context.hash(at: arguments[1], .read), withoutValues: "novalues"
        ) { hash, cursor, page in
            hash.scan(cursor) { pair in
                guard let (field, value) = pair else { return page.passOver() }
                if page.look(at: field) && page.takesValue() { page.reply.element(value) }
            }
        }
    }
}
