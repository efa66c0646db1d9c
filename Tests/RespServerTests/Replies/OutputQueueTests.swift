import Glibc
import TestSupport
import Testing

@testable import RespServer

@Suite struct OutputQueueTests {
    /// Random bytes go in and out in random runs, and come out as they went in.
    @Test func keepsBytesInOrder() {
        var generator = SeededRandom(seed: TestSeed.ofRun)
        let queue = OutputQueue()
        var written: UInt8 = 0
        var read: UInt8 = 0
        var waiting = 0
        for _ in 0..<60 {
            let bytes = (0..<Int.random(in: 0...100_000, using: &generator)).map { _ in
                defer { written &+= 1 }
                return written
            }
            bytes.withUnsafeBytes { queue.append($0) }
            waiting += bytes.count
            for _ in 0..<Int.random(in: 0...3, using: &generator) where waiting > 0 {
                let front = queue.front
                let count = Int.random(in: 1...front.count, using: &generator)
                for byte in front.prefix(count) {
                    if byte != read { Issue.record("bytes out of order") }
                    read &+= 1
                }
                queue.removeFirst(count)
                waiting -= count
            }
            #expect(queue.byteCount == waiting)
        }
        while queue.byteCount > 0 {
            for byte in queue.front {
                if byte != read { Issue.record("bytes out of order") }
                read &+= 1
            }
            queue.removeFirst(queue.front.count)
        }
        #expect(read == written && queue.memoryByteCount == 0 && queue.front.isEmpty)
    }

    /// Adding costs what is added, whatever waits; what waits is not moved, and the list of its pieces seldom.
    @Test(arguments: [0, 1, 64]) func nothingThatWaitsIsMoved(megabytes: Int) {
        let queue = OutputQueue()
        let block = [UInt8](repeating: 7, count: 1 << 20)
        for _ in 0..<megabytes { block.withUnsafeBytes { queue.append($0) } }
        let before = queue.steps.count
        #expect(before == megabytes << 20)
        for _ in 0..<100 { block.prefix(1000).withUnsafeBytes { queue.append($0) } }
        #expect(queue.steps.count - before == 100_000)
        let pieces = queue.pieceCount
        while queue.byteCount > 0 { queue.removeFirst(min(queue.front.count, 100_000)) }
        #expect(queue.steps.count - before - 100_000 <= 2 * pieces)
    }

    /// A block that is taken over comes out from where it was sent up to, and what follows it behind it.
    @Test(arguments: [0, 1, 999]) func takesOverBlocks(sent: Int) throws {
        let queue = OutputQueue()
        let block = try #require(malloc(2000))
        for index in 0..<1000 {
            block.storeBytes(of: UInt8(truncatingIfNeeded: index), toByteOffset: index, as: UInt8.self)
        }
        queue.append(block: block, sent: sent, count: 1000, capacity: 2000)
        let more = (0..<300_000).map { UInt8(truncatingIfNeeded: 1000 + $0) }
        more.withUnsafeBytes { queue.append($0) }
        #expect(queue.byteCount == 301_000 - sent && queue.memoryByteCount >= 301_000 - 1000)
        var next = sent
        while queue.byteCount > 0 {
            for byte in queue.front {
                if byte != UInt8(truncatingIfNeeded: next) { Issue.record("bytes out of order") }
                next += 1
            }
            queue.removeFirst(queue.front.count)
        }
        #expect(next == 301_000 && queue.memoryByteCount == 0)
    }

    /// What is mapped counts as far as it was written to.
    @Test func countsPagesThatAreUsed() {
        let queue = OutputQueue()
        let bytes = [UInt8](repeating: 7, count: 300_000)
        func add(_ count: Int) { bytes.prefix(count).withUnsafeBytes { queue.append($0) } }
        add(10)
        #expect(queue.memoryByteCount == 4096)
        add(4087)
        #expect(queue.memoryByteCount == 8192)
        add(300_000)
        #expect(queue.pieceCount == 2 && 304_097...312_000 ~= queue.memoryByteCount)
        while queue.byteCount > 0 { queue.removeFirst(queue.front.count) }
        #expect(queue.memoryByteCount == 0)
    }

    @Test func aBlockBehindOthersIsCopied() throws {
        let queue = OutputQueue()
        Array("first ".utf8).withUnsafeBytes { queue.append($0) }
        let block = try #require(malloc(8))
        memcpy(block, "xxsecond", 8)
        queue.append(block: block, sent: 2, count: 8, capacity: 8)
        #expect(String(decoding: queue.front, as: UTF8.self) == "first second")
    }

    /// What somebody else keeps is neither copied nor freed, and goes out in its place; it is let go when it was sent.
    @Test func keepsWhereItLies() {
        final class Owner {}
        let queue = OutputQueue()
        let block = [UInt8](repeating: 7, count: 500_000)
        weak var watched: Owner?
        block.withUnsafeBytes { bytes in
            [1, 2, 3].withUnsafeBytes { queue.append(UnsafeRawBufferPointer(rebasing: $0.prefix(3))) }
            let steps = queue.steps.count
            do {
                let owner = Owner()
                watched = owner
                queue.append(bytes, keptBy: owner)
            }
            #expect(queue.steps.count == steps && queue.keptByteCount == bytes.count && watched != nil)
            [4].withUnsafeBytes { queue.append(UnsafeRawBufferPointer(rebasing: $0.prefix(1))) }
            #expect(queue.byteCount == 500_004)
            queue.removeFirst(3)
            #expect(queue.front.baseAddress == bytes.baseAddress && queue.front.count == bytes.count)
            queue.removeFirst(200_000)
            #expect(queue.keptByteCount == bytes.count && watched != nil)
            queue.removeFirst(300_000)
            #expect(queue.keptByteCount == 0 && watched == nil)
            #expect(queue.front.count == 1 && queue.front[0] == 4)
            queue.removeFirst(1)
        }
        #expect(queue.byteCount == 0 && queue.memoryByteCount == 0)
    }
}
