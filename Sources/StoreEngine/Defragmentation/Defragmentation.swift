// Active defragmentation: blocks move out of sparse pages, so that these can be given back.
//
// A pass counts the allocator's pages, chooses those that are to be drained (`SlabAllocator+Draining.swift`), and walks all keys in slices: each
// table segment by segment, each entry, and what a large value consists of. Whoever refers to a block that moves is told: in most
// types that is one slot; a member of a sorted set is also in its tree, a pending entry of a stream in three structures. The walk keeps
// places, no addresses, except for the next node of a list, which is forgotten when that node is freed. So anything may happen between
// two slices: what the walk misses stays where it is until the next pass.
//
// While a snapshot is written nothing moves: it knows values and nodes by their addresses. What is loaded, waits to be freed or belongs
// to a database itself does not move either, nor do blocks outside of pages, which the system can place as it likes.
//
// Rejected: to find the owners of a page's blocks without a walk, which takes a way back to the slot for each block.

import RespCodec

/// How much was moved.
public struct DefragmentationStatistics: Sendable {
    /// Blocks that moved, and those that were looked at and stayed.
    public var moved = 0
    public var kept = 0
    /// Keys of which something moved, and those of which nothing did.
    public var keysMoved = 0
    public var keysKept = 0
}

/// A handle on the engine, and the part of it that moves memory.
struct Defragmentation {
    enum Phase {
        case none
        case counting
        case draining
        case walking
        /// Pages that did not become empty become ordinary ones again.
        case ending
    }

    /// A large value that is moved in several slices.
    struct UnfinishedValue {
        let hash: UInt64
        /// What is found by the hash is the same value if it lies here.
        let address: UInt
        let database: Int
        var place: ValuePlace
        var hasMoved: Bool
    }

    struct Variables {
        var phase = Phase.none
        var census = PageCensus()
        /// The chunk that comes next.
        var chunk = 0
        /// The place of the database that is walked, and the place in it.
        var database = 0
        var table = TablePlace()
        var value: UnfinishedValue?
        var statistics = DefragmentationStatistics()
        /// Whether every block moves that a walk comes to: for tests.
        var movesAll = false
    }

    /// What counting a chunk, or draining its pages, costs: see `BlockMover`.
    private static let stepsOfChunk = 128
    private static let pagesOfStep = 64

    let engine: EngineState

    private var variables: Variables {
        unsafeAddress { unsafe UnsafePointer(engine.pointer(to: \.defragmentation)) }
        nonmutating unsafeMutableAddress { unsafe engine.pointer(to: \.defragmentation) }
    }

    var isUnderWay: Bool { variables.phase != .none }

    func begin() {
        guard !isUnderWay else { return }
        variables.census = PageCensus()
        variables.chunk = engine.allocator.chunkCount
        beginWalk()
        variables.phase = variables.movesAll ? .walking : .counting
    }

    private func beginWalk() {
        variables.database = 0
        variables.table = TablePlace()
        variables.value = nil
    }

    /// Ends the pass early.
    func end() { if isUnderWay { variables.phase = .ending } }

    /// The allocator was replaced, and all keys are gone.
    func allKeysDropped() { variables.phase = .none }

    /// Goes on with the pass for about `steps` steps of some tens of nanoseconds.
    /// - Returns: whether it is over.
    func slice(steps: Int) -> Bool {
        guard engine.snapshot == nil else { return !isUnderWay }
        var mover = BlockMover(engine.allocator, budget: steps, movesAll: variables.movesAll)
        while isUnderWay && !mover.isOver {
            switch variables.phase {
            case .none: break
            case .counting: count(&mover)
            case .draining: drain(&mover)
            case .walking: walk(&mover)
            case .ending:
                mover.spend(Self.pagesOfStep)
                if !engine.allocator.stopDrainingSome(Self.pagesOfStep) { variables.phase = .none }
            }
        }
        variables.statistics.moved &+= mover.movedCount
        variables.statistics.kept &+= mover.keptCount
        return !isUnderWay
    }

    // MARK: pages

    /// The next chunk, from the last one on; nil at the end. There may be fewer than there were.
    private func nextChunk() -> Int? {
        variables.chunk = min(variables.chunk, engine.allocator.chunkCount) - 1
        return variables.chunk >= 0 ? variables.chunk : nil
    }

    private func count(_ mover: inout BlockMover) {
        mover.spend(Self.stepsOfChunk)
        if let chunk = nextChunk() { return engine.allocator.count(chunk: chunk, in: &variables.census) }
        variables.chunk = engine.allocator.chunkCount
        variables.phase = variables.census.choose() > 0 ? .draining : .none
    }

    private func drain(_ mover: inout BlockMover) {
        mover.spend(Self.stepsOfChunk)
        if let chunk = nextChunk() { return engine.allocator.drain(chunk: chunk, by: &variables.census) }
        variables.phase = engine.allocator.hasDraining ? .walking : .none
    }

    // MARK: keys

    private func walk(_ mover: inout BlockMover) {
        if variables.value != nil { return goOnWithValue(&mover) }
        guard variables.database < engine.directory.inUse.count else {
            variables.phase = .ending
            return
        }
        let database = engine.directory.inUse[variables.database]
        if database.count > 0, let word = unsafe database.table.nextWord(&variables.table, &mover) {
            return unsafe move(word, in: database, &mover)
        }
        guard database.count == 0 || variables.table.isAtEnd else { return }
        if database.count > 0 { database.table.moveOwnBlocks(&mover) }
        mover.spend(1)
        variables.database += 1
        variables.table = TablePlace()
    }

    @inline(__always)
    private func move(_ word: UnsafeMutablePointer<UInt64>, in database: Database, _ mover: inout BlockMover) {
        var hasMoved = unsafe mover.moveEntry(at: word)
        if hasMoved { database.table.outdateSlots() }
        let entry = unsafe Entry(SlotWord.entry(word.pointee))
        switch entry.encoding {
        case .integer, .embedded, .raw, .packed, .packedWithDeadlines, .integers: break
        case .external:
            let (block, length) = unsafe entry.external
            if let moved = unsafe mover.move(block) {
                unsafe entry.external = (moved, length)
                hasMoved = true
            }
        case .table, .chain, .tree, .stream: return moveLarge(entry, in: database, hasMoved, &mover)
        }
        countKey(hasMoved)
    }

    private func countKey(_ hasMoved: Bool) {
        if hasMoved {
            variables.statistics.keysMoved &+= 1
        } else {
            variables.statistics.keysKept &+= 1
        }
    }

    private func moveLarge(_ entry: Entry, in database: Database, _ hasMoved: Bool, _ mover: inout BlockMover) {
        let before = mover.movedCount
        if let moved = unsafe mover.move(entry.pointer) { unsafe entry.pointer = moved }
        guard let value = entry.large else { preconditionFailure("a large value lies outside its entry") }
        var place = ValuePlace()
        let isDone = value.defragment(&place, &mover)
        let anyHasMoved = hasMoved || mover.movedCount > before
        if isDone { return countKey(anyHasMoved) }
        variables.value = unsafe UnfinishedValue(
            hash: engine.hash(entry.key), address: UInt(bitPattern: entry.pointer), database: database.index,
            place: place,
            hasMoved: anyHasMoved)
    }

    private func goOnWithValue(_ mover: inout BlockMover) {
        guard var unfinished = variables.value else { return }
        mover.spend(1)
        let before = mover.movedCount
        var isDone = true
        // Its key may be gone, or have another value.
        if let database = engine.databaseInUse(unfinished.database),
            let slot = database.table.find(hash: unfinished.hash),
            case let entry = database.entry(at: slot), let value = entry.large,
            unsafe UInt(bitPattern: entry.pointer) == unfinished.address
        {
            isDone = value.defragment(&unfinished.place, &mover)
        }
        unfinished.hasMoved = unfinished.hasMoved || mover.movedCount > before
        variables.value = isDone ? nil : unfinished
        if isDone { countKey(unfinished.hasMoved) }
    }
}

extension EngineState {
    var defragmentation: Defragmentation { Defragmentation(engine: self) }
}

extension Engine {
    /// Bytes of pages that are not in use as blocks, and how many percent of the bytes in use these are.
    public var fragmentation: (bytes: Int, percent: Int) {
        let bytes = state.allocator.fragmentedBytes
        return (bytes, Int(Double(bytes) * 100 / Double(max(state.allocator.usedBytes, 1))))
    }

    /// About how much of that no pass gains, as blocks have many sizes.
    /// - Complexity: O(size classes of the allocator).
    public var unavoidableFragmentation: Int { state.allocator.unavoidableBytes }

    /// Bytes of all pages that passes made free, since the last time that all data were dropped.
    public var defragmentedBytes: Int { state.allocator.drainedBytes }

    public var defragmentationStatistics: DefragmentationStatistics { state.variables.defragmentation.statistics }

    /// Whether a pass is under way.
    public var isDefragmenting: Bool { state.defragmentation.isUnderWay }

    /// Whether it could go on now: not while a snapshot is written.
    public var mayDefragment: Bool { state.snapshot == nil }

    /// Begins a pass over all keys.
    public func beginDefragmentation() { state.defragmentation.begin() }

    /// Goes on with the pass for about `steps` steps of some tens of nanoseconds. Slots and bytes of values end here.
    /// - Returns: whether it is over.
    public func defragment(steps: Int) -> Bool { state.defragmentation.slice(steps: steps) }

    /// Ends the pass early, in further slices.
    public func endDefragmentation() { state.defragmentation.end() }

    /// Whether a pass moves every block, instead of those of sparse pages: for tests.
    public var movesAllBlocks: Bool {
        get { state.variables.defragmentation.movesAll }
        set { state.variables.defragmentation.movesAll = newValue }
    }
}
