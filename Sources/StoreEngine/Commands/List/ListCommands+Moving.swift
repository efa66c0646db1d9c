// Moving elements from one list to another, or from one end of a list to the other, at once or by waiting for them.

import Glibc
import RespCodec

extension ListCommands {
    static let moving: [Command<KeyspaceContext>] = [
        Command(
            "LMOVE", group: .list, since: "6.2.0", arity: 5, flags: [.write, .denyOOM], effect: .verbatim,
            keys: sourceAndDestination,
            syntax: "source destination wherefrom=<LEFT | RIGHT> whereto=<LEFT | RIGHT>",
            summary: "Moves an element from one list to another and returns it.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            let ends = try arguments.listEnds()
            guard try !move(context, arguments, ends) else { return }
            context.reply.null()
        },
        Command(
            "RPOPLPUSH", group: .list, since: "1.2.0", arity: 3, flags: [.write, .denyOOM], effect: .verbatim,
            keys: sourceAndDestination,
            syntax: "source destination",
            summary: "Moves the last element of a list to the head of another and returns it.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            guard try !move(context, arguments, (.tail, .head)) else { return }
            context.reply.null()
        }
        .deprecated("6.2.0", replacedBy: "`LMOVE` with `RIGHT` and `LEFT`"),
    ]

    static let blocking: [Command<KeyspaceContext>] = [
        blockingPopper("BLPOP", "Takes the first element of a list and returns it, or waits for one.", at: .head)
            .changed("6.0.0", "The timeout may have a fraction."),
        blockingPopper("BRPOP", "Takes the last element of a list and returns it, or waits for one.", at: .tail)
            .changed("6.0.0", "The timeout may have a fraction."),
        Command(
            "BLMOVE", group: .list, since: "6.2.0", arity: 6, flags: [.write, .denyOOM, .blocking], effect: .explicit,
            keys: sourceAndDestination,
            syntax: "source destination wherefrom=<LEFT | RIGHT> whereto=<LEFT | RIGHT> timeout:double",
            summary: "Moves an element from one list to another and returns it, or waits for one.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            let ends = try arguments.listEnds()
            try moveWaiting(context, arguments, ends, timeout: 5, "LMOVE")
        },
        Command(
            "BRPOPLPUSH", group: .list, since: "2.2.0", arity: 4, flags: [.write, .denyOOM, .blocking],
            effect: .explicit,
            keys: sourceAndDestination, syntax: "source destination timeout:double",
            summary: "Moves the last element of a list to the head of another and returns it, or waits for one.",
            complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            try moveWaiting(context, arguments, (.tail, .head), timeout: 3, "RPOPLPUSH")
        }
        .changed("6.0.0", "The timeout may have a fraction.")
        .deprecated("6.2.0", replacedBy: "`BLMOVE` with `RIGHT` and `LEFT`"),
        Command(
            "BLMPOP", group: .list, since: "7.0.0", arity: -5, flags: [.write, .blocking, .movableKeys],
            effect: .explicit,
            keys: [KeySpec(popFlags, begin: .index(2), find: .keyCount(count: 0, first: 1, step: 1))],
            syntax: "timeout:double numkeys key [key ...] where=<LEFT | RIGHT> [COUNT count]",
            summary: "Takes elements from the first list of several that has any, and returns them, or waits for some.",
            complexity: "O(N+M) in the keys and the elements returned"
        ) { (context, arguments) throws(CommandError) in
            let request = try PopRequest(arguments, from: 2, readEnd)
            let deadline = try arguments.waitDeadline(seconds: 1, now: context.now)
            guard try !popFromFirst(context, arguments, request) else { return }
            context.wait(for: arguments, request.keys, until: deadline, timeoutReply: .nullArray) { _ in
                Need(.elements(1))
            }
        },
    ]

    // MARK: waiting

    private static func blockingPopper(_ name: String, _ summary: String, at end: ListEnd) -> Command<KeyspaceContext> {
        Command(
            name, group: .list, since: "2.0.0", arity: -3, flags: [.write, .blocking], effect: .explicit,
            keys: [KeySpec(popFlags, begin: .index(1), find: .range(last: -2, step: 1, limit: 0))],
            syntax: "key [key ...] timeout:double", summary: summary, complexity: "O(N) in the keys"
        ) { (context, arguments) throws(CommandError) in
            let keys = 1..<arguments.count - 1
            let deadline = try arguments.waitDeadline(seconds: keys.upperBound, now: context.now)
            for index in keys where !context.passesOver(arguments[index], unless: .list) {
                guard let list = try context.list(at: arguments[index], .write) else { continue }
                context.reply.array(2)
                context.reply.bulkString(arguments[index])
                context.reply.element(list.element(at: end))
                list.removeElement(at: end)
                context.effect(end.popCommand, arguments[index])
                return context.popped(from: list, arguments[index], at: end, count: 1)
            }
            context.wait(for: arguments, keys, until: deadline, timeoutReply: .nullArray) { _ in Need(.elements(1)) }
        }
    }

    /// - Parameter command: the one that does the same without waiting.
    private static func moveWaiting(
        _ context: KeyspaceContext, _ arguments: Arguments, _ ends: (from: ListEnd, to: ListEnd), timeout: Int,
        _ command: StaticString
    ) throws(CommandError) {
        let deadline = try arguments.waitDeadline(seconds: timeout, now: context.now)
        guard try !move(context, arguments, ends) else {
            return context.effect(command, arguments, without: timeout)
        }
        // Where nobody may wait, it is the reply of LMOVE.
        guard context.options.contains(.mayWait) else { return context.reply.null() }
        context.wait(for: arguments, 1..<2, until: deadline, timeoutReply: .nullArray) { _ in Need(.elements(1)) }
    }

    // MARK: moving

    /// The list to move from, nil if there is none, when what is to be moved to is a list or absent.
    static func sourceList(_ context: KeyspaceContext, _ arguments: Arguments) throws(CommandError) -> ListValue? {
        guard let source = try context.list(at: arguments[1], .write) else { return nil }
        _ = try context.list(at: arguments[2], .write)
        return source
    }

    /// Moves an element and answers with it; false if the source does not exist.
    private static func move(
        _ context: KeyspaceContext, _ arguments: Arguments, _ ends: (from: ListEnd, to: ListEnd)
    ) throws(CommandError) -> Bool {
        guard let source = try sourceList(context, arguments) else { return false }
        let element = source.element(at: ends.from)
        // Redis does not count an integer from a large list when it looks whether the destination becomes too large.
        let size: Int
        if case .integer = element, !source.isPacked { size = 0 } else { size = element.byteCount }
        context.reply.element(element)
        // The element's bytes are gone when it is taken out, and the lists may be one.
        let result: Result<Void, CommandError> = element.withCopy { bytes in
            source.removeElement(at: ends.from)
            do throws(CommandError) {
                let destination = try context.listMade(at: arguments[2])
                destination.prepare(bytes: size, count: 1)
                destination.push(bytes, at: ends.to)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        context.changed(arguments[2], .pushed(at: ends.to), count: 0)
        context.changed(arguments[1], .popped(at: ends.from))
        // The slots may have moved when the destination was made.
        if let source = try context.list(at: arguments[1], .peek) { context.finishRemoving(from: source, arguments[1]) }
        return true
    }
}

extension PackedElement {
    /// Lends a copy of the element's text to `body`, so that the element may be removed meanwhile.
    fileprivate func withCopy<Result>(_ body: (ByteSlice) -> Result) -> Result {
        guard case .bytes(let bytes) = self else { return withBytes(body) }
        return unsafe withUnsafeTemporaryAllocation(byteCount: bytes.count, alignment: 1) { buffer in
            unsafe memcpy(buffer.baseAddress!, bytes.rawBytes.baseAddress!, bytes.count)
            return unsafe body(ByteSlice(start: buffer.baseAddress!, count: bytes.count))
        }
    }
}
