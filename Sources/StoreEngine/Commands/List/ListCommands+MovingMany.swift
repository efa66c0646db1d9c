// LMOVEM and BLMOVEM: moving several elements at once.
//
// All that is moved is taken out before any of it is put in, so that one list may be both source and destination. What
// is answered is the moved elements in the order in which they lie in the destination afterwards, from head to tail.
//
// Source: the documentation of Redis 8.10 on LMOVEM and BLMOVEM.

import RespCodec

extension ListCommands {
    static let movingMany: [Command<KeyspaceContext>] = [
        Command(
            "LMOVEM", group: .list, since: "8.10.0", arity: -5, flags: [.write, .denyOOM], effect: .verbatim,
            keys: sourceAndDestination,
            syntax:
                "source destination wherefrom=<LEFT | RIGHT> whereto=<LEFT | RIGHT> options=[amount=<COUNT count | EXACTLY exactly> order=<OBO | BULK>]",
            summary: "Moves elements from one list to another and returns them.",
            complexity: "O(N) in the elements moved"
        ) { (context, arguments) throws(CommandError) in
            let request = try MoveRequest(arguments, optionsFrom: 5)
            guard try !moveMany(context, arguments, request) else { return }
            context.reply.nullArray()
        },
        Command(
            "BLMOVEM", group: .list, since: "8.10.0", arity: -6, flags: [.write, .denyOOM, .blocking],
            effect: .explicit,
            keys: sourceAndDestination,
            syntax:
                "source destination wherefrom=<LEFT | RIGHT> whereto=<LEFT | RIGHT> timeout:double options=[amount=<COUNT count | EXACTLY exactly> order=<OBO | BULK>]",
            summary: "Moves elements from one list to another and returns them, or waits until there are enough.",
            complexity: "O(N) in the elements moved"
        ) { (context, arguments) throws(CommandError) in
            let request = try MoveRequest(arguments, optionsFrom: 6)
            let deadline = try arguments.waitDeadline(seconds: 5, now: context.now)
            guard try !moveMany(context, arguments, request) else {
                return context.effect("LMOVEM", arguments, without: 5)
            }
            context.wait(for: arguments, 1..<2, until: deadline, timeoutReply: .nullArray) { _ in
                Need(.elements(request.leastCount))
            }
        },
    ]

    private struct MoveRequest {
        /// How many elements: no more than that, or just as many.
        enum Amount {
            case upTo(Int)
            case exactly(Int)
        }

        let from: ListEnd
        let to: ListEnd
        let amount: Amount
        /// They are moved one by one, so that at a head they end up in the reverse of the order in which they were
        /// taken; else they keep the order they had.
        let isOneByOne: Bool

        init(_ arguments: Arguments, optionsFrom start: Int) throws(CommandError) {
            (from, to) = try arguments.listEnds()
            var options = ArgumentReader(arguments, from: start)
            guard !options.isAtEnd else {
                amount = .upTo(1)
                isOneByOne = true
                return
            }
            guard options.left == 3 else { throw .syntax }
            let isExact = try options.either("exactly", or: "count")
            let count = try options.amount()
            isOneByOne = try options.either("obo", or: "bulk")
            amount = isExact ? .exactly(count) : .upTo(count)
        }

        /// How many elements there must be for any to be moved.
        var leastCount: Int {
            switch amount {
            case .upTo: 1
            case .exactly(let count): count
            }
        }

        /// How many are moved of a list of `total`; nil if there are not enough.
        func count(of total: Int) -> Int? {
            switch amount {
            case .upTo(let count): min(count, total)
            case .exactly(let count): count <= total ? count : nil
            }
        }
    }

    /// Moves elements and answers with them; false if the source does not exist or has not enough.
    private static func moveMany(
        _ context: KeyspaceContext, _ arguments: Arguments, _ request: MoveRequest
    ) throws(CommandError) -> Bool {
        // Whether there are enough is looked at before the destination is.
        guard let total = try context.list(at: arguments[1], .peek)?.count, let count = request.count(of: total),
            let source = try sourceList(context, arguments)
        else { return false }
        let start = request.from == .head ? 0 : total - count
        // As they lie in the source; taken from the tail one by one they come the other way round, and put at a head so
        // once more.
        let isReversed = request.isOneByOne && (request.from == .tail) != (request.to == .head)
        let moved = ElementCopies(
            source, from: isReversed ? start + count - 1 : start, count: count, backwards: isReversed)
        context.free(source.remove(from: start, count: count))
        let destination = try context.listMade(at: arguments[2])
        destination.prepare(bytes: moved.byteCount, count: count)
        context.reply.array(count)
        for index in 0..<count {
            moved.withElement(index) { context.reply.bulkString($0) }
            moved.withElement(request.to == .tail ? index : count - 1 - index) { destination.push($0, at: request.to) }
        }
        context.changed(arguments[2], .pushed(at: request.to), count: 0)
        context.changed(arguments[1], .popped(at: request.from), count: count)
        // The slots may have moved when the destination was made.
        if let source = try context.list(at: arguments[1], .peek) { context.finishRemoving(from: source, arguments[1]) }
        return true
    }

    /// A run of elements that has been copied out of a list.
    private struct ElementCopies {
        private var bytes: [UInt8] = []
        private var ends: [Int] = []

        init(_ list: ListValue, from start: Int, count: Int, backwards: Bool) {
            list.visit(from: start, backwards: backwards) { element in
                element.withBytes { bytes += $0.array }
                ends.append(bytes.count)
                return ends.count < count
            }
        }

        var byteCount: Int { bytes.count }

        func withElement(_ index: Int, _ body: (ByteSlice) -> Void) {
            bytes.withByteSlice { body($0[(index > 0 ? ends[index - 1] : 0)..<ends[index]]) }
        }
    }
}
