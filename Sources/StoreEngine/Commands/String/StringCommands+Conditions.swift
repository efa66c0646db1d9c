// Changes that depend on what a string is: conditions of SET, DELEX and DELIFEQ, and the digest that long strings are told apart by.

import RespCodec

/// What must hold of a key before it is changed.
enum ValueCondition {
    case absent
    case present
    case equal(ByteSlice)
    case notEqual(ByteSlice)
    case digestEqual(UInt64)
    case digestNotEqual(UInt64)

    /// The condition that the words from `index` on give, one on a value by the word behind; nil if they give none.
    /// - Throws: a message for a digest that is none.
    static func onValue(_ arguments: Arguments, _ index: Int) throws(CommandError) -> ValueCondition? {
        guard index + 1 < arguments.count else { return nil }
        let operand = arguments[index + 1]
        if arguments.word(index, is: "ifeq") { return .equal(operand) }
        if arguments.word(index, is: "ifne") { return .notEqual(operand) }
        if arguments.word(index, is: "ifdeq") { return .digestEqual(try digest(operand)) }
        if arguments.word(index, is: "ifdne") { return .digestNotEqual(try digest(operand)) }
        return nil
    }

    private static func digest(_ text: ByteSlice) throws(CommandError) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(text.count, 16) {
            let byte = ByteSlice.lowercased(text[index])
            guard let digit = Self.digits.firstIndex(of: byte) else { throw wrongDigest }
            value = value << 4 | UInt64(digit)
        }
        guard text.count == 16 else { throw wrongDigest }
        return value
    }

    private static var wrongDigest: CommandError { .message("ERR digest must be exactly 16 hexadecimal characters") }

    static let digits = Array("0123456789abcdef".utf8)

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
    func holds(_ context: KeyspaceContext, _ slot: Slot?) -> Bool {
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
        case .digestEqual(let digest): return context.withString(entry) { XXH3.hash($0) } == digest
        case .digestNotEqual(let digest): return context.withString(entry) { XXH3.hash($0) } != digest
        }
    }
}

extension StringCommands {
    static let conditional: [Command<KeyspaceContext>] = [
        Command(
            "DIGEST", group: .string, since: "8.4.0", arity: 2, flags: [.readOnly, .fast],
            keys: [.first("RO", "access")], syntax: "key",
            summary: "Returns the XXH3 hash of a string as hexadecimal digits.",
            complexity: "O(N) in the string's length",
            run: digest),
        Command(
            "DELEX", group: .string, since: "8.4.0", arity: -2, flags: [.write, .fast],
            keys: [.first("RW", "delete", "variable_flags")],
            syntax: "key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]",
            summary: "Removes a key, if its value or its digest is as given.",
            complexity: "O(1), O(N) in the string's length for a digest", run: deleteConditionally),
        Command(
            "DELIFEQ", group: .string, since: "9.0.0", arity: 3, flags: [.write, .fast],
            keys: [.first("RW", "access", "delete")], syntax: "key value",
            summary: "Removes a key whose value is as given.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            let slot = try context.find(arguments[1], as: .string)
            remove(context, arguments[1], slot, if: .equal(arguments[2]))
        },
    ]

    @Sendable static func digest(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.null() }
        let hash = context.withString(context.entry(slot)) { XXH3.hash($0) }
        context.reply.bulkString((0..<16).map { ValueCondition.digits[Int(hash >> UInt64(60 - 4 * $0) & 15)] })
    }

    @Sendable static func deleteConditionally(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let key = arguments[1]
        guard arguments.count == 2 || arguments.count == 4 else { throw .wrongArity("delex") }
        var condition = ValueCondition.present
        if arguments.count == 4 {
            guard let given = try ValueCondition.onValue(arguments, 2) else {
                throw .message("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
            }
            condition = given
        }
        let slot = context.find(key)
        if condition.isOnValue, let slot, !context.entry(slot).isType(.string) {
            throw .message("ERR Key should be of string type if conditions are specified")
        }
        remove(context, key, slot, if: condition)
    }

    private static func remove(
        _ context: KeyspaceContext, _ key: ByteSlice, _ slot: Slot?, if condition: ValueCondition
    ) {
        guard let slot, condition.holds(context, slot) else { return context.reply.integer(0) }
        context.removeQuietly(slot)
        context.changed(key, .del)
        context.reply.integer(1)
    }
}
