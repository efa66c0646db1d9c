// BITOP: strings combined bit by bit.

import RespCodec

extension BitmapCommands {
    static let combining: [Command<KeyspaceContext>] = [
        Command(
            "BITOP", group: .bitmap, since: "2.6.0", arity: -4, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [
                KeySpec([.ow, .update], begin: .index(2)),
                KeySpec([.ro, .access], begin: .index(3), find: .range(last: -1, step: 1, limit: 0)),
            ],
            syntax: "operation=<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
            summary: "Combines strings bit by bit and sets a key to the result.",
            complexity: "O(N) in the bytes of all strings", run: combine
        )
        .asIn("Redis 8.2.0")
        .growing(bytesToCombine)
    ]

    /// How much BITOP takes; 0 where it fails, or writes to the block of the value that is there.
    @Sendable private static func bytesToCombine(_ context: KeyspaceContext, _ arguments: Arguments) -> Int {
        guard (try? operation(arguments)) != nil else { return 0 }
        var length = 0
        for index in 3..<arguments.count {
            guard let slot = context.find(arguments[index], .peek) else { continue }
            let entry = context.entry(slot)
            guard entry.isType(.string) else { return 0 }
            length = max(length, context.stringLength(entry))
        }
        let old = context.find(arguments[2], .peek)
        return old.map { unsafe context.reusableBlock($0, length: length) != nil } == true ? 0 : length
    }

    private static func operation(_ arguments: Arguments) throws(CommandError) -> BitOperation {
        var reader = ArgumentReader(arguments, from: 1)
        if reader.takes("and") { return .and }
        if reader.takes("or") { return .or }
        if reader.takes("xor") { return .xor }
        if reader.takes("one") { return .one }
        if reader.takes("not") {
            guard arguments.count == 4 else {
                throw .message("ERR BITOP NOT must be called with a single source key.")
            }
            return .not
        }
        let (operation, name): (BitOperation, String)
        if reader.takes("diff") {
            (operation, name) = (.difference, "DIFF")
        } else if reader.takes("diff1") {
            (operation, name) = (.reverseDifference, "DIFF1")
        } else if reader.takes("andor") {
            (operation, name) = (.andAny, "ANDOR")
        } else {
            throw .syntax
        }
        guard arguments.count > 4 else {
            throw .text("ERR BITOP \(name) must be called with at least two source keys.")
        }
        return operation
    }

    @Sendable static func combine(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let operation = try operation(arguments)
        let destination = arguments[2]
        let count = arguments.count - 3
        let sources = unsafe UnsafeMutableBufferPointer(
            start: SystemMemory.allocate(ByteSlice.self, count: count), count: count)
        defer { unsafe sources.deallocate() }
        // Where the strings are written out that are kept as integers.
        let digits = unsafe SystemMemory.allocate(UInt8.self, count: count * Decimal.maximumLength)
        defer { unsafe digits.deallocate() }
        var length = 0
        for index in 0..<count {
            var source = ByteSlice.empty
            if let slot = try context.find(arguments[3 + index], as: .string, .read) {
                let entry = context.entry(slot)
                if let bytes = context.storedBytes(entry) {
                    source = bytes
                } else {
                    let place = unsafe digits + index * Decimal.maximumLength
                    source = unsafe ByteSlice(start: place, count: Decimal.write(entry.integer, to: place))
                }
            }
            unsafe sources.initializeElement(at: index, to: source)
            length = max(length, source.count)
        }
        try context.checkStringGrowth(from: 0, to: length)
        let slot = context.find(destination)
        if length > 0 {
            context.noticeOverwriting(destination, slot, with: .string)
            unsafe context.replaceString(destination, slot: slot, length: length) {
                unsafe operation.combine(UnsafeBufferPointer(sources), into: $0)
            }
            context.changed(destination, .set)
        } else if let slot {
            context.removeQuietly(slot)
            context.changed(destination, .del)
        }
        context.reply.integer(length)
    }
}
