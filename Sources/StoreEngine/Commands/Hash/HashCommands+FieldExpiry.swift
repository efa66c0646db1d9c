// Deadlines of fields: setting, asking for and removing them. The key is looked up before anything else is read, as in Redis, so a value
// of another type is what the caller hears of first.

import RespCodec

extension HashCommands {
    static let deadlines: [Command<KeyspaceContext>] = [
        setter("HEXPIRE", "seconds", .seconds, isAbsolute: false),
        setter("HPEXPIRE", "milliseconds", .milliseconds, isAbsolute: false),
        setter("HEXPIREAT", "unix-time-seconds", .seconds, isAbsolute: true),
        setter("HPEXPIREAT", "unix-time-milliseconds", .milliseconds, isAbsolute: true),
        getter("HTTL", "Returns after how many seconds fields are expired.", .seconds, isAbsolute: false),
        getter("HPTTL", "Returns after how many milliseconds fields are expired.", .milliseconds, isAbsolute: false),
        getter("HEXPIRETIME", "Returns when fields are expired, in seconds since 1970.", .seconds, isAbsolute: true),
        getter(
            "HPEXPIRETIME", "Returns when fields are expired, in milliseconds since 1970.", .milliseconds,
            isAbsolute: true),
        Command(
            "HPERSIST", group: .hash, since: "7.4.0", arity: -5, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])], syntax: "key <FIELDS numfields field [field ...]>",
            summary: "Takes away the deadlines of fields.", complexity: "O(N) in the fields", run: persist),
    ]

    private static func setter(
        _ name: StaticString, _ argument: String, _ unit: ExpireTime.Unit, isAbsolute: Bool
    ) -> Command<KeyspaceContext> {
        let lowercased = "\(name)".lowercased()
        let words = unit == .seconds ? "seconds" : "milliseconds"
        return Command(
            "\(name)", group: .hash, since: "7.4.0", arity: -6, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])],
            syntax: "key \(argument) condition=[NX | XX | GT | LT] <FIELDS numfields field [field ...]>",
            summary: "Sets when fields are expired, \(isAbsolute ? "as a time" : "from now on"), in \(words).",
            complexity: "O(N) in the fields"
        ) { (context, arguments) throws(CommandError) in
            try setDeadlines(context, arguments, unit, isAbsolute: isAbsolute, command: lowercased)
        }
    }

    private static func getter(
        _ name: String, _ summary: String, _ unit: ExpireTime.Unit, isAbsolute: Bool
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .hash, since: "7.4.0", arity: -5, flags: [.readOnly, .fast], keys: [.first([.ro, .access])],
            tips: isAbsolute ? [] : ["nondeterministic_output"],
            syntax: "key <FIELDS numfields field [field ...]>", summary: summary, complexity: "O(N) in the fields"
        ) { (context, arguments) throws(CommandError) in
            let hash = try context.hash(at: arguments[1], .read)
            let fields = try fields(arguments, wordAt: 2)
            context.reply.array(fields.count)
            for index in fields {
                switch hash?.deadline(of: arguments[index]) ?? .absent {
                case .absent: context.reply.integer(-2)
                case .never: context.reply.integer(-1)
                case .at(let deadline):
                    let time = Int(isAbsolute ? deadline : deadline - context.now)
                    // Rounded up: a field that is there has time left.
                    context.reply.integer(unit == .seconds ? (time + 999) / 1000 : time)
                }
            }
        }
    }

    // MARK: reading arguments

    /// The indices of the fields behind FIELDS and their number, which end the request.
    static func fields(
        _ arguments: Arguments, wordAt place: Int,
        badCount: StaticString = "ERR Number of fields must be a positive integer"
    ) throws(CommandError) -> Range<Int> {
        guard place < arguments.count, arguments.word(place, is: "fields") else {
            throw .message("ERR Mandatory argument FIELDS is missing or not at the right position")
        }
        guard place + 1 < arguments.count, let count = Decimal.parse(arguments[place + 1]), count >= 1 else {
            throw .message(badCount)
        }
        let fields = place + 2..<arguments.count
        guard fields.count == count else {
            throw .message("ERR The `numfields` parameter must match the number of arguments")
        }
        return fields
    }

    /// The last moment at which a field may expire, in milliseconds since 1970.
    ///
    /// - Source: Redis, t_hash.c, on why an expire time of a field has 46 bits.
    private static let lastDeadline = Int64(0xFFFF_FFFF_FFFF) >> 2

    /// The deadline of fields that an argument spells.
    static func deadline(
        _ text: ByteSlice, unit: ExpireTime.Unit, isAbsolute: Bool, now: Int64, command: String
    ) throws(CommandError) -> Int64 {
        guard let amount = Decimal.parse(text) else { throw .notInteger }
        guard amount >= 0 else { throw .message("ERR invalid expire time, must be >= 0") }
        let milliseconds: Int64 = unit == .seconds ? 1000 : 1
        let start = isAbsolute ? 0 : now
        guard Int64(amount) <= lastDeadline / milliseconds, Int64(amount) * milliseconds <= lastDeadline - start else {
            throw .invalidExpire(command)
        }
        return Int64(amount) * milliseconds + start
    }

    /// When a new deadline is taken.
    private enum Condition {
        case none, absent, present, later, earlier

        /// The condition that an argument names, if it does.
        init(_ arguments: Arguments, at index: Int) {
            self =
                arguments.word(index, is: "nx")
                ? .absent
                : arguments.word(index, is: "xx")
                    ? .present
                    : arguments.word(index, is: "gt") ? .later : arguments.word(index, is: "lt") ? .earlier : .none
        }

        /// A field without a deadline counts as expiring at the end of time.
        func allows(_ deadline: Int64, instead current: Int64?) -> Bool {
            guard let current else { return self != .present && self != .later }
            return switch self {
            case .none, .present: true
            case .absent: false
            case .later: deadline > current
            case .earlier: deadline < current
            }
        }
    }

    // MARK: setting and removing

    private static func setDeadlines(
        _ context: KeyspaceContext, _ arguments: Arguments, _ unit: ExpireTime.Unit, isAbsolute: Bool, command: String
    ) throws(CommandError) {
        let key = arguments[1]
        let hash = try context.hash(at: key, .write)
        let deadline = try deadline(
            arguments[2], unit: unit, isAbsolute: isAbsolute, now: context.now, command: command)
        let condition = Condition(arguments, at: 3)
        let fields = try fields(
            arguments, wordAt: condition == .none ? 3 : 4,
            badCount: "ERR Parameter `numFields` should be greater than 0")
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
        let fields = try fields(arguments, wordAt: 2)
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
