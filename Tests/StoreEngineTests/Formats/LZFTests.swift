// LZF: the format byte by byte, there and back for texts of every kind, and hostile input.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct LZFTests {
    /// The text compressed, unless that would save fewer than four bytes.
    private func compressed(_ text: [UInt8]) -> [UInt8]? {
        guard text.count > 4 else { return nil }
        var room = [UInt8](repeating: 0, count: text.count - 4)
        let length = text.withByteSlice { source in room.withUnsafeMutableBytes { LZF.compress(source, to: $0) } }
        return length.map { Array(room[..<$0]) }
    }

    /// The decompressed text of `count` bytes; nil if decompressing fails.
    private func decompressed(_ bytes: [UInt8], _ count: Int) -> [UInt8]? {
        guard count > 0 else { return nil }
        var text = [UInt8](repeating: 0, count: count)
        let isSound = bytes.withByteSlice { source in
            text.withUnsafeMutableBytes { LZF.decompress(source, to: $0) }
        }
        return isSound ? text : nil
    }

    @Test func theFormatIsReadAsWritten() {
        #expect(decompressed([2, 1, 2, 3], 3) == [1, 2, 3])
        // One byte, then 99 more from 1 back: a copy that overlaps itself.
        #expect(decompressed([0, 97, 0xE0, 90, 0], 100) == [UInt8](repeating: 97, count: 100))
        #expect(decompressed([2, 1, 2, 3, 0x20, 2], 6) == [1, 2, 3, 1, 2, 3])
        let far = (0..<8192).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: far.count, by: 32) { bytes += [31] + far[start..<start + 32] }
        #expect(decompressed(bytes + [0xFF, 255, 0xFF], 8192 + 264) == far + far[0..<264])
    }

    @Test func whatIsNotWellFormedIsRefused() {
        for (bytes, count) in [
            ([2, 1, 2], 3), ([0x20], 3), ([0xE0, 1], 10), ([0, 97, 0x20, 1], 4), ([0x20, 0], 3), ([2, 1, 2, 3], 2),
            ([2, 1, 2, 3], 4), ([0, 97, 0xE0, 90, 0], 99), ([0, 97, 0xE0, 90, 0], 101), ([0, 97], 1 << 20),
        ] as [([UInt8], Int)] {
            #expect(decompressed(bytes, count) == nil, "\(bytes) for \(count)")
        }
    }

    @Test func runsAndTextsBecomeSmall() {
        #expect(compressed([UInt8](repeating: 97, count: 100)) == [0, 97, 0xE0, 90, 0])
        let text = (0..<200).flatMap { Array("element number \($0);".utf8) }
        let small = compressed(text)
        #expect(small.map { $0.count < text.count / 2 } == true)
        #expect(small.flatMap { decompressed($0, text.count) } == text)
    }

    @Test func whatWouldNotShrinkIsLeftAlone() {
        var random = RandomSource(seed: TestSeed.fixed(1))
        for count in [0, 1, 2, 3, 4, 5, 33, 1000, 70_000] {
            #expect(compressed((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }) == nil)
        }
    }

    /// Noise that comes again, after more noise and behind itself: a match is found late, goes back far, and ends before where it was found.
    @Test func noiseThatComesAgainIsFoundWhereverItIsLookedFor() {
        var random = RandomSource(seed: TestSeed.ofRun)
        func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) } }
        for round in 0..<400 {
            let part = noise(200 + Int(random.next() % 8000))
            let text =
                (part + noise(round % 5 * 100) + part).dropFirst(Int(random.next() % 50)) + part.prefix(round % 3 * 300)
            let bytes = compress(Array(text), capacity: 2 * text.count)
            #expect(bytes.flatMap { decompressed($0, text.count) } == Array(text), "of \(part.count) bytes")
        }
    }

    /// The longer nothing was found, the less is looked at; what can be compressed behind it is found all the same.
    @Test func noiseIsPassedQuickly() {
        var random = RandomSource(seed: TestSeed.fixed(1))
        let noise = (0..<200_000).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
        #expect((1000..<noise.count / 32).contains(StepCount.of { compress(noise, capacity: 2 * noise.count) }))
        let words = (0..<2000).flatMap { Array("element number \($0);".utf8) }
        let alone = compressed(words)?.count ?? 0
        let behind = compressed(noise + words)?.count ?? 0
        #expect(alone > 0 && behind > 0 && behind < noise.count * 33 / 32 + alone + 4000)
    }

    /// A copy of three bytes pays only where no bytes are written as they are before it.
    @Test func shortCopiesFollowCopies() {
        #expect(compress(Array("abcdefgabcxyz".utf8), capacity: 100) == [12] + Array("abcdefgabcxyz".utf8))
        let twice = compress(Array("abcdefg1234abcdefg234x".utf8), capacity: 100)
        #expect(twice == [10] + Array("abcdefg1234".utf8) + [5 << 5, 10, 1 << 5, 9, 0] + Array("x".utf8))
    }

    @Test(arguments: [1, 2, 3, 4]) func randomTextsComeBack(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for _ in 0..<2000 {
            let alphabet = 1 + random.below(8)
            var text: [UInt8] = []
            let length = random.below(random.below(10) == 0 ? 20_000 : 300)
            while text.count < length {
                if random.below(4) == 0 && !text.isEmpty {
                    let start = random.below(text.count)
                    text += text[start..<min(text.count, start + 1 + random.below(400))]
                } else {
                    text.append(UInt8(random.below(alphabet)))
                }
            }
            // With room for the worst case it always fits; then every target that is too small is refused.
            let bytes = compress(text, capacity: text.count + text.count / 32 + 4)
            guard !text.isEmpty else { continue }
            #expect(bytes.flatMap { decompressed($0, text.count) } == text, "seed \(seed)")
            if let bytes, bytes.count > 1 {
                #expect(compress(text, capacity: random.below(bytes.count)) == nil)
                #expect(decompressed(Array(bytes.dropLast()), text.count) == nil)
            }
        }
    }

    @Test(arguments: [1, 2, 3]) func noiseIsReadWithoutHarm(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for _ in 0..<20_000 {
            let noise = (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 40) }
            let count = random.below(600)
            if let text = decompressed(noise, count) { #expect(text.count == count) }
        }
    }

    private func compress(_ text: [UInt8], capacity: Int) -> [UInt8]? {
        var target = [UInt8](repeating: 0, count: capacity)
        let count = text.withByteSlice { source in target.withUnsafeMutableBytes { LZF.compress(source, to: $0) } }
        return count.map { Array(target[..<$0]) }
    }
}
