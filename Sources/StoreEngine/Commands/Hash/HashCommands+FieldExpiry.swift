// Deadlines of fields: setting, asking for and removing them. The key is looked up before anything else is read, as in Redis, so a value
// of another type is what the caller hears of first.

import RespCodec

extension HashCommands {
    static let deadlines: [Command<KeyspaceContext>] = [
        setter("HEXPIRE", .ex),
        setter("HPEXPIRE", .px),
        setter("HEXPIREAT", .exat),
        setter("HPEXPIREAT", .pxat),
        getter("HTTL", "Returns after how many seconds fields are expired.", .ex),
        getter("HPTTL", "Returns after how many milliseconds fields are expired.", .px),
        getter("HEXPIRETIME", "Returns when fields are expired, in seconds since 1970.", .exat),
        getter("HPEXPIRETIME", "Returns when fields are expired, in milliseconds since 1970.", .pxat),
        Command(
            "HPERSIST", group: .hash, since: "7.4.0", arity: -5, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])], syntax: "key <FIELDS numfields field [field ...]>",
            summary: "Takes away the deadlines of fields.", complexity: "O(N) in the fields", run: persist),
    ]

    private static func setter(_ name: StaticString, _ form: ExpireTime.Form) -> Command<KeyspaceContext> {
        let lowercased = "\(name)".lowercased()
        return Command(
            "\(name)", group: .hash, since: "7.4.0", arity: -6, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])],
            syntax: "key \(form.argument) condition=[NX | XX | GT | LT] <FIELDS numfields field [field ...]>",
            summary: "Sets when fields are expired, \(form.summary).", complexity: "O(N) in the fields"
        ) { (context, arguments) throws(CommandError) in
            try setDeadlines(context, arguments, form, command: lowercased)
        }
    }

    private static func getter(
        _ name: String, _ summary: String, _ form: ExpireTime.Form
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .hash, since: "7.4.0", arity: -5, flags: [.readOnly, .fast], keys: [.first([.ro, .access])],
            tips: form.isAbsolute ? [] : ["nondeterministic_output"],
            syntax: "key <FIELDS numfields field [field ...]>", summary: summary, complexity: "O(N) in the fields"
        ) { (context, arguments) throws(CommandError) in
            let hash = try context.hash(at: arguments[1], .read)
            let fields = try arguments.fields(from: 2)
            context.reply.array(fields.count)
            for index in fields {
                switch hash?.deadline(of: arguments[index]) ?? .absent {
                case .absent: context.reply.integer(-2)
                case .never: context.reply.integer(-1)
                case .at(let deadline):
                    let time = Int(form.isAbsolute ? deadline : deadline - context.now)
                    // Rounded up: a field that is there has time left.
                    context.reply.integer(form.unit == .seconds ? (time + 999) / 1000 : time)
                }
            }
        }
    }

    /// The last moment at which a field may expire, in milliseconds since 1970.
    ///
    /// - Source: Redis, t_hash.c, on why an expire time of a field has 46 bits.
    private static let lastDeadline = Int64(0xFFFF_FFFF_FFFF) >> 2

    /// The deadline of fields.
    /// - Throws: a message for a time that is negative or later than any that a field may have.
    static func deadline(
        _ amount: Int, _ form: ExpireTime.Form, now: Int64, command: String
    ) throws(CommandError) -> Int64 {
        guard amount >= 0 else { throw .message("ERR invalid expire time, must be >= 0") }
        let start = form.isAbsolute ? 0 : now
        guard Int64(amount) <= lastDeadline / form.milliseconds,
            Int64(amount) * form.milliseconds <= lastDeadline - start
        else { throw .invalidExpire(command) }
        return Int64(amount) * form.milliseconds + start
    }

    // MARK: setting and removing

    private static func setDeadlines(
        _ context: KeyspaceContext, _ arguments: Arguments, _ form: ExpireTime.Form, command: String
    ) throws(CommandError) {
        let key = arguments[1]
        let hash = try context.hash(at: key, .write)
        var reader = ArgumentReader(arguments, from: 2)
        let deadline = try deadline(try reader.integer(), form, now: context.now, command: command)
        let condition = reader.takesDeadlineCondition() ?? []
        let fields = try reader.fields(badCount: "ERR Parameter `numFields` should be greater than 0")
        context.reply.array(fields.count)
        guard let hash else {
            for _ in fields { context.reply.integer(-2) }
            return
        }
        hash.prepareForDeadlines()
        var set = FieldList(context)
        var removed = FieldList(context)
        for index in fields {
            let field = arguments[index]
            let current: Int64?
            switch hash.deadline(of: field) {
            case .absent:
                context.reply.integer(-2)
                continue
            case .never: current = nil
            case .at(let time): current = time
            }
            if !condition.allows(deadline, instead: current) {
                context.reply.integer(0)
            } else if deadline <= context.expiryTime {
                _ = hash.remove(field)
                removed.append(index)
                context.reply.integer(2)
            } else {
                hash.setDeadline(of: field, deadline)
                set.append(index)
                context.reply.integer(1)
            }
        }
        set.tell("HPEXPIREAT", context, arguments, deadline: deadline)
        removed.tellRemoval(context, arguments)
        context.deadlinesSet(set.count, removed: removed.count, of: hash, at: key)
    }

    @Sendable private static func persist(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let hash = try context.hash(at: arguments[1], .write)
        let fields = try arguments.fields(from: 2)
        context.reply.array(fields.count)
        var persisted = FieldList(context)
        for index in fields {
            switch hash?.deadline(of: arguments[index]) ?? .absent {
            case .absent: context.reply.integer(-2)
            case .never: context.reply.integer(-1)
            case .at:
                hash?.setDeadline(of: arguments[index], nil)
                persisted.append(index)
                context.reply.integer(1)
            }
        }
        if persisted.count > 0 { context.changed(arguments[1], .hpersist) }
        persisted.tell("HPERSIST", context, arguments)
    }
}

extension ArgumentReader {
    /// Reads FIELDS, a number, and as many fields, which end the request; returns their indexes.
    mutating func fields(
        badCount: StaticString = "ERR Number of fields must be a positive integer"
    ) throws(CommandError) -> Range<Int> {
        guard takes("fields") else {
            throw .message("ERR Mandatory argument FIELDS is missing or not at the right position")
        }
        guard !isAtEnd else { throw .message(badCount) }
        let count = try integer(atLeast: 1, otherwise: .message(badCount))
        guard count == left else { throw .message("ERR The `numfields` parameter must match the number of arguments") }
        return try take(count)
    }
}

extension Arguments {
    /// The indexes of the fields behind FIELDS and their number, from which on there is nothing else.
    func fields(from index: Int) throws(CommandError) -> Range<Int> {
        var reader = ArgumentReader(self, from: index)
        return try reader.fields()
    }
}

extension KeyspaceContext {
    /// Says that fields were given deadlines, or were removed because theirs had passed, and removes the key with its last field.
    func deadlinesSet(_ set: Int, removed: Int, of hash: HashValue, at key: ByteSlice) {
        guard set + removed > 0 else { return }
        engine.statistics.expiredFields &+= removed
        changed(key, removed > 0 ? .hdel : .hexpire, count: set + removed)
        if hash.count == 0 { removeEmptied(key) }
    }
}

/// Fields of a request to which something was done.
struct FieldList {
    private(set) var count = 0
    /// Among the arguments; only while effects are recorded.
    private var indexes: [Int] = []
    private let isRecorded: Bool

    init(_ context: KeyspaceContext) { isRecorded = context.isRecorded }

    mutating func append(_ index: Int) {
        count += 1
        if isRecorded { indexes.append(index) }
    }

    /// Tells a command on these fields, unless there are none.
    func tell(_ name: StaticString, _ context: KeyspaceContext, _ arguments: Arguments, deadline: Int64? = nil) {
        guard !indexes.isEmpty, let effect = context.beginEffect(name, arguments[1]) else { return }
        if let deadline { effect.add(deadline) }
        effect.add("FIELDS")
        effect.add(indexes.count)
        for index in indexes { effect.add(arguments[index]) }
        effect.end()
    }

    /// Tells that these fields were removed.
    func tellRemoval(_ context: KeyspaceContext, _ arguments: Arguments) {
        guard !indexes.isEmpty, let effect = context.beginEffect("HDEL", arguments[1]) else { return }
        for index in indexes { effect.add(arguments[index]) }
        effect.end()
    }
}

extension KeyEvent {
    static let hexpire = KeyEvent(.hash, "hexpire")
    static let hexpired = KeyEvent(.hash, "hexpired")
    static let hpersist = KeyEvent(.hash, "hpersist")
}
