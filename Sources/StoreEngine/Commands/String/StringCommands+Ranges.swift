// Parts of strings: lengths, ranges, appending, and what two strings have in common.

import RespCodec

extension StringCommands {
    private static func rangeCommand(_ name: String, since: String) -> Command<KeyspaceContext> {
        Command(
            name, group: .string, since: since, arity: 4, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: "key start end", summary: "Returns part of a string, by byte offsets.",
            complexity: "O(N) in the bytes returned", run: getRange)
    }

    static let ranges: [Command<KeyspaceContext>] = [
        Command(
            "APPEND", group: .string, since: "2.0.0", arity: 3, flags: [.write, .denyOOM, .fast], effect: .verbatim,
            keys: [.first([.rw, .insert])], syntax: "key value", summary: "Adds to the end of a string.",
            complexity: "O(N) in the bytes added, amortised", run: append),
        Command(
            "STRLEN", group: .string, since: "2.2.0", arity: 2, flags: [.readOnly, .fast], keys: [.first(.ro)],
            syntax: "key", summary: "Returns the length of a string, in bytes.", complexity: "O(1)", run: length),
        rangeCommand("GETRANGE", since: "2.4.0"),
        rangeCommand("SUBSTR", since: "1.0.0")
            .deprecated("2.0.0", replacedBy: "`GETRANGE`"),
        Command(
            "SETRANGE", group: .string, since: "2.2.0", arity: 4, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax: "key offset value", summary: "Overwrites part of a string from an offset on.",
            complexity: "O(N) in the bytes written", run: setRange
        )
        .growing { context, arguments in
            guard let offset = Decimal.parse(arguments[2]), offset >= 0, arguments[3].count > 0 else { return 0 }
            let (end, overflow) = offset.addingReportingOverflow(arguments[3].count)
            return overflow ? 0 : context.growth(of: arguments[1], to: end)
        },
        Command(
            "LCS", group: .string, since: "7.0.0", arity: -3, flags: [.readOnly],
            keys: [KeySpec([.ro, .access], begin: .index(1), find: .range(last: 1, step: 1, limit: 0))],
            syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
            summary: "Finds the longest common subsequence of two strings.", complexity: "O(N*M) in the lengths",
            run: longestCommonSubsequence),
    ]

    @Sendable static func append(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        let value = arguments[2]
        guard let slot = try context.find(key, as: .string) else {
            context.setString(key, value, slot: nil, deadline: nil)
            context.changed(key, .append)
            return context.reply.integer(value.count)
        }
        let before = context.stringLength(context.entry(slot))
        let length = before + value.count
        guard length <= context.maximumStringLength else { throw .stringTooLong }
        try context.checkStringGrowth(from: before, to: length)
        context.overwriteString(slot, length: length, offset: before, with: value)
        context.changed(key, .append)
        context.reply.integer(length)
    }

    @Sendable static func length(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let slot = try context.find(arguments[1], as: .string, .read)
        context.reply.integer(slot.map { context.stringLength(context.entry($0)) } ?? 0)
    }

    @Sendable static func getRange(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var start = try arguments.integer(2)
        var end = try arguments.integer(3)
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.bulkString("") }
        let entry = context.entry(slot)
        context.withString(entry) { text in
            if start < 0 && end < 0 && start > end { return context.reply.bulkString("") }
            if start < 0 { start = max(0, start + text.count) }
            if end < 0 { end = max(0, end + text.count) }
            end = min(end, text.count - 1)
            guard start <= end && text.count > 0 else { return context.reply.bulkString("") }
            unsafe context.reply.bulkString(stable: text[start..<end + 1], of: entry.externalBlock)
        }
    }

    @Sendable static func setRange(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        let offset = try arguments.integer(2)
        let value = arguments[3]
        guard offset >= 0 else { throw .message("ERR offset is out of range") }
        let slot = try context.find(key, as: .string)
        let before = slot.map { context.stringLength(context.entry($0)) } ?? 0
        guard value.count > 0 else { return context.reply.integer(before) }
        let (end, overflow) = offset.addingReportingOverflow(value.count)
        guard !overflow && end <= context.maximumStringLength else { throw .stringTooLong }
        try context.checkStringGrowth(from: before, to: end)
        if slot == nil { context.setString(key, "", slot: nil, deadline: nil, keepsText: true) }
        guard let target = context.find(key, .peek) else { preconditionFailure("a key that was just made is there") }
        context.overwriteString(target, length: max(before, end), offset: offset, with: value)
        context.changed(key, .setRange)
        context.reply.integer(max(before, end))
    }

    // MARK: LCS

    @Sendable static func longestCommonSubsequence(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let slots = [context.find(arguments[1], .read), context.find(arguments[2], .read)]
        for case let slot? in slots where !context.entry(slot).isType(.string) {
            throw .message("ERR The specified keys must contain string values")
        }
        let texts = slots.map { slot in slot.map { context.withString(context.entry($0)) { $0.array } } ?? [] }
        var wantsIndexes = false
        var wantsLength = false
        var withLengths = false
        var minimum = 0
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            if options.takes("idx") {
                wantsIndexes = true
            } else if options.takes("len") {
                wantsLength = true
            } else if options.takes("withmatchlen") {
                withLengths = true
            } else if options.takes("minmatchlen", with: 1) {
                minimum = max(0, try options.integer())
            } else {
                throw .syntax
            }
        }
        guard !(wantsIndexes && wantsLength) else {
            throw .message("ERR If you want both the length and indexes, please just use IDX.")
        }
        let (cells, overflow) = (texts[0].count + 1).multipliedReportingOverflow(by: texts[1].count + 1)
        // A cell has four bytes.
        guard !overflow && cells <= min(context.settings.maximumStringLength / 4, 1 << 30),
            SlabAllocator.canAllocate(cells * 4)
        else {
            throw .message("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
        }
        let result = CommonSubsequence(texts[0], texts[1])
        if wantsIndexes {
            let matches = result.matches.filter { $0.length >= minimum }
            context.reply.map(2)
            context.reply.bulkString("matches")
            context.reply.array(matches.count)
            for match in matches {
                context.reply.array(withLengths ? 3 : 2)
                for start in [match.first, match.second] {
                    context.reply.array(2)
                    context.reply.integer(start)
                    context.reply.integer(start + match.length - 1)
                }
                if withLengths { context.reply.integer(match.length) }
            }
            context.reply.bulkString("len")
            context.reply.integer(result.bytes.count)
        } else if wantsLength {
            context.reply.integer(result.bytes.count)
        } else {
            context.reply.bulkString(result.bytes)
        }
    }
}

/// The longest common subsequence of two texts, and where its runs are, the last one first.
private struct CommonSubsequence {
    struct Match {
        var first: Int
        var second: Int
        var length: Int
    }

    private(set) var bytes: [UInt8] = []
    private(set) var matches: [Match] = []

    init(_ first: [UInt8], _ second: [UInt8]) {
        let width = second.count + 1
        var lengths = [UInt32](repeating: 0, count: (first.count + 1) * width)
        for row in 1..<first.count + 1 {
            for column in 1..<width {
                lengths[row * width + column] =
                    first[row - 1] == second[column - 1]
                    ? lengths[(row - 1) * width + column - 1] + 1
                    : max(lengths[(row - 1) * width + column], lengths[row * width + column - 1])
            }
        }
        var row = first.count
        var column = second.count
        var run: Match?
        while row > 0 && column > 0 {
            if first[row - 1] == second[column - 1] {
                bytes.append(first[row - 1])
                row -= 1
                column -= 1
                if let open = run, open.first == row + 1, open.second == column + 1 {
                    run = Match(first: row, second: column, length: open.length + 1)
                } else {
                    if let run { matches.append(run) }
                    run = Match(first: row, second: column, length: 1)
                }
            } else if lengths[(row - 1) * width + column] > lengths[row * width + column - 1] {
                row -= 1
            } else {
                column -= 1
            }
        }
        if let run { matches.append(run) }
        bytes.reverse()
    }
}
