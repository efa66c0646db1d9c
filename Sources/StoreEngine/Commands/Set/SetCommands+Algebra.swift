// What several sets have in common, together, or apart: to be returned, stored or counted.

import RespCodec

extension SetCommands {
    private enum Operation {
        case intersection
        case union
        case difference
    }

    static let algebra: [Command<KeyspaceContext>] = [
        lister("SINTER", .intersection, "Returns the members that are in all of some sets."),
        lister("SUNION", .union, "Returns the members that are in any of some sets."),
        lister("SDIFF", .difference, "Returns the members of a set that are in none of some others."),
        storer("SINTERSTORE", .intersection, "Stores the members that are in all of some sets."),
        storer("SUNIONSTORE", .union, "Stores the members that are in any of some sets."),
        storer("SDIFFSTORE", .difference, "Stores the members of a set that are in none of some others."),
        counter(
            "SINTERCARD", .intersection, since: "7.0.0", syntax: "numkeys key [key ...] [LIMIT limit]",
            "Counts the members that are in all of some sets."),
        counter(
            "SUNIONCARD", .union, since: "8.10.0", syntax: "numkeys key [key ...] [APPROX] [LIMIT limit]",
            "Counts the members that are in any of some sets."),
        counter(
            "SDIFFCARD", .difference, since: "8.10.0", syntax: "numkeys key [key ...] [LIMIT limit]",
            "Counts the members of a set that are in none of some others."),
    ]

    // MARK: declaring

    private static func complexity(_ operation: Operation) -> String {
        operation == .intersection
            ? "O(N*M), N the members of the smallest set, M the sets" : "O(N) in the members of all sets"
    }

    private static func lister(
        _ name: String, _ operation: Operation, _ summary: String
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .set, since: "1.0.0", arity: -2, flags: [.readOnly],
            keys: [KeySpec([.ro, .access], begin: .index(1), find: .range(last: -1, step: 1, limit: 0))],
            tips: ["nondeterministic_output_order"], syntax: "key [key ...]", summary: summary,
            complexity: complexity(operation)
        ) { (context, arguments) throws(CommandError) in
            let sets = try views(context, arguments, 1..<arguments.count)
            let reply = context.reply
            let list = reply.beginDeferred()
            var count = 0
            visit(context, operation, sets) { member in
                reply.element(member)
                count += 1
                return true
            }
            reply.endSet(list, count: count)
        }
    }

    private static func storer(
        _ name: String, _ operation: Operation, _ summary: String
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .set, since: "1.0.0", arity: -3, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [
                KeySpec([.ow, .update], begin: .index(1)),
                KeySpec([.ro, .access], begin: .index(2), find: .range(last: -1, step: 1, limit: 0)),
            ], syntax: "destination key [key ...]", summary: summary, complexity: complexity(operation)
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(try store(context, operation, arguments))
        }
    }

    private static func counter(
        _ name: String, _ operation: Operation, since: String, syntax: String, _ summary: String
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .set, since: since, arity: -3, flags: [.readOnly, .movableKeys],
            keys: [KeySpec([.ro, .access], begin: .index(1), find: .keyCount(count: 0, first: 1, step: 1))],
            syntax: syntax, summary: summary, complexity: complexity(operation)
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(try count(context, operation, arguments))
        }
    }

    // MARK: the sets

    /// The sets at some keys; nil for those that are absent.
    private static func views(
        _ context: KeyspaceContext, _ arguments: Arguments, _ range: Range<Int>
    ) throws(CommandError) -> [SetView?] {
        var sets: [SetView?] = []
        sets.reserveCapacity(range.count)
        for index in range { sets.append(try context.set(at: arguments[index], .read)?.view) }
        return sets
    }

    /// Calls `body` with each member of the result, once, until it returns false.
    private static func visit(
        _ context: KeyspaceContext, _ operation: Operation, _ sets: [SetView?], _ body: (PackedElement) -> Bool
    ) {
        switch operation {
        case .intersection: visitIntersection(sets, body)
        case .union: visitUnion(context, sets.compactMap { $0 }, body)
        case .difference: visitDifference(context, sets, body)
        }
    }

    private static func visitIntersection(_ sets: [SetView?], _ body: (PackedElement) -> Bool) {
        var present = distinct(sets)
        guard !sets.contains(where: { $0 == nil }) else { return }
        sortBySize(&present)
        present[0].visit(.inAll, of: present[1...], body)
    }

    /// How many look-ups an algorithm without further memory may take for each member that the other one would have to
    /// keep.
    private static let lookupsPerMember = 4

    private static func visitUnion(
        _ context: KeyspaceContext, _ sets: [SetView], _ body: (PackedElement) -> Bool
    ) {
        let sets = distinct(sets)
        if sets.count > 1 && !sets.contains(where: { !$0.isIntegers }) {
            // Integers of several sets come in the order of one.
            let union = UnattachedSet(context, .integers)
            for set in sets { set.forEach { union.value.add($0) } }
            union.value.view.visit(body)
            return union.free()
        }
        var members = 0
        var lookups = 0
        var cost = 0
        for set in sets {
            members += set.count
            lookups += set.count * cost
            cost += set.lookupCost
        }
        if lookups <= members * lookupsPerMember {
            // Of each set what was in none before it.
            for (index, set) in sets.enumerated() {
                guard set.visit(.inNone, of: sets[..<index], body) else { return }
            }
            return
        }
        let union = UnattachedSet(context, .integers)
        for set in sets { guard set.visit({ union.value.add($0) ? body($0) : true }) else { break } }
        union.free()
    }

    private static func visitDifference(
        _ context: KeyspaceContext, _ sets: [SetView?], _ body: (PackedElement) -> Bool
    ) {
        guard let first = sets[0] else { return }
        var others = distinct(sets[1...])
        guard !others.contains(first) else { return }
        // The largest first: there a member is found the soonest.
        sortBySize(&others)
        others.reverse()
        let lookups = first.count * others.reduce(0) { $0 + $1.lookupCost }
        let members = first.count + others.reduce(0) { $0 + $1.count }
        guard lookups > members * lookupsPerMember else {
            first.visit(.inNone, of: others[...], body)
            return
        }
        let union = UnattachedSet(context, .integers)
        for set in others { set.forEach { union.value.add($0) } }
        first.visit(.inNone, of: [union.value.view], body)
        union.free()
    }

    /// The sets that are there, each once.
    private static func distinct(_ sets: some Collection<SetView?>) -> [SetView] {
        var result: [SetView] = []
        result.reserveCapacity(sets.count)
        if sets.count <= 16 {
            for case let set? in sets where !result.contains(set) { result.append(set) }
        } else {
            var seen: Set<UInt> = []
            for case let set? in sets where seen.insert(set.identity).inserted { result.append(set) }
        }
        return result
    }

    /// The smallest first, those of a size as they came.
    private static func sortBySize(_ sets: inout [SetView]) {
        if sets.count == 2 {
            if sets[1].count < sets[0].count { sets.swapAt(0, 1) }
        } else {
            sets.sort { $0.count < $1.count }
        }
    }

    // MARK: storing

    /// Stores the result, or removes the destination if it is empty.
    /// - Returns: how many members it has.
    private static func store(
        _ context: KeyspaceContext, _ operation: Operation, _ arguments: Arguments
    ) throws(CommandError) -> Int {
        let destination = arguments[1]
        let sets = try views(context, arguments, 2..<arguments.count)
        let result = result(context, operation, sets, for: destination)
        let count = result.value.count
        guard count > 0 else {
            result.free()
            if let slot = context.find(destination) {
                context.removeQuietly(slot)
                context.changed(destination, .del)
            }
            return 0
        }
        _ = context.find(destination)
        context.noticeOverwriting(destination, context.find(destination, .peek), with: .set)
        result.store()
        switch operation {
        case .intersection: context.changed(destination, .sinterStore)
        case .union: context.changed(destination, .sunionStore)
        case .difference: context.changed(destination, .sdiffStore)
        }
        return count
    }

    private static func result(
        _ context: KeyspaceContext, _ operation: Operation, _ sets: [SetView?], for key: ByteSlice
    ) -> UnattachedSet {
        switch operation {
        case .intersection:
            // What a set of anything has in common with others is gathered in a packed set, and kept as integers if it
            // is of nothing else.
            let smallest = sets.contains { $0 == nil } ? nil : sets.lazy.compactMap { $0 }.min { $0.count < $1.count }
            let isInteger = smallest?.isIntegers ?? true
            let result = UnattachedSet(context, for: key, isInteger ? .integers : .packed)
            var isOfIntegers = true
            visitIntersection(sets) { member in
                if isOfIntegers && member.integer == nil { isOfIntegers = false }
                result.value.add(member)
                return true
            }
            if isOfIntegers && !isInteger { result.value.becomeIntegers() }
            return result
        case .union:
            let result = UnattachedSet(context, for: key, .integers)
            for case let set? in sets { set.forEach { result.value.add($0) } }
            return result
        case .difference:
            let result = UnattachedSet(context, for: key, .integers)
            visitDifference(context, sets) { member in
                result.value.add(member)
                return true
            }
            return result
        }
    }

    // MARK: counting

    private static func count(
        _ context: KeyspaceContext, _ operation: Operation, _ arguments: Arguments
    ) throws(CommandError) -> Int {
        var options = ArgumentReader(arguments, from: 1)
        let keys = try options.keys(tooMany: .tooManyKeys)
        var limit = 0
        while !options.isAtEnd {
            if let given = try options.takesCountingLimit() {
                limit = given
            } else if operation != .union || !options.takes("approx") {
                // Who asks for an approximation gets the exact count, which for a few sets needs no memory either.
                throw .syntax
            }
        }
        let sets = try views(context, arguments, keys)
        var count = 0
        visit(context, operation, sets) { _ in
            count += 1
            return count != limit
        }
        return count
    }
}

extension SetView: Equatable {
    /// Tells sets of a database apart, whatever is in them.
    var identity: UInt { unsafe UInt(bitPattern: entry.address) }

    static func == (left: SetView, right: SetView) -> Bool { left.identity == right.identity }
}
