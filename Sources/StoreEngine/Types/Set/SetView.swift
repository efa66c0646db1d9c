// The members of a set, to be read: whether they lie in a sorted array of integers, a forward list or a table.
//
// It has only the entry, not its slot, so a view stays valid when other keys change. All operations of set algebra use one: the
// members of one set that are in all of some others, or in none of them.

import RespCodec

/// Valid until the set changes.
@safe struct SetView {
    let entry: Entry

    init(_ entry: Entry) { self.entry = entry }

    @inline(__always) var isTable: Bool { entry.encoding == .table }
    @inline(__always) var isIntegers: Bool { entry.encoding == .integers }
    @inline(__always) var table: SetTable { unsafe SetTable(at: entry.pointer) }

    /// How many members there are.
    /// - Complexity: O(1).
    var count: Int {
        switch entry.encoding {
        case .integers: entry.integerSet.count
        case .packed: entry.forwardList.count
        default: table.count
        }
    }

    /// - Complexity: O(1), O(log members) for integers, O(members) while packed.
    @inline(__always)
    func contains(_ member: ByteSlice) -> Bool {
        switch entry.encoding {
        case .integers: Decimal.parse(member).map { entry.integerSet.contains($0) } ?? false
        case .packed: entry.forwardList.find(PackedValue(member)) != nil
        default: table.contains(member)
        }
    }

    func contains(_ member: PackedElement) -> Bool {
        switch (member, entry.encoding) {
        case (.bytes(let bytes), _): contains(bytes)
        case (.integer(let value), .integers): entry.integerSet.contains(value)
        case (.integer(let value), .packed): entry.forwardList.find(PackedValue(integer: value)) != nil
        case (.integer(let value), _): Decimal.withText(value) { table.contains($0) }
        }
    }

    // MARK: visiting

    /// Calls `body` with each member, until it returns false. The set must not change meanwhile.
    /// - Returns: whether all members were seen.
    @discardableResult
    func visit(_ body: (PackedElement) -> Bool) -> Bool {
        switch entry.encoding {
        case .integers:
            let integers = entry.integerSet
            for index in 0..<integers.count {
                guard body(.integer(integers[index])) else { return false }
            }
            return true
        case .packed:
            let list = entry.forwardList
            var offset = list.first
            let end = list.end
            while offset < end {
                guard body(list[offset]) else { return false }
                offset = list.next(after: offset)
            }
            return true
        default:
            return table.visit { body(.bytes($0)) }
        }
    }

    /// Calls `body` with each member; the set must not change meanwhile.
    func forEach(_ body: (PackedElement) -> Void) {
        visit {
            body($0)
            return true
        }
    }

    /// Calls `body` with the members at a cursor, and returns the next cursor: all at once unless there is a table, see
    /// `SegmentedTable.scan`.
    func scan(_ cursor: UInt64, _ body: (PackedElement) -> Void) -> UInt64 {
        guard isTable else {
            forEach(body)
            return 0
        }
        return unsafe table.table.scan(cursor) { body(.bytes(unsafe MemberEntry($0).member)) }
    }

    /// A random member, each as likely as any other. There must be one.
    /// - Complexity: O(1) expected, O(members) while packed.
    func random(using generator: inout RandomSource) -> PackedElement {
        switch entry.encoding {
        case .integers:
            return .integer(entry.integerSet[generator.below(count)])
        case .packed:
            let list = entry.forwardList
            let count = list.count
            return list[list.offset(ofElement: generator.below(count), of: count)]
        default:
            return .bytes(table.random(using: &generator))
        }
    }

    /// Calls `body` with `wanted` random members, which may repeat, until it returns false. There must be a member.
    /// - Complexity: O(wanted) expected, O(members + wanted) while packed.
    func drawRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (PackedElement) -> Bool) {
        guard entry.encoding == .packed && wanted > 1 else {
            for _ in 0..<wanted where !body(random(using: &generator)) { return }
            return
        }
        var members: [PackedElement] = []
        forEach { members.append($0) }
        for _ in 0..<wanted where !body(members[generator.below(members.count)]) { return }
    }

    /// Calls `body` with `wanted` different random members; there must be that many. Any selection is as likely as any
    /// other.
    /// - Complexity: O(wanted) expected, O(members) while packed.
    func visitRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (PackedElement) -> Void) {
        let count = count
        if isTable {
            return table.table.visitRandom(wanted, using: &generator) { word in
                body(.bytes(unsafe MemberEntry(SlotWord.entry(word)).member))
            }
        }
        guard wanted < count / 3 && isIntegers else {
            var choice = Choice(wanted, of: count)
            visit { member in
                if choice.takesNext(using: &generator) { body(member) }
                return !choice.isOver
            }
            return
        }
        // Few of many: one that was drawn before is drawn again.
        var drawn: Set<Int> = []
        drawn.reserveCapacity(wanted)
        while drawn.count < wanted {
            let index = generator.below(count)
            if drawn.insert(index).inserted { body(.integer(entry.integerSet[index])) }
        }
    }

    // MARK: algebra

    /// The cost of a look-up, relative to one in a table.
    var lookupCost: Int { entry.encoding == .packed ? 1 + count / 8 : 1 }

    /// Which members of a set are wanted, by whether other sets have them.
    enum Membership {
        case inAll
        case inNone
    }

    /// Calls `body` with the members that are in all of `others`, or in none of them, until it returns false.
    /// - Returns: whether all such members were seen.
    /// - Complexity: O(members * others) look-ups.
    @discardableResult
    func visit(_ membership: Membership, of others: ArraySlice<SetView>, _ body: (PackedElement) -> Bool) -> Bool {
        switch entry.encoding {
        case .integers where others.count == 1 && others.first!.isIntegers:
            let other = others.first!.entry.integerSet
            return entry.integerSet.visit(membership == .inAll, in: other) { body(.integer($0)) }
        case .integers, .packed:
            return visit { member in
                for other in others where other.contains(member) != (membership == .inAll) { return true }
                return body(member)
            }
        default:
            return table.visitBatches { batch in
                var wanted = Self.filter(batch, membership, of: others)
                while wanted != 0 {
                    let index = wanted.trailingZeroBitCount
                    wanted &= wanted &- 1
                    guard body(.bytes(batch.member(index))) else { return false }
                }
                return true
            }
        }
    }

    /// A bit for each member of a batch that is in all of `others`, or in none of them.
    private static func filter(
        _ batch: SetTable.Batch, _ membership: Membership, of others: ArraySlice<SetView>
    ) -> UInt32 {
        var wanted: UInt32 = (1 << UInt32(batch.count)) - 1
        for other in others where wanted != 0 {
            var found: UInt32 = 0
            if other.isTable {
                found = other.table.found(of: batch, asked: wanted)
            } else {
                for index in 0..<batch.count
                where wanted >> UInt32(index) & 1 != 0 && other.contains(batch.member(index)) {
                    found |= 1 << UInt32(index)
                }
            }
            wanted &= membership == .inAll ? found : ~found
        }
        return wanted
    }
}
