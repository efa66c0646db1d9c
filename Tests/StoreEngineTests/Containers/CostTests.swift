// What operations on containers cost, counted in entries that are read, in levels and in elements moved: what is documented as O(1) or
// O(log n) must not grow with the size beyond that. The seeds are fixed, so a result is always the same unless TEST_SEED is given.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

/// Entries of a deadline and a member, which count how often they are read.
private enum CountedLayout: TableLayout {
    nonisolated(unsafe) static var keyReads = 0
    nonisolated(unsafe) static var deadlineReads = 0

    static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice {
        keyReads += 1
        return MemberEntry(entry + 8).member
    }
    static func deadline(of entry: UnsafeMutableRawPointer, _ window: DeadlineWindow) -> Int64 {
        deadlineReads += 1
        return entry.loadUnaligned(as: Int64.self)
    }

    static func make(_ number: Int, deadline: Int64, in allocator: SlabAllocator) -> UnsafeMutableRawPointer {
        CostTests.key(number).withByteSlice { key in
            let entry = allocator.allocate(8 + MemberEntry.size(key))
            entry.storeBytes(of: deadline, as: Int64.self)
            MemberEntry(entry + 8).write(key)
            return entry
        }
    }

    static func reads<Result>(_ body: () -> Result) -> (result: Result, keys: Int, deadlines: Int) {
        (keyReads, deadlineReads) = (0, 0)
        let result = body()
        return (result, keyReads, deadlineReads)
    }
}

/// One after the other, because they share the counters.
@Suite(.serialized) struct CostTests {
    fileprivate static func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }

    private typealias Table = SegmentedTable<CountedLayout>

    private func find(_ number: Int, in table: Table) -> Slot? {
        Self.key(number).withByteSlice { table.find($0, hash: table.hash($0)) }
    }

    private func insert(_ number: Int, deadline: Int64 = Table.noDeadline, into table: inout Table) {
        let entry = CountedLayout.make(number, deadline: deadline, in: table.allocator)
        let hash = Self.key(number).withByteSlice { table.hash($0) }
        _ = table.insert(entry, hash: hash, deadline: deadline)
    }

    // MARK: the table

    @Test(arguments: [100, 10_000, 200_000]) func aLookUpReadsAboutOneEntry(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var table = Table(allocator: allocator, hash: KeyHash(seed: 1))
        for number in 0..<count { insert(number, into: &table) }
        let hits = CountedLayout.reads { for number in 0..<count { #expect(find(number, in: table) != nil) } }
        #expect(hits.keys >= count && hits.keys < count + count / 20, "\(hits.keys) reads for \(count) look-ups")
        let misses = CountedLayout.reads { for number in count..<2 * count { #expect(find(number, in: table) == nil) } }
        #expect(misses.keys <= count / 20, "\(misses.keys) reads for \(count) look-ups of what is not there")
    }

    /// Entries are read when a segment is split, all of it at once, which happens about once for as many insertions.
    @Test func insertionsReadAFewEntriesEachAndNeverMoreThanASegmentHas() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var table = Table(allocator: allocator, hash: KeyHash(seed: 2))
        var (total, most) = (0, 0)
        for number in 0..<200_000 {
            let reads = CountedLayout.reads { insert(number, into: &table) }.keys
            total += reads
            most = max(most, reads)
        }
        #expect(total < 3 * 200_000, "\(total) reads")
        #expect(most > 0 && most <= 2 * Table.mostEntries, "\(most) reads for one insertion")
    }

    @Test func removalsReadNoOtherEntries() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var table = Table(allocator: allocator, hash: KeyHash(seed: 3))
        for number in 0..<50_000 { insert(number, into: &table) }
        var total = 0
        for number in 0..<50_000 {
            guard let slot = find(number, in: table) else {
                Issue.record("\(number) is lost")
                return
            }
            total += CountedLayout.reads { table.remove(slot) }.keys
        }
        #expect(total == 0 && table.count == 0 && table.segmentCount == 1)
    }

    /// The entries with deadlines that are read while those that expire are removed, among many that do not expire yet.
    @Test(arguments: [1000, 50_000]) func expiringReadsAFewEntriesForEachThatExpires(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var table = Table(allocator: allocator, hash: KeyHash(seed: 4))
        var random = RandomSource(seed: TestSeed.fixed(4))
        for number in 0..<count { insert(number, deadline: Int64(1 + random.below(1_000_000)), into: &table) }
        var (reads, removed, now) = (0, 0, Int64(0))
        while now < 500_000 {
            now += 1000
            while true {
                var budget = Int.max
                let found = CountedLayout.reads { table.nextExpired(now: now, .unused, budget: &budget) }
                reads += found.deadlines
                guard let slot = found.result else { break }
                #expect(table.entry(at: slot).loadUnaligned(as: Int64.self) <= now)
                table.remove(slot)
                removed += 1
            }
        }
        #expect(removed > count * 2 / 5 && removed < count * 3 / 5)
        #expect(reads < removed * 12, "\(reads) reads for \(removed) entries")
        table.checkInvariants()
    }

    /// Entries that are there for long, and some that go soon: those that stay are not read for them. When they seem to be due, because
    /// their deadlines are known to a part in a thousand only, they are read a bounded number at a time, and once.
    @Test(arguments: [5000, 50_000]) func entriesThatStayAreReadOnceBeforeTheirTime(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var table = Table(allocator: allocator, hash: KeyHash(seed: 4))
        let late: Int64 = 1_000_000_000
        let early = count / 50
        // A table that grows forgets which buckets have early deadlines.
        for number in 0..<count + early { insert(number, into: &table) }
        for number in 0..<count + early {
            guard let slot = find(number, in: table) else { continue }
            let deadline = number < count ? late : Int64(1000 + number % 10)
            table.entry(at: slot).storeBytes(of: deadline, as: Int64.self)
            table.setDeadline(deadline, at: slot)
        }
        func expire(at now: Int64, budget wanted: Int, mostReads: Int) -> (removed: Int, reads: Int) {
            var (removed, reads) = (0, 0)
            while table.earliestDeadline <= now {
                var budget = wanted
                let found = CountedLayout.reads { table.nextExpired(now: now, .unused, budget: &budget) }
                #expect(found.deadlines <= mostReads)
                reads += found.deadlines
                guard let slot = found.result else { continue }
                table.remove(slot)
                removed += 1
            }
            return (removed, reads)
        }
        let first = expire(at: 2000, budget: Int.max, mostReads: Int.max)
        #expect(first.removed == early)
        #expect(first.reads < 20 * early, "\(first.reads) reads for \(early) entries")
        // As many segments as come in a budget's sight, and one more.
        let mostReads = (100 + Segment.maximumBuckets) * Segment.slotsPerBucket
        let second = expire(at: late - 10_000, budget: 100, mostReads: mostReads)
        #expect(second.removed == 0 && second.reads <= count)
        let third = expire(at: late - 1, budget: 100, mostReads: mostReads)
        #expect(third.removed == 0 && second.reads + third.reads <= 2 * count)
        table.checkInvariants()
        #expect(expire(at: late, budget: Int.max, mostReads: Int.max).removed == count && table.count == 0)
    }

    /// Deadlines that change move a segment at most as far as the heap is high.
    @Test(arguments: [1000, 200_000]) func aDeadlineMovesItsSegmentByFewPlaces(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var table = Table(allocator: allocator, hash: KeyHash(seed: 6))
        var random = RandomSource(seed: TestSeed.fixed(6))
        let levels = { Int.bitWidth - table.segmentCount.leadingZeroBitCount }
        for number in 0..<count {
            let before = table.heap.swaps
            insert(number, deadline: Int64(1 + random.below(1_000_000)), into: &table)
            // Where a segment splits, two are placed anew.
            #expect(table.heap.swaps - before <= 3 * levels())
        }
        for number in 0..<count {
            guard let slot = find(number, in: table) else {
                Issue.record("an entry is missing")
                continue
            }
            let before = table.heap.swaps
            let deadline = Int64(1 + random.below(1_000_000))
            table.entry(at: slot).storeBytes(of: deadline, as: Int64.self)
            table.setDeadline(deadline, at: slot)
            #expect(table.heap.swaps - before <= 2 * levels())
        }
    }

    @Test(arguments: [1, 2, 100, 100_000]) func integersAreFoundByHalving(count: Int) {
        for wanted in stride(from: 0, to: count, by: max(1, count / 1000)) {
            var looks = 0
            let found = IntegerSet.firstPlace(0, count - 1) { index in
                looks += 1
                return index >= wanted
            }
            #expect(found == wanted && looks <= Int.bitWidth - count.leadingZeroBitCount)
        }
    }

    // MARK: the trees

    /// Scores are all equal, so that members decide the order: each comparison reads one.
    @Test(arguments: [100, 1000, 30_000]) func rankedTreesCompareLogarithmicallyManyMembers(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var tree = RankedTree<CountedLayout>(allocator: allocator)
        let blocks = (0..<count).map { CountedLayout.make($0 * 7919 % count, deadline: 0, in: allocator) }
        let limit = 4 * (Int.bitWidth - count.leadingZeroBitCount) + 20
        var most = 0
        for block in blocks { most = max(most, CountedLayout.reads { tree.insert(1, block) }.keys) }
        #expect(most > 0 && most <= 2 * limit, "\(most) reads for an insertion among \(count)")
        most = 0
        for number in stride(from: 0, to: count, by: 11) {
            let found = CountedLayout.reads { Self.key(number).withByteSlice { tree.rank(1, $0) } }
            most = max(most, found.keys)
            let reads = CountedLayout.reads { tree.entry(atRank: found.result).block }
            #expect(reads.keys == 0 && MemberEntry(reads.result + 8).member.array == Self.key(number))
        }
        #expect(most > 0 && most <= limit, "\(most) reads for a rank among \(count)")
        most = 0
        for block in blocks { most = max(most, CountedLayout.reads { tree.remove(1, block) }.keys) }
        #expect(most > 0 && most <= 2 * limit, "\(most) reads for a removal among \(count)")
        #expect(tree.count == 0)
    }

    /// Each operation reaches a few nodes of each level, whatever there is beside them.
    @Test(arguments: [100, 3000, 60_000]) func rankedTreesReachAFewNodesOfEachLevel(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var tree = RankedTree<CountedLayout>(allocator: allocator)
        var random = RandomSource(seed: TestSeed.fixed(9))
        let blocks = (0..<count).map { CountedLayout.make($0, deadline: 0, in: allocator) }
        var scores = (0..<count).map { Double($0) }
        for number in (0..<count).shuffled(using: &random) { tree.insert(scores[number], blocks[number]) }
        let levels = tree.height + 1
        // A branch has 16 children at least, but the root.
        #expect((1..<levels).reduce(1) { reach, level in level == 1 ? 2 : reach * 16 } <= count, "\(levels) levels")
        let most = 12 * levels + 12
        for number in stride(from: 0, to: count, by: 7) {
            let (score, block) = (scores[number], blocks[number])
            var (found, looks) = (0, 0)
            let ranking = StepCount.of {
                found = tree.rank { other, _ in
                    looks += 1
                    return other < score
                }
            }
            #expect(found == number && ranking <= most && looks <= 7 * levels, "\(ranking) nodes, \(looks) looks")
            let counting = StepCount.of { found = tree.count(below: score, includingEqual: true) }
            #expect(found == number + 1 && counting <= most, "\(counting) nodes to count")
            var place: UnsafeMutableRawPointer?
            let finding = StepCount.of { Self.key(number).withByteSlice { place = tree.find(score, $0) } }
            #expect(place == block && finding <= most, "\(finding) nodes to find an entry")
        }
        for number in (0..<count).shuffled(using: &random) {
            let new = Double(random.below(count)) + 0.5
            let moving = StepCount.of { tree.move(blocks[number], from: scores[number], to: new) }
            #expect(moving <= 2 * most, "\(moving) nodes to move an entry")
            scores[number] = new
        }
        while tree.count > 0 {
            let rank = random.below(tree.count)
            let removing = StepCount.of { tree.removeSome(fromRank: rank, atMost: 5) { _ in } }
            #expect(removing <= most, "\(removing) nodes to remove some")
        }
    }

    /// A look-up searches one node of each level, of up to 40 ids.
    @Test func treesOfIDsHaveLogarithmicallyManyLevels() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        for isInOrder in [true, false] {
            var tree = IDTree()
            var ids = (0..<100_000).map { StreamID(milliseconds: UInt64($0), sequence: 7) }
            var random = RandomSource(seed: TestSeed.fixed(8))
            if !isInOrder { ids.shuffle(using: &random) }
            for (index, id) in ids.enumerated() {
                let isNew = tree.insert(id, UInt64(index), allocator)
                #expect(isNew)
                if index == 30 { #expect(tree.levelCount == 1) }
            }
            // 40 * 20 * 20 * 20 ids fill four levels if nodes are half full.
            #expect((3...4).contains(tree.levelCount), "\(tree.levelCount) levels")
            ids.shuffle(using: &random)
            while ids.count > 30 { _ = tree.remove(ids.removeLast(), allocator) }
            tree.checkInvariants()
            #expect(tree.count == 30 && tree.levelCount <= 2, "\(tree.levelCount) levels for 30 ids")
            tree.deallocate(allocator)
        }
    }

    // MARK: memory

    /// Blocks of many sizes that come and go at random, first few and then many.
    @Test func blocksAreGivenAndTakenInAFewSteps() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(10))
        var blocks: [UnsafeMutableRawPointer] = []
        var most = 0
        for number in 0..<200_000 {
            if random.below(number < 150_000 ? 4 : 2) == 0, !blocks.isEmpty {
                blocks.swapAt(random.below(blocks.count), blocks.count - 1)
                let block = blocks.removeLast()
                most = max(most, StepCount.of { allocator.deallocate(block) })
            } else {
                most = max(most, StepCount.of { blocks.append(allocator.allocate(1 + random.below(2000))) })
            }
        }
        #expect(blocks.count > 70_000 && allocator.chunkCount > 10)
        #expect(most > 1 && most <= 8, "\(most) steps for a block")
        allocator.checkInvariants()
    }

    /// Of many chunks the pages of one are looked at, 64 at most, and of a few pages as many as are wanted.
    @Test func drainingLooksAtOneChunk() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let blocks = (0..<100_000).map { _ in allocator.allocate(600) }
        for (place, block) in blocks.enumerated() where place % 3 > 0 { allocator.deallocate(block) }
        #expect(allocator.chunkCount > 10)
        var census = PageCensus()
        for chunk in 0..<allocator.chunkCount {
            let counting = StepCount.of { allocator.count(chunk: chunk, in: &census) }
            #expect(counting > 0 && counting <= 64)
        }
        #expect(census.choose() > 500)
        for chunk in 0..<allocator.chunkCount {
            let draining = StepCount.of { allocator.drain(chunk: chunk, by: &census) }
            #expect(draining > 0 && draining <= 3 * 64)
        }
        #expect(allocator.hasDraining)
        let stopping = StepCount.of { allocator.stopDrainingSome(10) }
        #expect(stopping == 20 && allocator.hasDraining)
        while allocator.stopDrainingSome(1000) {}
        allocator.checkInvariants()
    }

    /// Where the array has just grown or shrunk, the next changes do not make it shrink and grow again.
    @Test func segmentsEnterAndLeaveTheirListInAFewSteps() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let count = 5000
        var list = SegmentList()
        let segments = (0..<count).map {
            Segment(allocator, buckets: 1, depth: 20, prefix: UInt64($0) << 44, earliest: Int64.max)
        }
        let appending = StepCount.of { for segment in segments { list.append(segment, allocator) } }
        // Each is counted when it comes, and for what the allocator does; the array's elements are moved when it grows.
        #expect(appending < 4 * count, "\(appending) steps for \(count) segments")
        var most = 0
        for segment in segments {
            list.remove(segment, allocator)
            let again = StepCount.of {
                for _ in 0..<50 {
                    list.append(segment, allocator)
                    list.remove(segment, allocator)
                }
            }
            most = max(most, again - 100 - list.count)
        }
        #expect(most < 100, "\(most) steps more for 50 segments that came and went")
        #expect(list.count == 0)
        for segment in segments { segment.deallocate(allocator) }
        list.deallocate(allocator)
        #expect(allocator.usedBytes == 0)
    }

    // MARK: integers

    @Test func aSmallSetOfIntegersIsLookedUpInALargeOne() {
        let (few, many) = (100, 50_000)
        withUnsafeTemporaryAllocation(byteCount: 2 * (8 + 4 * many), alignment: 8) { buffer in
            func set(_ place: Int, _ integers: some Sequence<Int>) -> IntegerSet {
                let set = IntegerSet.makeEmpty(at: buffer.baseAddress! + place * (8 + 4 * many))
                for integer in integers { set.insert(integer, at: set.count) }
                return set
            }
            let large = set(0, (0..<many).map { $0 * 3 })
            var found = 0
            let small = set(1, (0..<few).map { $0 * 700 })
            let lookingUp = StepCount.of {
                small.visit(true, in: large) { _ in
                    found += 1
                    return true
                }
            }
            #expect(found == 34 && lookingUp <= few * 20, "\(lookingUp) integers looked at")
            found = 0
            let equal = set(1, (0..<many).map { $0 * 3 + $0 % 2 })
            let merging = StepCount.of {
                equal.visit(true, in: large) { _ in
                    found += 1
                    return true
                }
            }
            #expect(found == many / 2 && merging <= 4 * 2 * many, "\(merging) integers looked at")
        }
    }

    // MARK: databases

    @Test(arguments: [10, 20_000]) func databasesAreExchangedWithoutTheirKeys(count: Int) {
        let engine = Engine(databases: 4, seed: 1)
        for number in 0..<count { _ = engine.execute(["SET", "key:\(number)", "v"].map { Array($0.utf8) }) }
        let swapping = StepCount.of { engine.state.swapDatabases(0, 3) }
        #expect(swapping == 0 && engine.database(3).count == count && engine.database(0).count == 0)
    }

    // MARK: lists

    /// Pushing moves a node's elements now and then, and reaches no node but those at the end; popping moves none.
    @Test func listsArePushedToAndPoppedFromAtTheirEnds() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let limits = ListLimits(EngineSettings())
        let chain = ListChain(allocator: allocator, limits: limits)
        var random = RandomSource(seed: TestSeed.fixed(11))
        let count = 50_000
        var (total, most) = (0, 0)
        for number in 0..<count {
            let element = Array("element \(number)".utf8)
            let steps = StepCount.of {
                element.withByteSlice { chain.push(PackedValue($0), at: random.below(2) == 0 ? .head : .tail, limits) }
            }
            total += steps
            most = max(most, steps)
        }
        let bytes = count * 16
        #expect(total < 6 * bytes, "\(total) steps for \(bytes) bytes")
        // A node has 8 KB at most.
        #expect(most < 2 * 8192, "\(most) steps for one element")
        for place in [0, 5, count - 6, count - 1] {
            let locating = StepCount.of { chain.locate(place) }
            #expect(locating <= 1, "\(locating) nodes from the nearer end")
        }
        #expect(StepCount.of { chain.locate(count / 4) } > 10)
        most = 0
        for _ in 0..<count {
            most = max(most, StepCount.of { chain.pop(at: random.below(2) == 0 ? .head : .tail) })
        }
        #expect(chain.count == 0 && most <= 20, "\(most) steps to pop an element")
        #expect(chain.deallocateSlice(from: 0, budget: 10) == nil && allocator.usedBytes == 0)
    }

    /// The list begins later or earlier where there is room, so that what is in between is not moved.
    @Test func changesAtTheFrontOfAListpackMoveNothing() {
        withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { buffer in
            let start = buffer.baseAddress! + 1000
            var list = Listpack.makeEmpty(at: start)
            for number in 0..<1000 { list.append(PackedValue(integer: number)) }
            let tail = list.bytes[100..<list.byteCount].array
            let end = list.bytes.rawBytes.baseAddress! + list.byteCount
            for number in 0..<50 { list = list.prependedInFront(PackedValue(integer: -number)) }
            #expect(list.bytes.rawBytes.baseAddress! + list.byteCount == end && list.count == 1050)
            #expect(list.bytes[list.byteCount - tail.count..<list.byteCount].array == tail)
            let (shorter, length) = list.droppingFirst(60)
            #expect(
                shorter.count == 990 && shorter.bytes.rawBytes.baseAddress! == list.bytes.rawBytes.baseAddress! + length
            )
            #expect(shorter[shorter.first].integer == 10)
            #expect(shorter.bytes.rawBytes.baseAddress! + shorter.byteCount == end)
        }
    }
}
