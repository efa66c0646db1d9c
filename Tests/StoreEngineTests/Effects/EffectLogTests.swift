// Goal: effects become bytes that Redis reads, only whole groups are given away, and what is removed is what was taken.

import Glibc
import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

@Suite struct EffectLogTests {
    private func take(_ log: EffectLog, _ line: String, database: Int = 0) {
        let words = OwnedArguments(line.split(separator: " ").map { Array($0.utf8) })
        log.take(words.view, database: database)
        withExtendedLifetime(words) {}
    }

    private func shown(_ log: EffectLog) -> String {
        String(decoding: log.bytes, as: UTF8.self).replacing("\r\n", with: " ")
    }

    @Test func databasesAreSelectedWhereTheyChange() {
        let log = EffectLog()
        for (line, database) in [("SET a 1", 3), ("DEL a", 3), ("SET b 1", 10)] {
            take(log, line, database: database)
            log.endGroup()
        }
        #expect(
            shown(log)
                == "*2 $6 SELECT $1 3 *3 $3 SET $1 a $1 1 *2 $3 DEL $1 a *2 $6 SELECT $2 10 *3 $3 SET $1 b $1 1 ")
        log.removeFirst(log.wholeCount)
        log.beginAnew()
        take(log, "DEL b", database: 10)
        log.endGroup()
        #expect(shown(log) == "*2 $6 SELECT $2 10 *2 $3 DEL $1 b ")
    }

    @Test func onlyWholeGroupsAreGivenAway() {
        let log = EffectLog()
        take(log, "SET a 1")
        #expect(log.wholeCount == 0 && log.position == 0 && log.hasOpenGroup)
        log.endGroup()
        let first = log.wholeCount
        #expect(first > 0 && log.position == first)
        take(log, "SET b 1")
        take(log, "SET c 1")
        #expect(log.wholeCount == first && log.hasOpenGroup)
        // Written while a group is open.
        log.removeFirst(first)
        #expect(log.wholeCount == 0)
        take(log, "SET d 1")
        log.endGroup()
        #expect(!log.hasOpenGroup)
        #expect(
            shown(log)
                == "*1 $5 MULTI *3 $3 SET $1 b $1 1 *3 $3 SET $1 c $1 1 *3 $3 SET $1 d $1 1 *1 $4 EXEC ")
        #expect(log.position == first + log.wholeCount)
    }

    @Test func timeIsNotedWhereItHasChanged() {
        let log = EffectLog()
        var time: Int64 = 1_700_000_000
        log.time = { time }
        take(log, "SET a 1")
        take(log, "SET b 1")
        log.endGroup()
        take(log, "DEL a")
        log.endGroup()
        time += 1
        take(log, "DEL b")
        log.endGroup()
        #expect(
            shown(log)
                == "#TS:1700000000 *1 $5 MULTI *2 $6 SELECT $1 0 *3 $3 SET $1 a $1 1 *3 $3 SET $1 b $1 1 *1 $4 EXEC "
                + "*2 $3 DEL $1 a #TS:1700000001 *2 $3 DEL $1 b ")
    }

    @Test func wordsOfAnyLengthAreWritten() throws {
        let log = EffectLog()
        var random = RandomSource(seed: TestSeed.fixed(5))
        var all: [[[UInt8]]] = []
        for count in [0, 1, 9, 10, 99, 100, 101, 999, 1000, 65_536, 300_000] {
            let words =
                [Array("SET".utf8), (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }]
                + [[UInt8]](repeating: [1], count: count % 200)
            let owned = OwnedArguments(words)
            log.take(owned.view, database: 0)
            log.endGroup()
            all.append(words)
        }
        var found: [[[UInt8]]] = []
        try log.bytes.withByteSlice { try Engine.forEachRequest(in: $0) { found.append($0.owned) } }
        #expect(found.dropFirst() == all[...])
        log.removeFirst(log.wholeCount)
        #expect(log.bytes.isEmpty && log.byteCount < 1 << 20)
    }

    /// The words of a request, of which large ones lie in blocks of their own.
    private func takeKept(_ log: EffectLog, _ words: [[UInt8]], database: Int = 0) {
        let adoptable = AdoptableArguments()
        let base = UnsafeRawPointer(bitPattern: 4096)!
        let list = ArgumentList(capacity: words.count)
        defer { list.deallocate() }
        var short: [UnsafeMutableRawPointer] = []
        for word in words {
            let block = malloc(AdoptableArguments.headerSize + word.count + 1)!
            let start = block + AdoptableArguments.headerSize
            word.withUnsafeBytes {
                start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(start), byteCount: $0.count)
            }
            if word.count >= EffectLog.leastKept {
                adoptable.append(base: block, count: word.count)
            } else {
                short.append(block)
            }
            list.append(ArgumentPiece(offset: UnsafeRawPointer(start) - base, count: word.count))
        }
        log.take(list.view(0..<words.count, base: base), database: database, keptBy: adoptable)
        for block in short { free(block) }
    }

    private func large(_ mark: UInt8, _ more: Int = 0) -> [UInt8] {
        [UInt8](repeating: mark, count: EffectLog.leastKept + more)
    }

    /// Groups of one and of several effects, with large words first, last, side by side and none, come out as if all had been copied; they
    /// are lent and removed up to any place.
    @Test func largeWordsAreKept() {
        let groups: [[[[UInt8]]]] = [
            [[[65], large(1), [66]]], [[[67], large(2), large(3, 7)], [[68]], [large(4)]], [[[69], [70]]],
            [[large(5), [], large(6)]],
        ]
        let (log, plain) = (EffectLog(), EffectLog())
        var random = RandomSource(seed: TestSeed.ofRun)
        var expected: [UInt8] = []
        for round in 0..<12 {
            for (database, group) in groups.enumerated() {
                for words in group {
                    takeKept(log, words, database: database)
                    let owned = OwnedArguments(words)
                    plain.take(owned.view, database: database)
                    withExtendedLifetime(owned) {}
                }
                if round < 11 || database < 3 {
                    log.endGroup()
                    plain.endGroup()
                }
            }
            expected += plain.bytes
            plain.removeFirst(plain.wholeCount)
            #expect(log.wholeCount == expected.count)
            #expect(log.heldCount >= log.wholeCount && log.position == plain.position)
            #expect(log.bytes == expected)
            let removed = [0, 1, EffectLog.leastKept, Int(random.next() % UInt64(expected.count)), expected.count][
                round % 5]
            log.removeFirst(min(removed, expected.count))
            expected.removeFirst(min(removed, expected.count))
            #expect(log.bytes == expected)
        }
        log.endGroup()
        plain.endGroup()
        #expect(log.bytes == expected + plain.bytes)
        log.removeFirst(log.wholeCount)
        #expect(log.heldCount == 0 && log.wholeCount == 0)
    }
}
