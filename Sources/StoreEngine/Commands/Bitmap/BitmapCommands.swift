// Commands on the bits of strings. Single bits, counting and searching are here; combining strings and integers in strings have
// files of their own.

import RespCodec

enum BitmapCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "SETBIT", group: .bitmap, since: "2.2.0", arity: 4, flags: [.write, .denyOOM], effect: .verbatim,
                keys: [.first([.rw, .access, .update])], syntax: "key offset value:integer",
                summary: "Sets or clears a bit of a string and returns what it was.", complexity: "O(1)", run: setBit
            )
            .growing { context, arguments in
                let isBit = Decimal.parse(arguments[3]).map { $0 == 0 || $0 == 1 } == true
                let offset = isBit ? try? offset(context, arguments[2]) : nil
                return offset.map { context.growth(of: arguments[1], to: $0 / 8 + 1) } ?? 0
            },
            Command(
                "GETBIT", group: .bitmap, since: "2.2.0", arity: 3, flags: [.readOnly, .fast],
                keys: [.first([.ro, .access])], syntax: "key offset", summary: "Returns a bit of a string.",
                complexity: "O(1)", run: getBit),
            Command(
                "BITCOUNT", group: .bitmap, since: "2.6.0", arity: -2, flags: [.readOnly],
                keys: [.first([.ro, .access])], syntax: "key range=[start end unit=[BYTE | BIT]@7.0.0]",
                summary: "Counts the bits that are set in a string, or in part of it.",
                complexity: "O(N) in the bytes looked at", run: count
            )
            .changed("7.0.0", "Takes `BYTE` and `BIT`."),
            Command(
                "BITPOS", group: .bitmap, since: "2.8.7", arity: -3, flags: [.readOnly],
                keys: [.first([.ro, .access])],
                syntax: "key bit range=[start end-unit-block=[end unit=[BYTE | BIT]@7.0.0]]",
                summary: "Finds the first bit that is set, or clear, in a string.",
                complexity: "O(N) in the bytes looked at", run: position
            )
            .changed("7.0.0", "Takes `BYTE` and `BIT`."),
        ] + combining + fields

    // MARK: single bits

    /// An argument as the place of a bit that a string may have.
    /// - Parameter width: for fields, which may be counted in units of this many bits by a "#" before the number.
    static func offset(
        _ context: KeyspaceContext, _ text: ByteSlice, width: Int? = nil
    ) throws(CommandError) -> Int {
        var offset: Int?
        if let width, text.count > 0 && text[0] == UInt8(ascii: "#") {
            let product = Decimal.parse(text.dropFirst(1))?.multipliedReportingOverflow(by: width)
            offset = product.flatMap { $0.overflow ? nil : $0.partialValue }
        } else {
            offset = Decimal.parse(text)
        }
        // The end of the widest field must be a number, too, also when it is rounded up to whole bytes.
        guard let offset, offset >= 0 && offset <= Int.max - 128,
            offset / 8 < context.maximumStringLength
        else {
            throw .message("ERR bit offset is not an integer or out of range")
        }
        return offset
    }

    @Sendable static func setBit(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        let offset = try offset(context, arguments[2])
        guard let bit = Decimal.parse(arguments[3]), bit == 0 || bit == 1 else {
            throw .message("ERR bit is not an integer or out of range")
        }
        let slot = try context.find(key, as: .string)
        let index = offset / 8
        let before = slot.map { context.stringLength(context.entry($0)) }
        let isLonger = before.map { index >= $0 } ?? true
        try context.checkStringGrowth(from: before ?? 0, to: index + 1)
        let bytes = unsafe context.editableBytes(key, slot, atLeast: index + 1, changing: index..<index + 1)
        let byte = unsafe bytes[index]
        let shift = UInt8(7 - offset % 8)
        let old = Int(byte >> shift & 1)
        if isLonger || old != bit {
            unsafe bytes[index] = byte & ~(1 << shift) | UInt8(bit) << shift
            context.changed(key, .setBit)
        }
        context.reply.integer(old)
    }

    @Sendable static func getBit(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let offset = try offset(context, arguments[2])
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.integer(0) }
        let byte = context.withString(context.entry(slot)) { $0.count > offset / 8 ? $0[offset / 8] : 0 }
        context.reply.integer(Int(byte >> UInt8(7 - offset % 8) & 1))
    }

    // MARK: ranges

    private static func isUnitBit(_ arguments: Arguments, _ index: Int) throws(CommandError) -> Bool {
        var reader = ArgumentReader(arguments, from: index)
        return try reader.either("bit", or: "byte")
    }

    /// A part of `text`; nil if it is empty. Ends that are negative count from the end of the text.
    private static func range(_ text: ByteSlice, from start: Int, to end: Int, inBits: Bool) -> BitRange? {
        let count = inBits ? text.count * 8 : text.count
        let first = max(0, start < 0 ? start + count : start)
        let last = min(count - 1, max(0, end < 0 ? end + count : end))
        guard first <= last else { return nil }
        return inBits
            ? BitRange(text, first: first, last: last) : BitRange(text, first: first * 8, last: last * 8 + 7)
    }

    @Sendable static func count(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var bounds: (start: Int, end: Int)?
        var inBits = false
        switch arguments.count {
        case 2: break
        case 4, 5:
            bounds = (try arguments.integer(2), try arguments.integer(3))
            if arguments.count == 5 { inBits = try isUnitBit(arguments, 4) }
        default: throw .syntax
        }
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.integer(0) }
        context.reply.integer(
            context.withString(context.entry(slot)) { text in
                guard let (start, end) = bounds else { return BitRange(text).count }
                if start < 0 && end < 0 && start > end { return 0 }
                return range(text, from: start, to: end, inBits: inBits)?.count ?? 0
            })
    }

    @Sendable static func position(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let number = try arguments.integer(2)
        guard number == 0 || number == 1 else { throw .message("ERR The bit argument must be 1 or 0.") }
        let bit = number == 1
        guard arguments.count <= 6 else { throw .syntax }
        let start = arguments.count > 3 ? try arguments.integer(3) : 0
        let inBits = arguments.count == 6 ? try isUnitBit(arguments, 5) : false
        let end: Int? = arguments.count > 4 ? try arguments.integer(4) : nil
        guard let slot = try context.find(arguments[1], as: .string, .read) else {
            return context.reply.integer(bit ? -1 : 0)
        }
        context.reply.integer(
            context.withString(context.entry(slot)) { text in
                guard let range = range(text, from: start, to: end ?? -1, inBits: inBits) else { return -1 }
                if let found = range.position(of: bit) { return found }
                // A string without a given end is as if zeros followed.
                return !bit && end == nil ? text.count * 8 : -1
            })
    }
}

extension KeyEvent {
    static let setBit = KeyEvent(.string, "setbit")
}
