// Sorted sets: while small a forward list of members and scores alternating, in their order; when large a table and a tree. The tree lies with
// the containers (`Containers/RankedTree.swift`), since streams use it, too. Nothing here knows of clients or replies.
//
// A range by score or member is converted to a range of ranks first, which gives the number of members, and is visited by one loop over
// ranks.

import Glibc
import RespCodec

/// The sorted set at a slot of a database.
@safe struct SortedSetValue {
    /// The limits of a packed sorted set.
    struct Limits {
        let entries: Int
        let length: Int
    }

    private let database: Database
    private let slot: Slot
    private let limits: Limits

    init(_ database: Database, _ slot: Slot, limits: Limits) {
        self.database = database
        self.slot = slot
        self.limits = limits
    }

    @inline(__always) private var entry: Entry { database.entry(at: slot) }
    @inline(__always) var isPacked: Bool { entry.encoding == .packed }
    private var payload: PackedPayload<ForwardOnly> { PackedPayload(database, slot) }
    private var list: ForwardList { entry.forwardList }
    @inline(__always) private var table: SortedSetTable { unsafe SortedSetTable(at: entry.pointer) }

    /// How many members there are.
    var count: Int { isPacked ? list.count / 2 : table.count }

    /// To be called when members were added, or removed if less than 0 of them.
    @inline(__always)
    private func countChanged(by change: Int) {
        let count = count
        database.sizeChanged(.sortedSet, from: count &- change, to: count)
    }

    // MARK: single members

    /// - Complexity: O(1), O(members) while packed.
    @inline(__always)
    func score(of member: ByteSlice) -> Double? {
        guard isPacked else { return table.find(member)?.score }
        let list = list
        guard let offset = list.find(PackedValue(member), stride: 2) else { return nil }
        return list[list.next(after: offset)].score
    }

    /// How many members are before this one; nil if it is not in the set.
    /// - Complexity: O(log(members)), O(members) while packed.
    func rank(of member: ByteSlice) -> Int? { rankAndScore(of: member)?.rank }

    func rankAndScore(of member: ByteSlice) -> (rank: Int, score: Double)? {
        guard isPacked else {
            let table = table
            guard let block = table.find(member) else { return nil }
            return (table.rank(of: block), block.score)
        }
        let list = list
        let wanted = PackedValue(member)
        var rank = 0
        var offset = list.first
        let end = list.end
        while offset < end {
            let score = list.next(after: offset)
            if list.matches(wanted, at: offset) { return (rank, list[score].score) }
            rank += 1
            offset = list.next(after: score)
        }
        return nil
    }

    // MARK: random members

    /// Calls `body` with `wanted` random members and their scores, which may repeat, until it returns false. There must be a member.
    /// - Complexity: O(wanted) expected, O(members + wanted) while packed.
    func drawRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (PackedElement, Double) -> Bool) {
        guard isPacked else {
            let table = table
            for _ in 0..<wanted {
                let block = unsafe MemberBlock(table.table.random(using: &generator))
                guard body(.bytes(block.member), block.score) else { return }
            }
            return
        }
        var members: [(PackedElement, Double)] = []
        forEach { members.append(($0, $1)) }
        for _ in 0..<wanted {
            let (member, score) = members[generator.below(members.count)]
            guard body(member, score) else { return }
        }
    }

    /// Calls `body` with `wanted` different random members and their scores; there must be that many. Any selection is as likely as any
    /// other.
    /// - Complexity: O(wanted) expected, O(members) while packed.
    func visitRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (PackedElement, Double) -> Void) {
        guard isPacked else {
            return table.table.visitRandom(wanted, using: &generator) { word in
                let block = unsafe MemberBlock(SlotWord.entry(word))
                body(.bytes(block.member), block.score)
            }
        }
        var choice = Choice(wanted, of: count)
        forEach { member, score in
            if choice.takesNext(using: &generator) { body(member, score) }
        }
    }

    // MARK: ranges

    /// The ranks from `first` through `last`, which count from the end if negative.
    func ranks(from first: Int, through last: Int) -> Range<Int> {
        let count = count
        let start = max(first < 0 ? first + count : first, 0)
        let end = min(last < 0 ? last + count : last, count - 1)
        return start <= end ? start..<end + 1 : 0..<0
    }

    /// The ranks of the members with scores in a range.
    /// - Complexity: O(log(members)), O(members) while packed.
    func ranks(in range: ScoreRange) -> Range<Int> {
        guard !range.isEmpty else { return 0..<0 }
        guard isPacked else {
            let tree = table.tree
            let start = tree.count(below: range.minimum, includingEqual: range.excludesMinimum)
            let end = tree.count(below: range.maximum, includingEqual: !range.excludesMaximum)
            return start..<max(start, end)
        }
        let list = list
        var start = 0
        var end = 0
        var offset = list.first
        let listEnd = list.end
        while offset < listEnd {
            let place = list.next(after: offset)
            let score = list[place].score
            guard range.isBehind(score) else { break }
            end += 1
            if !range.isBefore(score) { start = end }
            offset = list.next(after: place)
        }
        return start..<end
    }

    /// The ranks of the members in a range. If scores differ, members are not in order, and as in Redis the result is what a search from the
    /// front or, if `reversed`, from the back finds first.
    /// - Complexity: O(log(members)), O(members) while packed.
    func ranks(in range: MemberRange, reversed: Bool = false) -> Range<Int> {
        let count = count
        guard !range.isEmpty && count > 0 else { return 0..<0 }
        guard isPacked else {
            let tree = table.tree
            let start = unsafe tree.rank { unsafe !range.isBefore(MemberBlock($1).member) }
            let end = unsafe tree.rank { unsafe range.isBehind(MemberBlock($1).member) }
            return start..<max(start, end)
        }
        var isBefore: [Bool] = []
        var isBehind: [Bool] = []
        forEach { member, _ in
            member.withBytes { member in
                isBefore.append(range.isBefore(member))
                isBehind.append(range.isBehind(member))
            }
        }
        guard isBefore[count - 1] && isBehind[0] else { return 0..<0 }
        if reversed {
            guard let last = isBehind.lastIndex(of: true), isBefore[last] else { return 0..<0 }
            return ((isBefore[...last].lastIndex(of: false) ?? -1) + 1)..<last + 1
        }
        guard let first = isBefore.firstIndex(of: true), isBehind[first] else { return 0..<0 }
        return first..<(isBehind[first...].firstIndex(of: false) ?? count)
    }

    /// Calls `body` with each member and its score, in order; the set must not change meanwhile.
    func forEach(_ body: (PackedElement, Double) -> Void) { entry.forEachScored(body) }

    /// Calls `body` with `count` members from that of rank `rank` on, forwards or backwards.
    @inline(__always)
    func forEach(from rank: Int, count: Int, reversed: Bool, _ body: (PackedElement, Double) -> Void) {
        visit(from: rank, count: count, reversed: reversed) { member, score in
            body(member, score)
            return true
        }
    }

    /// Calls `body` with the members of these ranks, forwards or backwards.
    @inline(__always)
    func forEach(_ ranks: Range<Int>, reversed: Bool, _ body: (PackedElement, Double) -> Void) {
        forEach(
            from: reversed ? ranks.upperBound - 1 : ranks.lowerBound, count: ranks.count, reversed: reversed, body)
    }

    /// Calls `body` with the members that have scores in a range, forwards or backwards, until it returns false.
    func forEach(in range: ScoreRange, reversed: Bool, _ body: (PackedElement, Double) -> Bool) {
        let ranks = ranks(in: range)
        visit(
            from: reversed ? ranks.upperBound - 1 : ranks.lowerBound, count: ranks.count, reversed: reversed, body)
    }

    /// Calls `body` with `count` members from that of rank `rank` on, forwards or backwards, until it returns false.
    @inline(__always)
    func visit(
        from rank: Int, count: Int, reversed: Bool, _ body: (PackedElement, Double) -> Bool
    ) {
        guard count > 0 else { return }
        guard isPacked else {
            return unsafe table.tree.forEach(from: rank, count: count, reversed: reversed) { score, block in
                unsafe body(.bytes(MemberBlock(block).member), score)
            }
        }
        let list = list
        guard reversed else {
            var offset = list.offset(ofElement: rank * 2, of: list.count)
            for step in 1...count {
                let score = list.next(after: offset)
                guard body(list[offset], list[score].score), step < count else { return }
                offset = list.next(after: score)
            }
            return
        }
        // The list cannot be read backwards: where the members lie is noted on the way to them.
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count) { offsets in
            var offset = list.offset(ofElement: (rank + 1 - count) * 2, of: list.count)
            for place in 0..<count {
                unsafe offsets[place] = UInt32(truncatingIfNeeded: offset)
                if place < count - 1 { offset = list.next(after: list.next(after: offset)) }
            }
            for place in (0..<count).reversed() {
                let offset = unsafe Int(offsets[place])
                guard body(list[offset], list[list.next(after: offset)].score) else { return }
            }
        }
    }

    /// Calls `body` with the members at a cursor, and returns the next cursor: all at once while packed, see `SegmentedTable.scan`.
    func scan(_ cursor: UInt64, _ body: (PackedElement, Double) -> Void) -> UInt64 {
        guard isPacked else {
            return unsafe table.table.scan(cursor) { address in
                let block = unsafe MemberBlock(address)
                body(.bytes(block.member), block.score)
            }
        }
        forEach(body)
        return 0
    }

    // MARK: changing

    /// Under which conditions a score is set.
    struct Condition: OptionSet {
        let rawValue: UInt8
        static let isNew = Condition(rawValue: 1)
        static let exists = Condition(rawValue: 2)
        static let isGreater = Condition(rawValue: 4)
        static let isLess = Condition(rawValue: 8)
    }

    /// The result of setting a score.
    enum Change {
        case added(Double)
        case updated(Double)
        /// It had this score already.
        case kept(Double)
        /// The conditions did not allow it.
        case refused
        case notANumber
    }

    /// Sets or, if `adds`, adds to the score of a member, which is 0 for a new one.
    @inline(__always)
    func change(_ member: ByteSlice, _ score: Double, adds: Bool = false, when condition: Condition = []) -> Change {
        guard isPacked else { return changeInTable(member, score, adds, condition) }
        let wanted = PackedValue(member)
        if let offset = list.find(wanted, stride: 2) {
            let old = list[list.next(after: offset)].score
            let change = Self.decide(old, score, adds, condition)
            if case .updated(let new) = change {
                payload.remove(at: offset, count: 2)
                insertPacked(wanted, new)
            }
            return change
        }
        guard !condition.contains(.exists) else { return .refused }
        if list.count / 2 >= limits.entries || member.count > limits.length
            || !list.mayTake(member.count)
        {
            unpack()
            table.insert(member, score)
        } else {
            insertPacked(wanted, score)
        }
        countChanged(by: 1)
        return .added(score)
    }

    @inline(__always)
    private func changeInTable(_ member: ByteSlice, _ score: Double, _ adds: Bool, _ condition: Condition) -> Change {
        let table = table
        guard let block = table.find(member) else {
            guard !condition.contains(.exists) else { return .refused }
            table.insert(member, score)
            countChanged(by: 1)
            return .added(score)
        }
        let change = Self.decide(block.score, score, adds, condition)
        if case .updated(let new) = change { table.setScore(block, new) }
        return change
    }

    /// The result for a member that has a score already.
    private static func decide(_ old: Double, _ score: Double, _ adds: Bool, _ condition: Condition) -> Change {
        if condition.contains(.isNew) { return .refused }
        let new = adds ? old + score : score
        if new.isNaN { return .notANumber }
        if condition.contains(.isLess) && new >= old || condition.contains(.isGreater) && new <= old { return .refused }
        return new == old ? .kept(new) : .updated(new)
    }

    /// Sets a member's score; true when the member is new.
    @discardableResult
    func set(_ member: ByteSlice, score: Double) -> Bool {
        if case .added = change(member, score) { return true }
        return false
    }

    /// Inserts a member that is not in the list.
    private func insertPacked(_ member: PackedValue, _ score: Double) {
        let list = list
        var offset = list.first
        let end = list.end
        while offset < end {
            let place = list.next(after: offset)
            let other = list[place].score
            if other > score || other == score && list[offset].withBytes({ member.bytes < $0 }) { break }
            offset = list.next(after: place)
        }
        PackedValue.withScore(score) { score in
            let room = payload.withRoom(for: ForwardList.length(of: member) + ForwardList.length(of: score))
            room.insert(score, at: offset)
            room.insert(member, at: offset)
        }
    }

    /// Removes a member; false when there is none. A set without members is to be removed by the caller.
    func remove(_ member: ByteSlice) -> Bool {
        if isPacked {
            guard let offset = list.find(PackedValue(member), stride: 2) else { return false }
            payload.remove(at: offset, count: 2)
        } else {
            guard table.remove(member) else { return false }
        }
        countChanged(by: -1)
        return true
    }

    /// Removes the members of these ranks.
    /// - Complexity: O(ranks + log(members)).
    func remove(ranks: Range<Int>) {
        guard !ranks.isEmpty else { return }
        defer { countChanged(by: -ranks.count) }
        guard isPacked else { return table.remove(ranks: ranks) }
        payload.remove(at: list.offset(ofElement: ranks.lowerBound * 2, of: list.count), count: ranks.count * 2)
    }

    /// Converts a packed set to a table if `members` members would exceed its limits.
    func prepare(for members: Int) {
        if isPacked && members > limits.entries { unpack() }
    }

    /// Moves the members from the list to a table.
    private func unpack() {
        let table = SortedSetTable(allocator: database.allocator, hash: database.hash)
        forEach { member, score in member.withBytes { table.insert($0, score) } }
        let entry = database.resizePayload(slot, to: 8, keeping: 0)
        unsafe entry.setEncoding(.tree)
        unsafe entry.pointer = table.address
    }
}

extension Entry {
    /// Calls `body` with each member and score of a sorted set, in order; the set must not change meanwhile.
    func forEachScored(_ body: (PackedElement, Double) -> Void) {
        guard encoding == .packed else {
            let tree = unsafe SortedSetTable(at: pointer).tree
            return unsafe tree.forEach(from: 0, count: tree.count, reversed: false) { score, block in
                unsafe body(.bytes(MemberBlock(block).member), score)
                return true
            }
        }
        let list = forwardList
        var offset = list.first
        let end = list.end
        while offset < end {
            let score = list.next(after: offset)
            body(list[offset], list[score].score)
            offset = list.next(after: score)
        }
    }
}

extension PackedElement {
    /// The score that the element is or spells.
    var score: Double {
        switch self {
        case .integer(let value): Double(value)
        case .bytes(let bytes): FloatingPoint64.parseLeniently(bytes) ?? 0
        }
    }
}

extension PackedValue {
    /// Lends a score in the form in which lists have it: an integer if it is a whole number, else its text.
    static func withScore<Result>(_ score: Double, _ body: (PackedValue) -> Result) -> Result {
        if let whole = FloatingPoint64.wholeNumber(score) { return body(PackedValue(integer: whole)) }
        return FloatingPoint64.withText(score) { body(PackedValue($0)) }
    }
}

extension KeyspaceContext {
    /// The sorted set at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    @inline(__always)
    func sortedSet(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> SortedSetValue? {
        guard let slot = try find(key, as: .sortedSet, access) else { return nil }
        return sortedSet(in: slot)
    }

    /// The sorted set at a key; if the key is absent, a new one without members, which the caller must fill.
    /// - Throws: `wrongType`.
    @inline(__always)
    func sortedSetMade(at key: ByteSlice) throws(CommandError) -> SortedSetValue {
        if let slot = try find(key, as: .sortedSet, .write) { return sortedSet(in: slot) }
        let entry = makeEntry(.sortedSet, .packed, key: key, deadline: nil, payload: ForwardList.emptySize)
        unsafe _ = ForwardList.makeEmpty(at: entry.payload)
        return sortedSet(in: insert(entry, key: key))
    }

    @inline(__always)
    func sortedSet(in slot: Slot) -> SortedSetValue {
        let limits = SortedSetValue.Limits(
            entries: settings.sortedSetMaxPackedEntries, length: settings.sortedSetMaxPackedValue)
        return SortedSetValue(database, slot, limits: limits)
    }
}
