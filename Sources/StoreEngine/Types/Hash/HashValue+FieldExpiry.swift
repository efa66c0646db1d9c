// Deadlines of fields. A field is removed when it has expired, and the hash with its last field.
//
// While a hash is small, its forward list holds field, value and deadline alternating, in the order of the deadlines; 0 means no
// deadline, and fields without one are last. So the first deadline is the earliest, and expired fields are a run at the front. In a table
// a field's deadline is in its block, and the table knows the earliest: see HashTable.swift.
//
// For the keyspace's table the earliest deadline of the fields counts as the entry's own (`Entry.nextDeadline`), so that active expiry
// finds the hash in time. Every change that may move the earliest deadline must go through `changingDeadlines`, which updates that table.
//
// Rejected: a queue of hashes by their next deadline beside the keyspace's table, which is such a queue already.

import RespCodec

/// When a field expires.
enum FieldDeadline {
    /// There is no such field, or it is expired.
    case absent
    case never
    case at(Int64)
}

/// The list of a small hash with deadlines.
@safe struct DeadlineTriples {
    static let stride = 3

    let list: ForwardList

    init(_ list: ForwardList) { self.list = list }

    /// Offsets of the parts of the triple at an offset.
    func value(_ field: Int) -> Int { list.next(after: field) }
    private func deadlineOffset(_ field: Int) -> Int { list.next(after: value(field)) }
    private func next(_ field: Int) -> Int { list.next(after: deadlineOffset(field)) }
    func range(_ field: Int) -> Range<Int> { field..<next(field) }

    func find(_ field: ByteSlice) -> Int? { list.find(PackedValue(field), stride: Self.stride) }

    /// The deadline of the triple at an offset; nil if it has none.
    func deadline(_ field: Int) -> Int64? {
        guard case .integer(let deadline) = list[deadlineOffset(field)], deadline != 0 else { return nil }
        return Int64(deadline)
    }

    func value(of field: ByteSlice, now: Int64) -> HashElement? {
        guard let offset = find(field) else { return nil }
        if let deadline = deadline(offset), deadline < now { return nil }
        return list[value(offset)]
    }

    var earliestDeadline: Int64? { list.first < list.end ? deadline(list.first) : nil }

    func forEach(_ body: (HashElement, HashElement, Int64?) -> Void) {
        var offset = list.first
        let end = list.end
        while offset < end {
            body(list[offset], list[value(offset)], deadline(offset))
            offset = next(offset)
        }
    }

    /// How many triples have expired, up to `limit`.
    func expiredCount(now: Int64, limit: Int) -> Int {
        var count = 0
        var offset = list.first
        let end = list.end
        while offset < end, count < limit, let deadline = deadline(offset), deadline < now {
            count += 1
            offset = next(offset)
        }
        return count
    }

    /// Moves the triple at an offset to its place in the order: before those that do not expire earlier, or last if it has no deadline.
    func restoreOrder(_ field: Int) {
        let moved = range(field)
        let end = list.end
        var target = end
        if let deadline = deadline(field) {
            var offset = list.first
            while offset < end {
                if offset != field, self.deadline(offset).map({ $0 >= deadline }) ?? true {
                    target = offset
                    break
                }
                offset = next(offset)
            }
        }
        if target != moved.upperBound { list.move(moved, to: target) }
    }
}

extension HashValue {
    var triples: DeadlineTriples { DeadlineTriples(list) }

    /// Whether a field may have a deadline. For a hash without deadlines it only tests a bit of the slot, unless the key has one.
    @inline(__always) var hasDeadlines: Bool { mayExpire && entry.nextFieldDeadline != nil }

    /// When a field expires.
    func deadline(of field: ByteSlice) -> FieldDeadline {
        let deadline: Int64?
        switch entry.encoding {
        case .packed:
            return list.find(PackedValue(field), stride: 2) == nil ? .absent : .never
        case .packedWithDeadlines:
            guard let offset = triples.find(field) else { return .absent }
            deadline = triples.deadline(offset)
        default:
            let table = table
            guard let slot = table.find(field) else { return .absent }
            deadline = table.deadline(at: slot)
        }
        guard let deadline else { return .never }
        return deadline < now ? .absent : .at(deadline)
    }

    /// How many fields are not expired.
    /// - Complexity: O(1), O(fields) while some have expired.
    var liveCount: Int {
        guard mayExpire, let earliest = entry.nextFieldDeadline, earliest < now else { return count }
        var live = 0
        forEachWithDeadline { _, _, deadline in
            if deadline.map({ $0 >= now }) ?? true { live += 1 }
        }
        return live
    }

    // MARK: changing

    /// Runs `body`, which may change deadlines of fields, and updates the deadline in the keyspace's table.
    @inline(__always)
    func changingDeadlines<Result>(adds: Bool = false, _ body: () -> Result) -> Result {
        guard adds || mayExpire else { return body() }
        let had = entry.nextFieldDeadline != nil
        let result = body()
        database.fieldDeadlinesChanged(slot, had: had)
        return result
    }

    /// Makes room for deadlines in a packed hash.
    func prepareForDeadlines() {
        guard entry.encoding == .packed else { return }
        let none = PackedValue(integer: 0)
        payload.withRoom(for: list.count / 2 * ForwardList.length(of: none)).insert(none, behindEvery: 2)
        unsafe entry.setEncoding(.packedWithDeadlines)
    }

    /// Sets the deadline of a field that exists, in milliseconds since 1970 and more than 0, or removes it.
    func setDeadline(of field: ByteSlice, _ deadline: Int64?) {
        if deadline != nil { prepareForDeadlines() }
        changingDeadlines(adds: deadline != nil) {
            switch entry.encoding {
            case .packed: break
            case .packedWithDeadlines:
                if let offset = triples.find(field) { setTripleDeadline(offset, deadline) }
            default:
                let table = table
                if let slot = table.find(field) { table.setDeadline(deadline, at: slot) }
            }
        }
    }

    private func setTripleDeadline(_ offset: Int, _ deadline: Int64?) {
        let place = list.next(after: triples.value(offset))
        payload.replace(at: place, with: PackedValue(integer: Int(deadline ?? 0)))
        triples.restoreOrder(offset)
    }

    /// Sets a field of a hash in which fields may have deadlines; true when it is new.
    func setWithDeadlines(_ field: ByteSlice, _ value: ByteSlice, keepsDeadline: Bool) -> Bool {
        changingDeadlines {
            if entry.encoding == .packedWithDeadlines {
                if let offset = triples.find(field) {
                    payload.replace(at: triples.value(offset), with: PackedValue(value))
                    if !keepsDeadline, triples.deadline(offset) != nil { setTripleDeadline(offset, nil) }
                    unpackIfOverfull()
                    return false
                }
                guard isFull else {
                    let parts = (PackedValue(field), PackedValue(value), PackedValue(integer: 0))
                    let room = payload.withRoom(
                        for: ForwardList.length(of: parts.0) + ForwardList.length(of: parts.1)
                            + ForwardList.length(of: parts.2))
                    room.append(parts.0)
                    room.append(parts.1)
                    room.append(parts.2)
                    return true
                }
                unpack()
            }
            let table = table
            if keepsDeadline, let slot = table.find(field), let deadline = table.deadline(at: slot) {
                table.replace(slot, field, value, deadline: deadline)
                return false
            }
            return table.set(field, value)
        }
    }

    /// Removes fields that have expired, the earliest first; returns how many. A hash without fields is to be removed by the caller.
    /// - Parameters:
    ///   - budget: how many may be removed, and places looked into in vain; what was is taken from it, 1 at least.
    ///   - willRemove: called with each before it is removed.
    func removeExpired(budget: inout Int, willRemove: (ByteSlice) -> Void) -> Int {
        let before = budget
        defer { if budget == before { budget -= 1 } }
        guard hasDeadlines else { return 0 }
        let removed = changingDeadlines {
            guard isTable else {
                let expired = triples.expiredCount(now: now, limit: budget)
                var field = list.first
                for _ in 0..<expired {
                    list[field].withBytes(willRemove)
                    field = triples.range(field).upperBound
                }
                if expired > 0 { payload.remove(at: list.first, count: expired * DeadlineTriples.stride) }
                budget -= expired
                return expired
            }
            let table = table
            var removed = 0
            while table.removeExpired(now: now, budget: &budget, willRemove: willRemove) {
                removed += 1
                budget -= 1
            }
            return removed
        }
        countChanged(by: -removed)
        return removed
    }

    /// Removes a field if it is expired.
    func removeIfExpired(_ field: ByteSlice) -> Bool {
        switch entry.encoding {
        case .packed: return false
        case .packedWithDeadlines:
            guard let offset = triples.find(field), let deadline = triples.deadline(offset), deadline < now else {
                return false
            }
        default:
            let table = table
            guard let slot = table.find(field), let deadline = table.deadline(at: slot), deadline < now else {
                return false
            }
        }
        return remove(field)
    }
}

extension Entry {
    /// A lower bound of the deadlines of a hash's fields; nil if none has one, or the value is no hash.
    @inline(__always) var nextFieldDeadline: Int64? { isType(.hash) ? nextDeadlineOfHash : nil }

    private var nextDeadlineOfHash: Int64? {
        switch encoding {
        case .packedWithDeadlines: DeadlineTriples(forwardList).earliestDeadline
        case .table: unsafe HashTable(at: pointer).earliestDeadline
        default: nil
        }
    }

    /// The earliest deadline of a hash's fields; nil if none has one.
    /// - Complexity: O(fields) for a table of which any has.
    var earliestFieldDeadline: Int64? {
        guard encoding == .table, nextFieldDeadline != nil else { return nextFieldDeadline }
        var earliest: Int64?
        forEachFieldWithDeadline { _, _, deadline in
            if let deadline { earliest = min(earliest ?? deadline, deadline) }
        }
        return earliest
    }
}

extension KeyspaceContext {
    /// The value of the field that the second argument names, of the key that the first names; nil if one of them is absent. A field
    /// that is expired is removed on the way.
    /// - Throws: `wrongType`.
    @inline(__always)
    func field(_ arguments: Arguments, _ access: KeyAccess) throws(CommandError) -> HashElement? {
        guard let hash = try hash(at: arguments[1], access) else { return nil }
        if let value = hash.value(of: arguments[2]) { return value }
        if hash.mayExpire { expireFields(arguments, stride(from: 2, to: 3, by: 1), of: hash) }
        return nil
    }

    /// Removes those of the fields at some indices that have expired, and the key, the first argument, with its last field, unless it
    /// `keepsEmptied`.
    func expireFields(
        _ arguments: Arguments, _ indices: StrideTo<Int>, of hash: HashValue, keepsEmptied: Bool = false
    ) {
        guard engine.removesExpiredKeys, hash.hasDeadlines else { return }
        database.willChange(hash.slot)
        let effect = beginEffect("HDEL", arguments[1])
        var removed = 0
        for index in indices where hash.removeIfExpired(arguments[index]) {
            effect?.add(arguments[index])
            removed += 1
        }
        guard removed > 0 else { return effect?.cancel() ?? () }
        engine.expiry.fieldsRemoved(removed, at: arguments[1], in: database, effect)
        if hash.count == 0 && !keepsEmptied { removeEmptied(arguments[1]) }
    }
}
