// The LZF compression of RDB strings and of the inner nodes of lists: weak, and fast enough to do on the way.
//
//     000LLLLL                            the next L + 1 bytes as they are (1 to 32)
//     LLLOOOOO OOOOOOOO                   L + 2 bytes (3 to 8) once more, from O + 1 bytes back (1 to 8192)
//     111OOOOO LLLLLLLL OOOOOOOO          L + 9 bytes (9 to 264) once more, from O + 1 bytes back
//
// A copy may overlap its own result, so that a run of equal bytes is one copy from 1 byte back. The format has neither
// the compressed size nor the original one: both are stored beside it.
//
// Compressing remembers the last position of each three bytes, by a hash of them, and takes the first match it finds. The longer none was
// found, the fewer positions are looked at: what cannot be compressed costs a small part of what a text does.
// Decompressing trusts nothing: every length and distance is checked.
//
// Source: liblzf 3.6 (Marc Lehmann), the format as lzf_d.c reads it.

import Glibc
import RespCodec

enum LZF {
    private static let longestLiteral = 32
    private static let shortestCopy = 3
    private static let longestCopy = 264
    private static let farthest = 8192
    private static let hashBits: UInt32 = 12
    /// After so many bytes without a match, as a power of two, only every second position is looked at, then every third, and so on.
    private static let patience = 7
    private static let longestStep = 64

    /// The highest compression ratio: three bytes encode at most 264.
    static let highestRatio = 88

    // MARK: compressing

    /// Compresses `source` into `target` and returns how many bytes that took; nil when they do not fit. A target that is
    /// smaller than the source makes sure that compressing saves something.
    /// - Complexity: O(bytes).
    @unsafe static func compress(_ source: ByteSlice, to target: UnsafeMutableRawBufferPointer) -> Int? {
        guard !source.isEmpty, source.count < Int(UInt32.max), let out = target.baseAddress else { return nil }
        let input = unsafe source.rawBytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let writer = unsafe Writer(
            input: input, out: out.assumingMemoryBound(to: UInt8.self), capacity: target.count)
        return unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 1 << Int(hashBits)) { seen in
            unsafe seen.initialize(repeating: 0)
            return unsafe compress(input, source.count, writer, seen)
        }
    }

    /// - Parameter seen: by hash, the position after the first of the three bytes; 0 for none yet.
    private static func compress(
        _ input: UnsafePointer<UInt8>, _ count: Int, _ writer: consuming Writer,
        _ seen: UnsafeMutableBufferPointer<UInt32>
    ) -> Int? {
        var writer = unsafe writer
        var position = 0
        var literal = 0
        while position + shortestCopy <= count {
            StepCount.step()
            let place = unsafe hash(input + position)
            var candidate = unsafe Int(seen[place]) - 1
            unsafe seen[place] = UInt32(truncatingIfNeeded: position + 1)
            // Three bytes that a copy of three interrupts take as much as they do with it.
            let shortest = position > literal ? shortestCopy + 1 : shortestCopy
            // A copy that began further back may have ended before positions that were looked at: these come again.
            guard candidate >= 0, candidate < position, position - candidate <= farthest, position + shortest <= count,
                unsafe startAlike(input + candidate, input + position, shortest)
            else {
                position += min(1 + (position - literal) >> patience, longestStep)
                continue
            }
            while unsafe position > literal && candidate > 0 && input[candidate - 1] == input[position - 1] {
                position -= 1
                candidate -= 1
            }
            let longest = min(count - position, longestCopy)
            let length = unsafe commonLength(input + candidate, input + position, longest)
            guard unsafe writer.writeLiteral(literal..<position),
                unsafe writer.writeCopy(length: length, distance: position - candidate)
            else { return nil }
            // Of the copied bytes only the last ones are remembered, where the next match most likely begins.
            position += length
            literal = position
            for back in 1...2 where position - back + shortestCopy <= count {
                let place = unsafe hash(input + (position - back))
                unsafe seen[place] = UInt32(truncatingIfNeeded: position - back + 1)
            }
        }
        guard unsafe writer.writeLiteral(literal..<count) else { return nil }
        return unsafe writer.count
    }

    @inline(__always) private static func hash(_ bytes: UnsafePointer<UInt8>) -> Int {
        let word = unsafe UInt32(bytes[0]) << 16 | UInt32(bytes[1]) << 8 | UInt32(bytes[2])
        return Int((word &* 2_654_435_761) >> (32 - hashBits))
    }

    /// - Parameter count: three or four.
    @inline(__always)
    private static func startAlike(_ one: UnsafePointer<UInt8>, _ other: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        unsafe one[0] == other[0] && one[1] == other[1] && one[2] == other[2]
            && (count == shortestCopy || one[shortestCopy] == other[shortestCopy])
    }

    /// How many bytes are the same, up to `most`.
    @inline(__always)
    private static func commonLength(
        _ one: UnsafePointer<UInt8>, _ other: UnsafePointer<UInt8>, _ most: Int
    ) -> Int {
        var length = 0
        while length + 8 <= most {
            let difference = unsafe word(one + length) ^ word(other + length)
            if difference != 0 { return length + difference.trailingZeroBitCount / 8 }
            length += 8
        }
        while unsafe length < most && one[length] == other[length] { length += 1 }
        return length
    }

    @inline(__always) private static func word(_ bytes: UnsafePointer<UInt8>) -> UInt64 {
        unsafe UInt64(littleEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self))
    }

    @unsafe private struct Writer {
        let input: UnsafePointer<UInt8>
        let out: UnsafeMutablePointer<UInt8>
        let capacity: Int
        var count = 0

        /// Bytes of the input as they are; false when there is no room for them.
        mutating func writeLiteral(_ range: Range<Int>) -> Bool {
            var start = range.lowerBound
            while start < range.upperBound {
                let length = min(range.upperBound - start, LZF.longestLiteral)
                guard unsafe capacity - count > length else { return false }
                unsafe out[count] = UInt8(length - 1)
                unsafe memcpy(out + count + 1, input + start, length)
                unsafe count += length + 1
                start += length
            }
            return true
        }

        mutating func writeCopy(length: Int, distance: Int) -> Bool {
            guard unsafe capacity - count >= 3 else { return false }
            let offset = distance - 1
            let coded = length - 2
            unsafe out[count] = UInt8(min(coded, 7) << 5 | offset >> 8)
            unsafe count += 1
            if coded >= 7 {
                unsafe out[count] = UInt8(coded - 7)
                unsafe count += 1
            }
            unsafe out[count] = UInt8(truncatingIfNeeded: offset)
            unsafe count += 1
            return true
        }
    }

    // MARK: decompressing

    /// What bytes decompress to that were compressed here.
    static func decompressed(_ source: ByteSlice, count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            let isWhole = unsafe decompress(
                source, to: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            precondition(isWhole, "what was compressed comes back")
            length = count
        }
    }

    /// Decompresses `source` into `target`; false unless it is well-formed and fills the target exactly.
    /// - Complexity: O(bytes of the target).
    @unsafe static func decompress(_ source: ByteSlice, to target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let base = target.baseAddress else { return source.isEmpty }
        let input = unsafe source.rawBytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let out = unsafe base.assumingMemoryBound(to: UInt8.self)
        let end = source.count
        let capacity = target.count
        var position = 0
        var count = 0
        while position < end {
            let control = unsafe Int(input[position])
            position += 1
            if control < longestLiteral {
                let length = control + 1
                guard end - position >= length, capacity - count >= length else { return false }
                unsafe memcpy(out + count, input + position, length)
                position += length
                count += length
                continue
            }
            var length = control >> 5 + 2
            if length == 9 {
                guard position < end else { return false }
                unsafe length += Int(input[position])
                position += 1
            }
            guard position < end else { return false }
            let distance = unsafe (control & 0x1F) << 8 | Int(input[position]) + 1
            position += 1
            guard distance <= count, capacity - count >= length else { return false }
            let from = count - distance
            if distance >= length {
                unsafe memcpy(out + count, out + from, length)
            } else if distance == 1 {
                unsafe memset(out + count, Int32(out[from]), length)
            } else {
                // The copy overlaps its result: what there is of that is copied, each time twice as much.
                var copied = 0
                while copied < length {
                    let piece = min(length - copied, distance + copied)
                    unsafe memcpy(out + count + copied, out + from, piece)
                    copied += piece
                }
            }
            count += length
        }
        return count == capacity
    }
}
