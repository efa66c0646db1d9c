// SORT: the elements of a list, a set or a sorted set in order, or other values that these lead to.
//
// The elements are collected, what they are ordered by is looked up, `SortOrder` tells in which order they come, and then either they
// or what their patterns lead to is answered, or stored as a list. Nothing is changed before all of that has succeeded.

import RespCodec

enum SortCommands {
    private static let syntax =
        "key [BY by-pattern=pattern#1] [LIMIT offset count] [GET get-pattern=pattern#1 [GET get-pattern=pattern#1 ...]] order=[ASC | DESC] [sorting=ALPHA]"
    private static let categories = ["list", "set", "sortedset", "dangerous"]
    private static let complexity =
        "O(N+M*log(M)) in the elements of the collection and those returned; O(N) where nothing is to be sorted"

    private static let patternKeys = KeySpec(
        [.ro, .access], begin: .unknown { _ in nil },
        notes:
            "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort"
    )
    private static let destinationKey = KeySpec(
        [.ow, .update], begin: .unknown(destination),
        notes:
            "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array"
    )

    static let all: [Command<KeyspaceContext>] = [
        Command(
            "SORT", group: .generic, since: "1.0.0", arity: -2, flags: [.write, .denyOOM], effect: .explicit,
            keys: [.first([.ro, .access]), patternKeys, destinationKey], categories: categories,
            syntax: syntax + " [STORE destination#2]",
            summary: "Returns or stores the elements of a list, a set or a sorted set in order.",
            complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            try answer(context, arguments, try SortRequest(arguments, mayStore: true))
        },
        Command(
            "SORT_RO", group: .generic, since: "7.0.0", arity: -2, flags: [.readOnly],
            keys: [.first([.ro, .access]), patternKeys], categories: categories, syntax: syntax,
            summary: "Returns the elements of a list, a set or a sorted set in order.", complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            try answer(context, arguments, try SortRequest(arguments, mayStore: false))
        },
    ]

    /// Where the key of the last STORE option is.
    @Sendable private static func destination(_ arguments: Arguments) -> Int? {
        var found: Int?
        var options = ArgumentReader(arguments, from: 2)
        while !options.isAtEnd {
            if options.takes("limit", with: 2) {
                options.skip(2)
            } else if options.takes("get", with: 1) || options.takes("by", with: 1) {
                options.skip(1)
            } else if options.takes("store", with: 1) {
                found = options.index
            } else {
                options.skip(1)
            }
        }
        return found
    }

    // MARK: sorting

    private static func answer(
        _ context: KeyspaceContext, _ arguments: Arguments, _ request: SortRequest
    ) throws(CommandError) {
        var arena = ByteArena()
        defer { unsafe arena.deallocate() }
        var sorter = Sorter(context, request)
        defer { unsafe sorter.deallocate() }
        let elements = try sorter.sorted(arguments[1], keepingIn: &arena)
        let reply = context.reply
        guard let destination = request.destination else {
            reply.array(elements.count * max(request.results.count, 1))
            guard !request.results.isEmpty else {
                for element in elements { reply.element(element) }
                return
            }
            sorter.forEachValue(of: request.results, elements) {
                guard !reply.isOverfull else { return }
                if let value = $0 { reply.element(value) } else { reply.null() }
            }
            return
        }
        var results = elements
        if !request.results.isEmpty {
            results = []
            sorter.forEachValue(of: request.results, elements) { value in
                results.append(value.map { arena.copy($0) } ?? .bytes(.empty))
            }
        }
        let replaces = context.find(destination, .peek) != nil
        try store(context, results, at: destination)
        if replaces || !results.isEmpty { tell(context, arguments, request, results, replaces: replaces) }
        context.reply.integer(results.count)
    }

    /// Tells what was stored. What other keys had a part in is told as it came out: what is expired among them is not told of before.
    private static func tell(
        _ context: KeyspaceContext, _ arguments: Arguments, _ request: SortRequest, _ results: [PackedElement],
        replaces: Bool
    ) {
        guard context.isRecorded, let destination = request.destination else { return }
        guard request.followsKeys else { return context.effect(arguments) }
        if replaces { context.effect("DEL", destination) }
        guard !results.isEmpty, let effect = context.beginEffect("RPUSH", destination) else { return }
        for result in results { effect.add(result) }
        effect.end()
    }

    /// Makes a list of the results, in the place of what the key holds; of nothing, none. The results lie in no value of the database.
    private static func store(
        _ context: KeyspaceContext, _ results: [PackedElement], at key: ByteSlice
    ) throws(CommandError) {
        let old = context.find(key, .peek)
        let oldType = old.map { context.entry($0).type }
        let frequency = old.flatMap(context.frequencyClock)
        if let old { context.removeQuietly(old) }
        guard !results.isEmpty else {
            if old != nil { context.changed(key, .del) }
            return
        }
        let list = try context.replacing(old != nil).listMade(at: key)
        if let oldType { context.noticeOverwritten(key, oldType, .list, in: context.database) }
        for result in results { result.withBytes { list.append($0, at: .tail) } }
        if let frequency, let slot = context.find(key, .peek) {
            context.database.entry(at: slot).accessClock = frequency
        }
        context.changed(key, .sortStore, count: results.count)
    }
}

/// What SORT is asked for.
struct SortRequest {
    private(set) var by: SortPattern?
    /// Whether a pattern without a star was given, also that of the element itself: then nothing is sorted at all.
    private(set) var keepsOrder = false
    private(set) var results: [SortPattern] = []
    private(set) var offset = 0
    /// How many elements are wanted; all if negative.
    private(set) var count = -1
    private(set) var descending = false
    private(set) var comparesTexts = false
    private(set) var destination: ByteSlice?

    /// Reads the options behind the key.
    init(_ arguments: Arguments, mayStore: Bool) throws(CommandError) {
        var options = ArgumentReader(arguments, from: 2)
        while !options.isAtEnd {
            if options.takes("asc") {
                descending = false
            } else if options.takes("desc") {
                descending = true
            } else if options.takes("alpha") {
                comparesTexts = true
            } else if let limits = try options.takesLimits() {
                (offset, count) = limits
            } else if mayStore && options.takes("store", with: 1) {
                destination = options.next()
            } else if options.takes("by", with: 1) {
                let pattern = SortPattern(options.next())
                if pattern.isWithoutStar { keepsOrder = true }
                by = pattern
            } else if options.takes("get", with: 1) {
                results.append(SortPattern(options.next()))
            } else {
                throw .syntax
            }
        }
    }

    /// Whether the values of other keys are looked at.
    var followsKeys: Bool { !(by?.isWithoutStar ?? true) || results.contains { !$0.isWithoutStar } }

    /// The places of the result that are wanted, of `total`.
    func places(of total: Int) -> Range<Int> {
        let start = min(max(offset, 0), total)
        let wanted = count < 0 ? total : min(count, total)
        return start..<min(start + wanted, total)
    }
}

/// One SORT at work: collects elements, follows patterns.
private struct Sorter {
    private let context: KeyspaceContext
    private let request: SortRequest
    private var keys = SortKeys()

    init(_ context: KeyspaceContext, _ request: SortRequest) {
        self.context = context
        self.request = request
    }

    /// Ends the work.
    @unsafe func deallocate() { unsafe keys.deallocate() }

    // MARK: elements

    /// The elements of a collection that are wanted, in order. They are good until something is changed or the arena goes.
    /// - Throws: `wrongType`, and a message for what should be a number and is none.
    mutating func sorted(_ key: ByteSlice, keepingIn arena: inout ByteArena) throws(CommandError) -> [PackedElement] {
        guard let slot = context.find(key, .read) else { return [] }
        let type = context.entry(slot).type
        guard type == .list || type == .set || type == .sortedSet else { throw .wrongType }
        guard request.keepsOrder else {
            return try sorted(try elements(key, type, &arena), by: request.by, request.comparesTexts, &arena)
        }
        if type == .set && (request.destination != nil || context.options.contains(.scripted)) {
            // A set has no order of its own, but what is stored should have one, and what a script sees.
            return try sorted(try elements(key, type, &arena), by: nil, true, &arena)
        }
        return try unsorted(key, type, &arena)
    }

    /// All elements.
    private func elements(
        _ key: ByteSlice, _ type: ValueType, _ arena: inout ByteArena
    ) throws(CommandError) -> [PackedElement] {
        var elements: [PackedElement] = []
        switch type {
        case .list:
            guard let list = try context.list(at: key, .peek) else { return [] }
            elements.reserveCapacity(list.count)
            // Elements of a compressed node are good only until the next node is looked at.
            list.forEach { elements.append(arena.copy($0)) }
        case .set:
            guard let set = try context.set(at: key, .peek) else { return [] }
            elements.reserveCapacity(set.count)
            set.forEach { elements.append($0) }
        default:
            guard let set = try context.sortedSet(at: key, .peek) else { return [] }
            elements.reserveCapacity(set.count)
            set.forEach { member, _ in elements.append(member) }
        }
        if request.destination != nil && type != .list { elements = elements.map { arena.copy($0) } }
        return elements
    }

    /// The elements that are wanted, in the collection's own order, or against it if it has one.
    private func unsorted(
        _ key: ByteSlice, _ type: ValueType, _ arena: inout ByteArena
    ) throws(CommandError) -> [PackedElement] {
        var elements: [PackedElement] = []
        switch type {
        case .list:
            guard let list = try context.list(at: key, .peek) else { return [] }
            let places = request.places(of: list.count)
            guard !places.isEmpty else { return [] }
            let first = request.descending ? list.count - 1 - places.lowerBound : places.lowerBound
            list.visit(from: first, backwards: request.descending) {
                elements.append(arena.copy($0))
                return elements.count < places.count
            }
        case .set:
            elements = try self.elements(key, type, &arena)
            return Array(elements[request.places(of: elements.count)])
        default:
            guard let set = try context.sortedSet(at: key, .peek) else { return [] }
            let places = request.places(of: set.count)
            let first = request.descending ? set.count - 1 - places.lowerBound : places.lowerBound
            set.forEach(from: first, count: places.count, reversed: request.descending) { member, _ in
                elements.append(arena.copy(member))
            }
        }
        return elements
    }

    // MARK: order

    private mutating func sorted(
        _ elements: [PackedElement], by pattern: SortPattern?, _ comparesTexts: Bool, _ arena: inout ByteArena
    ) throws(CommandError) -> [PackedElement] {
        let places = request.places(of: elements.count)
        let order: [Int]
        if !comparesTexts {
            let numbers = try numbers(elements, by: pattern)
            order = SortOrder.byNumbers(numbers, of: elements, descending: request.descending)
        } else {
            var texts: [PackedElement?] = elements
            if let pattern {
                texts = []
                texts.reserveCapacity(elements.count)
                forEachValue(of: [pattern], elements) { value in texts.append(value.map { arena.copy($0) }) }
            }
            // What is stored does not depend on the place where the server runs; what is answered is collated as C does.
            order = SortOrder.byTexts(
                texts, endingAtZero: request.destination == nil, descending: request.descending,
                wanted: pattern != nil && places.count < elements.count ? places : nil)
        }
        return order[places].map { elements[$0] }
    }

    /// What the elements, or the values they lead to, are as numbers; of no value it is 0.
    private mutating func numbers(
        _ elements: [PackedElement], by pattern: SortPattern?
    ) throws(CommandError) -> [Double] {
        var numbers: [Double] = []
        numbers.reserveCapacity(elements.count)
        var areNumbers = true
        if let pattern {
            forEachValue(of: [pattern], elements) { value in
                guard let value else { return numbers.append(0) }
                let number = SortNumber.parse(value)
                if number == nil { areNumbers = false }
                numbers.append(number ?? 0)
            }
        } else {
            for element in elements {
                guard let number = SortNumber.parse(element) else {
                    areNumbers = false
                    break
                }
                numbers.append(number)
            }
        }
        guard areNumbers else { throw .message("ERR One or more scores can't be converted into double") }
        return numbers
    }

    // MARK: patterns

    /// How many elements' keys are looked for at a time.
    private static let batch = 16

    /// Lends what each pattern leads to from each element to `body`; nil if there is no such key or field, or it is of the wrong type.
    mutating func forEachValue(
        of patterns: [SortPattern], _ elements: [PackedElement], _ body: (PackedElement?) -> Void
    ) {
        var start = 0
        while start < elements.count {
            let end = min(start + Self.batch, elements.count)
            keys.removeAll()
            for index in start..<end {
                for pattern in patterns {
                    if case .key(let prefix, let suffix, _) = pattern { keys.append(prefix, elements[index], suffix) }
                }
            }
            keys.prefetch(from: context.database)
            var place = 0
            for index in start..<end {
                for pattern in patterns {
                    switch pattern {
                    case .element: body(elements[index])
                    case .constant: body(nil)
                    case .key(_, _, let field):
                        withValue(at: keys[place], field, body)
                        place += 1
                    }
                }
            }
            start = end
        }
    }

    private func withValue(at key: ByteSlice, _ field: ByteSlice?, _ body: (PackedElement?) -> Void) {
        context.expireIfNeeded(key)
        guard let slot = context.find(key, .read) else { return body(nil) }
        let entry = context.entry(slot)
        if let field {
            body(entry.isType(.hash) ? (try? context.hash(at: key, .peek))?.value(of: field) : nil)
        } else if !entry.isType(.string) {
            body(nil)
        } else if entry.encoding == .integer {
            body(.integer(entry.integer))
        } else {
            context.withString(entry) { body(.bytes($0)) }
        }
    }
}

extension KeyEvent {
    fileprivate static let sortStore = KeyEvent(.list, "sortstore")
}
