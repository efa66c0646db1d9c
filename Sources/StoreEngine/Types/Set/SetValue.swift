// Sets: a sorted array of integers while they are few and nothing else, a forward list while small, a table when large.
// Nothing here knows of clients or replies.
//
//     integers --a member that is no integer--> forward list --too many, or too long--> table
//         \--------------------------too many-------------------------------------------/
//
// A set is never converted back, except that the result of a command may be stored in a smaller encoding.

import Glibc
import RespCodec

/// A set in a database: at a slot of the keyspace's table, or not at a key yet.
@safe struct SetValue {
    /// The limits of the small encodings.
    struct Limits {
        let integers: Int
        let entries: Int
        let length: Int
    }

    private let database: Database
    /// The slot's word, or a similar one, which contains the entry's address.
    private let word: UnsafeMutablePointer<UInt64>
    private let limits: Limits
    /// Whether it is at a key, so that its size is counted.
    private let isAttached: Bool
    #if DEBUG
    /// The set's slot in the keyspace's table, if it has one.
    private var slot: Slot?
    #endif

    @inline(__always)
    init(_ database: Database, _ slot: Slot, limits: Limits) {
        unsafe self.init(database, at: slot.word, limits: limits, isAttached: true)
        #if DEBUG
        self.slot = slot
        #endif
    }

    /// A set that is at no key, unless it `isAttached`.
    @unsafe @inline(__always)
    init(_ database: Database, at word: UnsafeMutablePointer<UInt64>, limits: Limits, isAttached: Bool = false) {
        self.database = database
        unsafe self.word = word
        self.limits = limits
        self.isAttached = isAttached
    }

    @inline(__always) var entry: Entry {
        #if DEBUG
        if let slot { database.table.check(slot) }
        #endif
        return unsafe Entry(SlotWord.entry(word.pointee))
    }
    @inline(__always) var view: SetView { SetView(entry) }
    private var payload: PackedPayload<ForwardOnly> { unsafe PackedPayload(database, at: word) }
    @inline(__always) private var table: SetTable { unsafe SetTable(at: entry.pointer) }

    /// How many members there are.
    var count: Int { view.count }

    /// - Complexity: O(1), O(log members) for integers, O(members) while packed.
    @inline(__always) func contains(_ member: ByteSlice) -> Bool { view.contains(member) }

    /// Calls `body` with each member; the set must not change meanwhile.
    func forEach(_ body: (PackedElement) -> Void) { view.forEach(body) }

    /// A random member, each as likely as any other. There must be one.
    func random(using generator: inout RandomSource) -> PackedElement { view.random(using: &generator) }

    /// To be called when a member was added or removed; passes on whether it was.
    @inline(__always)
    private func counted(_ isChanged: Bool, by change: Int) -> Bool {
        if isChanged && isAttached {
            let count = count
            database.sizeChanged(.set, from: count &- change, to: count)
        }
        return isChanged
    }

    // MARK: adding

    /// Adds a member; false when it is there already.
    /// - Complexity: O(1), O(members) while small.
    @inline(__always) @discardableResult
    func add(_ member: ByteSlice) -> Bool { counted(addUncounted(member), by: 1) }

    @discardableResult
    func add(_ member: PackedElement) -> Bool { counted(addUncounted(member), by: 1) }

    @inline(__always)
    private func addUncounted(_ member: ByteSlice) -> Bool {
        switch entry.encoding {
        case .table:
            return table.add(member)
        case .integers:
            if let integer = Decimal.parse(member) { return add(integer) }
            return addToIntegers(member)
        default:
            return addPacked(PackedValue(member), length: member.count)
        }
    }

    private func addUncounted(_ member: PackedElement) -> Bool {
        switch member {
        case .bytes(let bytes): return addUncounted(bytes)
        case .integer(let value):
            switch entry.encoding {
            case .table: return Decimal.withText(value) { table.add($0) }
            case .integers: return add(value)
            default: return addPacked(PackedValue(integer: value), length: Decimal.length(of: value))
            }
        }
    }

    /// Adds a member to the list, or converts it to a table.
    private func addPacked(_ value: PackedValue, length: Int) -> Bool {
        let list = entry.forwardList
        guard list.find(value) == nil else { return false }
        guard list.count < limits.entries && length <= limits.length,
            list.mayTake(length)
        else {
            return add(value, to: becomeTable())
        }
        payload.append(value)
        return true
    }

    private func add(_ value: PackedValue, to table: SetTable) -> Bool {
        guard let integer = value.integer else { return table.add(value.bytes) }
        return Decimal.withText(integer) { table.add($0) }
    }

    /// Adds an integer to the array, or converts it to a table.
    private func add(_ value: Int) -> Bool {
        let integers = entry.integerSet
        let (index, isFound) = integers.place(of: value)
        guard !isFound else { return false }
        guard integers.count < limits.integers else {
            return Decimal.withText(value) { text in becomeTable().add(text) }
        }
        let size = integers.byteCount(adding: value)
        if database.payloadCapacity(entry) < size {
            _ = unsafe database.resizePayload(at: word, to: size, keeping: integers.byteCount)
        }
        entry.integerSet.insert(value, at: index)
        return true
    }

    /// Adds a member that is no integer to an array of integers, which becomes a forward list or a table.
    private func addToIntegers(_ member: ByteSlice) -> Bool {
        let integers = entry.integerSet
        let count = integers.count
        // The integer with the longest text is the first or the last.
        let longest = count == 0 ? 0 : max(Decimal.length(of: integers[0]), Decimal.length(of: integers[count - 1]))
        let value = PackedValue(member)
        if count < limits.entries && max(longest, member.count) <= limits.length && becomePacked(adding: value) {
            return true
        }
        return becomeTable().add(member)
    }

    // MARK: removing

    /// Removes a member; false when it is not there. A set without members is to be removed by the caller.
    /// - Complexity: O(1), O(members) while small.
    @inline(__always)
    func remove(_ member: ByteSlice) -> Bool { counted(removeUncounted(member), by: -1) }

    @inline(__always)
    private func removeUncounted(_ member: ByteSlice) -> Bool {
        switch entry.encoding {
        case .table:
            return table.remove(member)
        case .integers:
            guard let integer = Decimal.parse(member) else { return false }
            let integers = entry.integerSet
            let (index, isFound) = integers.place(of: integer)
            guard isFound else { return false }
            integers.remove(at: index)
            trimIntegers()
            return true
        default:
            guard let offset = entry.forwardList.find(PackedValue(member)) else { return false }
            payload.remove(at: offset, count: 1)
            return true
        }
    }

    /// Calls `body` with a random member, then removes it. There must be one.
    /// - Complexity: O(1) expected, O(members) unless there is a table.
    @inline(__always)
    func removeRandom(using generator: inout RandomSource, _ body: (PackedElement) -> Void) {
        switch entry.encoding {
        case .table:
            table.removeRandom(using: &generator) { body(.bytes($0)) }
        case .integers:
            let integers = entry.integerSet
            let index = generator.below(integers.count)
            body(.integer(integers[index]))
            integers.remove(at: index)
            trimIntegers()
        default:
            let list = entry.forwardList
            let count = list.count
            let offset = list.offset(ofElement: generator.below(count), of: count)
            body(list[offset])
            payload.remove(at: offset, count: 1)
        }
        _ = counted(true, by: -1)
    }

    /// Calls `body` with `wanted` random members, then removes them; there must be that many.
    /// - Complexity: O(wanted) expected, O(members) unless there is a table.
    func removeRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (PackedElement) -> Void) {
        defer { _ = counted(true, by: -wanted) }
        guard !view.isTable else {
            for _ in 0..<wanted { table.removeRandom(using: &generator) { body(.bytes($0)) } }
            return
        }
        var choice = Choice(wanted, of: count)
        func isTaken(_ member: PackedElement) -> Bool {
            guard choice.takesNext(using: &generator) else { return false }
            body(member)
            return true
        }
        if view.isIntegers {
            entry.integerSet.removeAll { isTaken(.integer($0)) }
            trimIntegers()
        } else {
            entry.forwardList.removeAll(where: isTaken)
            payload.trim()
        }
    }

    /// Shrinks the block if it has become too large.
    private func trimIntegers() {
        let size = entry.integerSet.byteCount
        if database.payloadCapacity(entry) > size + size / 4 + 16 {
            _ = unsafe database.resizePayload(at: word, to: size, keeping: size)
        }
    }

    // MARK: changing the encoding

    /// Converts a small set to a table at once if `count` members would exceed its limits.
    func prepare(for count: Int) {
        switch entry.encoding {
        case .integers: if count > limits.integers { _ = becomeTable() }
        case .packed: if count > limits.entries { _ = becomeTable() }
        default: break
        }
    }

    private func becomeTable() -> SetTable {
        let table = SetTable(allocator: database.allocator, hash: database.hash)
        forEach { $0.withBytes { _ = table.add($0) } }
        unsafe replacePayload(.table, size: 8) {
            unsafe $0.storeBytes(of: UInt(bitPattern: table.address), as: UInt.self)
        }
        return table
    }

    /// Converts integers to a forward list with one more element; false if that would be too large.
    private func becomePacked(adding member: PackedValue) -> Bool {
        let integers = entry.integerSet
        var length = ForwardList.length(of: member)
        for index in 0..<integers.count { length += ForwardList.length(of: PackedValue(integer: integers[index])) }
        let size = ForwardList.size(ofElements: length)
        guard size <= ForwardList.maximumSize else { return false }
        let scratch = unsafe database.allocator.allocate(size)
        let list = unsafe ForwardList.makeEmpty(at: scratch, forElements: length)
        for index in 0..<integers.count { list.append(PackedValue(integer: integers[index])) }
        list.append(member)
        unsafe replacePayload(.packed, size: size) { unsafe $0.copyMemory(from: scratch, byteCount: size) }
        unsafe database.allocator.deallocate(scratch)
        return true
    }

    /// Converts a set of only integers to the array of integers, if it fits: for the result of an intersection.
    func becomeIntegers() {
        let count = count
        guard !view.isIntegers && count <= limits.integers else { return }
        let scratch = unsafe database.allocator.allocate(IntegerSet.headerSize + count * 8)
        let integers = unsafe IntegerSet.makeEmpty(at: scratch)
        // Sorted, so that each is added at the end.
        var values: [Int] = []
        values.reserveCapacity(count)
        forEach { member in
            guard let value = member.integer else { preconditionFailure("a member that is no integer") }
            values.append(value)
        }
        values.sort()
        for value in values { integers.insert(value, at: integers.count) }
        if view.isTable {
            // So few members that they can be freed at once.
            let table = table
            var next = unsafe table.deallocateSlice(from: 0, budget: Int.max)
            while let place = next { next = unsafe table.deallocateSlice(from: place, budget: Int.max) }
        }
        let size = integers.byteCount
        unsafe replacePayload(.integers, size: size) { unsafe $0.copyMemory(from: scratch, byteCount: size) }
        unsafe database.allocator.deallocate(scratch)
    }

    /// Replaces the payload of the entry; what the old one pointed to is not freed.
    private func replacePayload(_ encoding: Encoding, size: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
        let entry = unsafe database.resizePayload(at: word, to: size, keeping: 0)
        unsafe entry.setEncoding(encoding)
        unsafe write(entry.payload)
    }
}

extension Entry {
    /// The integers of an entry that is a set of integers.
    @inline(__always) var integerSet: IntegerSet { unsafe IntegerSet(payload) }

    /// Calls `body` with each member of a set, which must not change meanwhile.
    func forEachMember(_ body: (PackedElement) -> Void) { SetView(self).forEach(body) }
}

extension KeyspaceContext {
    /// The set at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    @inline(__always)
    func set(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> SetValue? {
        guard let slot = try find(key, as: .set, access) else { return nil }
        return SetValue(database, slot, limits: setLimits)
    }

    /// The set at a key; if the key is absent, a new one without members, which the caller must fill.
    /// - Parameters:
    ///   - first: the first member to be added, which decides the encoding of a new set.
    ///   - count: an upper bound of the members to be added.
    @inline(__always)
    func setMade(at key: ByteSlice, first: ByteSlice, count: Int = 1) throws(CommandError) -> SetValue {
        if let set = try set(at: key, .write) {
            // With limits of 0 even one member needs a table.
            if count > 1 || settings.setMaxIntsetEntries == 0 || settings.setMaxPackedEntries == 0 {
                set.prepare(for: count)
            }
            return set
        }
        return newSet(at: key, first: first, count: count)
    }

    private func newSet(at key: ByteSlice, first: ByteSlice, count: Int) -> SetValue {
        let limits = setLimits
        let value = PackedValue(first)
        let entry: Entry
        if let integer = value.integer, count <= limits.integers {
            entry = makeSet(key, .integers, room: IntegerSet.width(of: integer))
        } else if count <= limits.entries {
            entry = makeSet(key, .packed, room: first.count <= limits.length ? ForwardList.length(of: value) : 0)
        } else {
            entry = makeSet(key, .table)
        }
        return SetValue(database, insert(entry, key: key), limits: limits)
    }

    var setLimits: SetValue.Limits {
        let settings = settings
        return SetValue.Limits(
            integers: min(settings.setMaxIntsetEntries, IntegerSet.maximumCount),
            entries: settings.setMaxPackedEntries, length: settings.setMaxPackedValue)
    }

    /// An entry of an empty set that is in no table yet.
    /// - Parameters:
    ///   - room: bytes for members that are to be added, if they lie in the entry.
    ///   - expected: how many members are likely to be added, if they lie in a table.
    fileprivate func makeSet(
        _ key: ByteSlice, _ encoding: Encoding, deadline: Int64? = nil, room: Int = 0, expecting expected: Int = 0
    ) -> Entry {
        switch encoding {
        case .integers:
            let size = IntegerSet.headerSize + room
            let entry = makeEntry(.set, .integers, key: key, deadline: deadline, payload: size)
            unsafe _ = IntegerSet.makeEmpty(at: entry.payload)
            return entry
        case .packed:
            let size = ForwardList.size(ofElements: room)
            let entry = makeEntry(.set, .packed, key: key, deadline: deadline, payload: size)
            unsafe _ = ForwardList.makeEmpty(at: entry.payload, forElements: room)
            return entry
        default:
            let entry = makeEntry(.set, .table, key: key, deadline: deadline, payload: 8)
            let table = SetTable(allocator: database.allocator, hash: database.hash, expecting: expected)
            unsafe entry.pointer = table.address
            return entry
        }
    }
}

/// A set in a database's memory that is at no key yet: a result, or an intermediate one. It must be stored, detached or freed.
@safe struct UnattachedSet {
    private let context: KeyspaceContext
    private let key: ByteSlice
    private let word: UnsafeMutablePointer<UInt64>
    let value: SetValue

    /// - Parameters:
    ///   - key: the key that it may be stored at, or an empty one.
    ///   - expected: how many members are likely to be added, if it is a table.
    init(
        _ context: KeyspaceContext, for key: ByteSlice = .empty, _ encoding: Encoding, deadline: Int64? = nil,
        expecting expected: Int = 0
    ) {
        self.context = context
        self.key = key
        let entry = context.makeSet(key, encoding, deadline: deadline, expecting: expected)
        unsafe word = context.database.allocator.allocate(8).bindMemory(to: UInt64.self, capacity: 1)
        unsafe word.initialize(to: UInt64(UInt(bitPattern: entry.address)))
        unsafe value = SetValue(context.database, at: word, limits: context.setLimits)
    }

    /// Stores the set at its key, and replaces what is there.
    func store() {
        context.store(value.entry, key: key, replacing: context.find(key, .peek))
        unsafe context.database.allocator.deallocate(word)
    }

    /// Returns the set's entry, which is in no table. The set must not be used afterwards.
    func detach() -> Entry {
        defer { unsafe context.database.allocator.deallocate(word) }
        return value.entry
    }

    func free() {
        unsafe context.engine.freeing.free(value.entry, in: context.database)
        unsafe context.database.allocator.deallocate(word)
    }
}
