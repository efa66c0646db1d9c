// HGETEX, HSETEX and HGETDEL: fields read and given deadlines, set with deadlines, read and removed, in one step each.
//
// - Source: the documentation of HGETEX, HSETEX and HGETDEL in Redis 8.0; NX and XX of HSETEX are those of Valkey 9.1.

import RespCodec

extension HashCommands {
    static let getExSetEx: [Command<KeyspaceContext>] = [
        Command(
            "HGETEX", group: .hash, since: "8.0.0", arity: -5, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .access, .update], notes: "RW and UPDATE because it changes the TTL")],
            syntax:
                "key expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]"
                + " <FIELDS numfields field [field ...]>",
            summary: "Returns the values of fields, and may set when they expire.", complexity: "O(N) in the fields",
            run: getAndSetDeadlines),
        Command(
            "HSETEX", group: .hash, since: "8.0.0", arity: -6, flags: [.write, .denyOOM, .fast], effect: .explicit,
            keys: [.first([.rw, .update])],
            syntax:
                "key key-condition=[NX | XX] fields-condition=[FNX | FXX] expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds"
                + " | PXAT unix-time-milliseconds | KEEPTTL] <FIELDS numfields field value [field value ...]>",
            summary: "Sets fields, and may set when they expire.", complexity: "O(N) in the fields",
            run: setWithDeadlines
        )
        .asIn("Valkey 9.1.0"),
        Command(
            "HGETDEL", group: .hash, since: "8.0.0", arity: -5, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .access, .delete])], syntax: "key <FIELDS numfields field [field ...]>",
            summary: "Returns the values of fields and removes them.", complexity: "O(N) in the fields",
            run: getAndRemove
        ),
    ]

    /// What becomes of the deadlines of the fields that a command names.
    private enum DeadlineChange {
        /// Setting a field takes its deadline away, reading leaves it.
        case none
        case keep
        case remove
        case set(Int64)
    }

    /// The hash at a key and the fields that are asked for, those that have expired removed; the key stays, even without fields. Where there
    /// is no hash, all fields are answered as absent.
    private static func hashToRead(
        _ context: KeyspaceContext, _ arguments: Arguments, _ hash: HashValue?, _ fields: Range<Int>
    ) -> HashValue? {
        context.reply.array(fields.count)
        guard let hash else {
            for _ in fields { context.reply.null() }
            return nil
        }
        if hash.mayExpire {
            context.expireFields(
                arguments, stride(from: fields.lowerBound, to: fields.upperBound, by: 1), of: hash, keepsEmptied: true)
        }
        return hash
    }

    // MARK: HGETEX

    @Sendable private static func getAndSetDeadlines(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let found = try context.hash(at: arguments[1], .write)
        var change = DeadlineChange.none
        var options = ArgumentReader(arguments, from: 2)
        if let form = options.takesExpireForm() {
            let amount = try options.integer()
            guard arguments.count > 5 else { throw .wrongArity("hgetex") }
            change = .set(try deadline(amount, form, now: context.now, command: "hgetex"))
        } else if options.takes("persist") {
            change = .remove
        }
        let fields = try options.fields()
        guard let hash = hashToRead(context, arguments, found, fields) else { return }
        switch change {
        case .none, .keep: break
        case .remove, .set: hash.prepareForDeadlines()
        }
        var changed = FieldList(context)
        var removed = FieldList(context)
        for index in fields {
            let field = arguments[index]
            guard let value = hash.value(of: field) else {
                context.reply.null()
                continue
            }
            if !context.reply.isOverfull { context.reply.element(value) }
            switch change {
            case .none, .keep: break
            case .remove:
                if case .at = hash.deadline(of: field) {
                    hash.setDeadline(of: field, nil)
                    changed.append(index)
                }
            case .set(let deadline) where deadline <= context.expiryTime:
                _ = hash.remove(field)
                removed.append(index)
            case .set(let deadline):
                hash.setDeadline(of: field, deadline)
                changed.append(index)
            }
        }
        switch change {
        case .none, .keep: break
        case .remove:
            if changed.count > 0 { context.changed(arguments[1], .hpersist, count: changed.count) }
            changed.tell("HPERSIST", context, arguments)
        case .set(let deadline):
            changed.tell("HPEXPIREAT", context, arguments, deadline: deadline)
            removed.tellRemoval(context, arguments)
            context.deadlinesSet(changed.count, removed: removed.count, of: hash, at: arguments[1])
        }
        // Also when all fields were expired and gone before.
        context.removeIfEmptied(arguments[1])
    }

    // MARK: HSETEX

    private struct SetOptions {
        /// Whether the key must exist, or must not; nil for either.
        var keyExists: Bool?
        /// Whether all fields must exist, or none may; nil for either.
        var fieldsExist: Bool?
        var change = DeadlineChange.none
        /// Where the fields are, each followed by its value.
        var fields = 0..<0

        init(_ arguments: Arguments, now: Int64) throws(CommandError) {
            var options = ArgumentReader(arguments, from: 2)
            while !options.isAtEnd {
                if options.takes("fields") {
                    try readFields(&options)
                    return
                } else if let exist = options.takesExistence("fnx", "fxx") {
                    guard fieldsExist == nil else {
                        throw .message("ERR Only one of FXX or FNX arguments can be specified")
                    }
                    fieldsExist = exist
                } else if let exists = options.takesExistence() {
                    guard keyExists == nil else { throw .syntax }
                    keyExists = exists
                } else if options.takes("keepttl") {
                    try checkDeadlineIsFirst()
                    change = .keep
                } else if let form = options.takesExpireForm() {
                    try checkDeadlineIsFirst()
                    guard !options.isAtEnd else { throw .message("ERR missing expire time") }
                    change = .set(
                        try HashCommands.deadline(try options.integer(), form, now: now, command: "hsetex"))
                } else {
                    throw .quoting("ERR unknown argument: ", options.current)
                }
            }
            throw .wrongArity("hsetex")
        }

        private func checkDeadlineIsFirst() throws(CommandError) {
            guard case .none = change else {
                throw .message("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
            }
        }

        private mutating func readFields(_ options: inout ArgumentReader) throws(CommandError) {
            guard options.left >= 3 else { throw .wrongArity("hsetex") }
            let count = try options.integer(
                in: 1...Int(Int32.max), otherwise: .message("ERR invalid number of fields"))
            fields = try options.take(2 * count, otherwise: .wrongArity("hsetex"))
            try options.end(otherwise: .wrongArity("hsetex"))
        }
    }

    @Sendable private static func setWithDeadlines(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let key = arguments[1]
        let options = try SetOptions(arguments, now: context.now)
        let fields = stride(from: options.fields.lowerBound, to: options.fields.upperBound, by: 2)
        let present = try context.hash(at: key, .write)
        if let wanted = options.keyExists, wanted != (present != nil) { return context.reply.integer(0) }
        guard present != nil || options.fieldsExist != true else { return context.reply.integer(0) }
        var isEmptied = false
        if let present {
            if present.mayExpire { context.expireFields(arguments, fields, of: present, keepsEmptied: true) }
            isEmptied = present.count == 0
            if let wanted = options.fieldsExist,
                !fields.allSatisfy({ (present.value(of: arguments[$0]) != nil) == wanted })
            {
                context.removeIfEmptied(key)
                return context.reply.integer(0)
            }
        }
        let hash = if let present { present } else { try context.hashMade(at: key) }
        hash.prepare(for: arguments, from: options.fields.lowerBound)
        var keepsDeadline = false
        if case .keep = options.change { keepsDeadline = true }
        for index in fields { hash.set(arguments[index], arguments[index + 1], keepsDeadline: keepsDeadline) }
        context.changed(key, .hset, count: options.fields.count / 2)
        tellSet(context, arguments, options)
        if isEmptied, let deadline = context.database.deadline(hash.slot) {
            // It went with its last field where that was run, and with it its deadline.
            context.effect("PEXPIREAT", key, deadline)
        }
        if case .set(let deadline) = options.change {
            hash.prepareForDeadlines()
            var set = 0
            var removed = 0
            for index in fields {
                if deadline > context.expiryTime {
                    hash.setDeadline(of: arguments[index], deadline)
                    set += 1
                } else if hash.remove(arguments[index]) {
                    removed += 1
                }
            }
            context.deadlinesSet(set, removed: removed, of: hash, at: key)
        }
        context.reply.integer(1)
    }

    /// Tells what HSETEX does: setting fields, with a deadline that has passed removing them.
    private static func tellSet(_ context: KeyspaceContext, _ arguments: Arguments, _ options: SetOptions) {
        guard context.isRecorded else { return }
        let key = arguments[1]
        let effect: EffectWords?
        switch options.change {
        case .set(let deadline) where deadline <= context.expiryTime:
            effect = context.beginEffect("HDEL", key)
            for index in stride(from: options.fields.lowerBound, to: options.fields.upperBound, by: 2) {
                effect?.add(arguments[index])
            }
            effect?.end()
            return
        case .none, .remove:
            effect = context.beginEffect("HSET", key)
        case .keep:
            effect = context.beginEffect("HSETEX", key)
            effect?.add("KEEPTTL")
        case .set(let deadline):
            effect = context.beginEffect("HSETEX", key)
            effect?.add("PXAT")
            effect?.add(deadline)
        }
        switch options.change {
        case .none, .remove: break
        case .keep, .set:
            effect?.add("FIELDS")
            effect?.add(options.fields.count / 2)
        }
        for index in options.fields { effect?.add(arguments[index]) }
        effect?.end()
    }

    // MARK: HGETDEL

    @Sendable private static func getAndRemove(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let found = try context.hash(at: arguments[1], .write)
        let fields = try arguments.fields(from: 2)
        guard let hash = hashToRead(context, arguments, found, fields) else { return }
        var removed = FieldList(context)
        for index in fields {
            guard let value = hash.value(of: arguments[index]) else {
                context.reply.null()
                continue
            }
            context.reply.element(value)
            _ = hash.remove(arguments[index])
            removed.append(index)
        }
        if removed.count > 0 { context.changed(arguments[1], .hdel, count: removed.count) }
        removed.tellRemoval(context, arguments)
        context.removeIfEmptied(arguments[1])
    }
}

extension KeyspaceContext {
    /// Removes a hash that has no fields any more, and says so.
    fileprivate func removeIfEmptied(_ key: ByteSlice) {
        guard let slot = find(key, .peek),
            HashValue(database, slot, settings: settings, now: engine.expiryTime).count == 0
        else {
            return
        }
        removeEmptied(key)
    }
}
