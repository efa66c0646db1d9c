// BITFIELD and BITFIELD_RO: integers of any width in strings.
//
// The arguments are read twice, once to see that all of them are right and how far they write, and once to do what they say: so a
// wrong one has no effect, and nothing is kept of them in between.

import RespCodec

extension BitmapCommands {
    static let fields: [Command<KeyspaceContext>] = [
        Command(
            "BITFIELD", group: .bitmap, since: "3.2.0", arity: -2, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [
                .first(
                    [.rw, .access, .update, .variableFlags],
                    notes: "This command allows both access and modification of the key",
                    flagsInRequest: fieldFlags)
            ],
            syntax:
                "key operation=[<get-block=GET encoding offset | write=<[OVERFLOW overflow-block=<WRAP | SAT | FAIL>] write-operation=<set-block=SET encoding offset value:integer | incrby-block=INCRBY encoding offset increment>>> ...]",
            summary: "Reads, sets and adds to integers of any width in a string.",
            complexity: "O(1) for each integer", run: fields
        )
        .growing { context, arguments in
            let end = (try? extent(context, arguments))?.writtenBits ?? 0
            return context.growth(of: arguments[1], to: (end + 7) / 8)
        },
        Command(
            "BITFIELD_RO", group: .bitmap, since: "6.0.0", arity: -2, flags: [.readOnly, .fast],
            keys: [.first([.ro, .access])],
            syntax: "key [get-block=GET encoding offset [get-block=GET encoding offset ...]]",
            summary: "Reads integers of any width in a string.", complexity: "O(1) for each integer", run: readFields),
    ]

    /// What BITFIELD does with its key: GET alone only reads. Whatever is not understood is taken for a write.
    @Sendable private static func fieldFlags(_ arguments: Arguments) -> KeySpec.Flags {
        var reader = ArgumentReader(arguments, from: 2)
        while !reader.isAtEnd {
            if reader.takes("get", with: 2) {
                reader.skip(2)
            } else if reader.takes("overflow", with: 1) {
                reader.skip()
            } else {
                return [.rw, .access, .update]
            }
        }
        return [.ro, .access]
    }

    /// One thing to do with one field.
    private struct Step {
        enum Action {
            case get
            case set(Int)
            case add(Int)
        }
        let action: Action
        let type: BitFieldType
        let offset: Int
        let overflow: BitFieldOverflow

        var writes: Bool {
            if case .get = action { return false }
            return true
        }
    }

    /// Goes through the steps that the arguments describe.
    private struct StepReader {
        private var reader: ArgumentReader
        private var overflow = BitFieldOverflow.wrap

        init(_ arguments: Arguments) { reader = ArgumentReader(arguments, from: 2) }

        mutating func next(_ context: KeyspaceContext) throws(CommandError) -> Step? {
            while !reader.isAtEnd {
                if reader.takes("get", with: 2) {
                    let (type, offset) = try field(context)
                    return Step(action: .get, type: type, offset: offset, overflow: overflow)
                }
                if reader.takes("set", with: 3) {
                    let (type, offset) = try field(context)
                    let value = try reader.integer()
                    return Step(action: .set(value), type: type, offset: offset, overflow: overflow)
                }
                if reader.takes("incrby", with: 3) {
                    let (type, offset) = try field(context)
                    let increment = try reader.integer()
                    return Step(action: .add(increment), type: type, offset: offset, overflow: overflow)
                }
                guard reader.takes("overflow", with: 1) else { throw .syntax }
                overflow = try readOverflow()
            }
            return nil
        }

        private mutating func readOverflow() throws(CommandError) -> BitFieldOverflow {
            if reader.takes("wrap") { return .wrap }
            if reader.takes("sat") { return .saturate }
            if reader.takes("fail") { return .fail }
            throw .message("ERR Invalid OVERFLOW type specified")
        }

        /// Reads the type and the place of a field.
        private mutating func field(_ context: KeyspaceContext) throws(CommandError) -> (BitFieldType, Int) {
            let type = try Self.type(reader.next())
            return (type, try offset(context, reader.next(), width: type.width))
        }

        private static func type(_ text: ByteSlice) throws(CommandError) -> BitFieldType {
            // C reads the width up to a zero byte.
            let text = text[0..<(text.index(of: 0) ?? text.count)]
            let isSigned = text.count > 0 && text[0] == UInt8(ascii: "i")
            guard isSigned || (text.count > 0 && text[0] == UInt8(ascii: "u")),
                let width = Decimal.parse(text.dropFirst(1)), width >= 1 && width <= (isSigned ? 64 : 63)
            else {
                throw .message(
                    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.")
            }
            return BitFieldType(isSigned: isSigned, width: width)
        }
    }

    @Sendable static func fields(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        try run(&context, arguments, mayWrite: true)
    }

    @Sendable static func readFields(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        try run(&context, arguments, mayWrite: false)
    }

    /// How many steps there are, the first bit that is written, and where the last ends, 0 if none is.
    private static func extent(
        _ context: KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) -> (count: Int, firstBit: Int, writtenBits: Int) {
        var (count, firstBit, writtenBits) = (0, Int.max, 0)
        var reader = StepReader(arguments)
        while let step = try reader.next(context) {
            count += 1
            guard step.writes else { continue }
            firstBit = min(firstBit, step.offset)
            writtenBits = max(writtenBits, step.offset + step.type.width)
        }
        return (count, firstBit, writtenBits)
    }

    private static func run(
        _ context: inout KeyspaceContext, _ arguments: Arguments, mayWrite: Bool
    ) throws(CommandError) {
        let (count, firstBit, writtenBits) = try extent(context, arguments)
        var steps = StepReader(arguments)
        if writtenBits == 0 {
            let slot = try context.find(arguments[1], as: .string, .read)
            context.reply.array(count)
            while let step = try steps.next(context) {
                let value = slot.map { slot in
                    context.withString(context.entry(slot)) { step.type.value(in: $0, at: step.offset) }
                }
                context.reply.integer(value ?? 0)
            }
            return
        }
        guard mayWrite else { throw .message("ERR BITFIELD_RO only supports the GET subcommand") }
        let key = arguments[1]
        let slot = try context.find(key, as: .string)
        let length = (writtenBits + 7) / 8
        let before = slot.map { context.stringLength(context.entry($0)) }
        let isLonger = before.map { length > $0 } ?? true
        try context.checkStringGrowth(from: before ?? 0, to: length)
        let bytes = unsafe context.editableBytes(key, slot, atLeast: length, changing: firstBit / 8..<length)
        var changes = 0
        context.reply.array(count)
        while let step = try steps.next(context) {
            let old = unsafe step.type.value(in: ByteSlice(UnsafeRawBufferPointer(bytes)), at: step.offset)
            let new: Int?
            switch step.action {
            case .get:
                context.reply.integer(old)
                continue
            case .set(let value): new = step.type.stored(value, step.overflow)
            case .add(let increment): new = step.type.sum(old, increment, step.overflow)
            }
            guard let new else {
                context.reply.null()
                continue
            }
            unsafe step.type.set(new, in: bytes, at: step.offset)
            if isLonger || new != old { changes += 1 }
            if case .add = step.action { context.reply.integer(new) } else { context.reply.integer(old) }
        }
        // A string that only became longer has changed too, which Redis does not tell.
        // As in Redis nobody is told of a string that was only made longer.
        if changes > 0 {
            context.changed(key, .setBit, count: changes)
        } else if isLonger {
            context.changed(key, KeyEvent(.silent, "setbit"))
        }
    }
}
