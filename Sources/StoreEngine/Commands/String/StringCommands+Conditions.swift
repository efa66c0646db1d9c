// Changes that depend on what a string is: conditions of SET, DELEX and DELIFEQ, and the digest that long strings are told apart by.

import RespCodec

/// What must hold of a key before it is changed.
enum ValueCondition {
    case absent
    case present
    case equal(ByteSlice)
    case notEqual(ByteSlice)
    /// The hash of the value as sixteen hexadecimal digits, in any letter case.
    case digestEqual(ByteSlice)
    case digestNotEqual(ByteSlice)

    /// Takes a condition on the value with its operand, if one comes next.
    static func onValue(_ reader: inout ArgumentReader) -> ValueCondition? {
        if reader.takes("ifeq", with: 1) { return .equal(reader.next()) }
        if reader.takes("ifne", with: 1) { return .notEqual(reader.next()) }
        if reader.takes("ifdeq", with: 1) { return .digestEqual(reader.next()) }
        if reader.takes("ifdne", with: 1) { return .digestNotEqual(reader.next()) }
        return nil
    }

    /// Whether a text is the digest of a string. One with other characters than digits is that of none.
    private static func isDigest(
        _ text: ByteSlice, ofStringAt entry: Entry, _ context: KeyspaceContext
    ) throws(CommandError) -> Bool {
        guard text.count == 16 else { throw .message("ERR digest must be exactly 16 hexadecimal characters") }
        let digest = context.withString(entry) { Self.digest(of: $0) }
        return (0..<16).allSatisfy { ByteSlice.lowercased(text[$0]) == digest[$0] }
    }

    /// The hash of a value as hexadecimal digits.
    static func digest(of value: ByteSlice) -> [UInt8] {
        let hash = XXH3.hash(value)
        return (0..<16).map { digits[Int(hash >> UInt64(60 - 4 * $0) & 15)] }
    }

    private static let digits = Array("0123456789abcdef".utf8)

    var isAbsent: Bool {
        if case .absent = self { return true }
        return false
    }

    var isPresent: Bool {
        if case .present = self { return true }
        return false
    }

    /// Whether the condition is one on the value, which must be a string then.
    var isOnValue: Bool {
        switch self {
        case .absent, .present: false
        case .equal, .notEqual, .digestEqual, .digestNotEqual: true
        }
    }

    /// Whether the condition holds of the string at `slot`, or of a key that does not exist.
    /// - Throws: a message for a digest of another length, if there is a string to compare it with.
    func holds(_ context: KeyspaceContext, _ slot: Slot?) throws(CommandError) -> Bool {
        guard let slot else {
            switch self {
            case .absent, .notEqual, .digestNotEqual: return true
            case .present, .equal, .digestEqual: return false
            }
        }
        let entry = context.entry(slot)
        switch self {
        case .absent: return false
        case .present: return true
        case .equal(let other): return context.withString(entry) { $0 == other }
        case .notEqual(let other): return context.withString(entry) { $0 != other }
        case .digestEqual(let digest): return try Self.isDigest(digest, ofStringAt: entry, context)
        case .digestNotEqual(let digest): return try !Self.isDigest(digest, ofStringAt: entry, context)
        }
    }
}

extension StringCommands {
    static let conditional: [Command<KeyspaceContext>] = [
        Command(
            "DIGEST", group: .string, since: "8.4.0", arity: 2, flags: [.readOnly, .fast],
            keys: [.first([.ro, .access])], syntax: "key",
            summary: "Returns the XXH3 hash of a string as hexadecimal digits.",
            complexity: "O(N) in the string's length",
            run: digest),
        Command(
            "DELEX", group: .string, since: "8.4.0", arity: -2, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .delete, .variableFlags], flagsInRequest: deleteFlags)],
            syntax: "key condition=[IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]",
            summary: "Removes a key, if its value or its digest is as given.",
            complexity: "O(1), O(N) in the string's length for a digest", run: deleteConditionally),
        Command(
            "DELIFEQ", group: .string, since: "9.0.0", arity: 3, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rm, .delete])], syntax: "key value",
            summary: "Removes a key whose value is as given.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            let slot = try context.find(arguments[1], as: .string)
            try remove(context, arguments[1], slot, if: .equal(arguments[2]))
        },
    ]

    /// What SET does with its key: options that compare the value read it, and GET returns it.
    @Sendable static func setFlags(_ arguments: Arguments) -> KeySpec.Flags {
        let options = 3..<max(arguments.count, 3)
        let returns = options.contains { arguments.word($0, is: "get") }
        let compares = options.contains { comparesValue(arguments, $0) }
        return [returns || compares ? .rw : .ow, returns ? .access : [], .update]
    }

    /// What DELEX does with its key: without a condition the value does not matter.
    @Sendable static func deleteFlags(_ arguments: Arguments) -> KeySpec.Flags {
        let compares = (2..<max(arguments.count, 2)).contains { comparesValue(arguments, $0) }
        return [compares ? .rw : .rm, .delete]
    }

    private static func comparesValue(_ arguments: Arguments, _ index: Int) -> Bool {
        arguments.word(index, is: "ifeq") || arguments.word(index, is: "ifne") || arguments.word(index, is: "ifdeq")
            || arguments.word(index, is: "ifdne")
    }

    @Sendable static func digest(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.null() }
        context.reply.bulkString(context.withString(context.entry(slot)) { ValueCondition.digest(of: $0) })
    }

    @Sendable static func deleteConditionally(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let key = arguments[1]
        guard arguments.count == 2 || arguments.count == 4 else { throw .wrongArity("delex") }
        guard let slot = context.find(key) else { return context.reply.integer(0) }
        guard arguments.count == 4 else { return try remove(context, key, slot, if: .present) }
        guard context.entry(slot).isType(.string) else {
            throw .message("ERR Key should be of string type if conditions are specified")
        }
        var reader = ArgumentReader(arguments, from: 2)
        guard let condition = ValueCondition.onValue(&reader) else {
            throw .message("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
        }
        try remove(context, key, slot, if: condition)
    }

    private static func remove(
        _ context: KeyspaceContext, _ key: ByteSlice, _ slot: Slot?, if condition: ValueCondition
    ) throws(CommandError) {
        guard let slot, try condition.holds(context, slot) else { return context.reply.integer(0) }
        context.removeQuietly(slot)
        context.changed(key, .del)
        context.effect("DEL", key)
        context.reply.integer(1)
    }
}
