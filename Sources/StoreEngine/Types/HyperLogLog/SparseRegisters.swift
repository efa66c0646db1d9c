// Registers as runs of equal ranks, while most of them are 0:
//
//     00nnnnnn             n + 1 registers of rank 0
//     01nnnnnn nnnnnnnn    the same, up to all 16384; the high bits first
//     1rrrrrnn             n + 1 registers of rank r + 1; ranks above 32 need the dense layout
//
// Raising a register splits its run into up to three; then neighbours of equal rank are joined if they fit one run. Which runs are joined
// decides the bytes, which must be the same as in Redis for the same elements. So only the few runs around the change are considered,
// as in Redis, although joining more would save more.
//
// Runs that do not add up to all registers are damaged. The first byte of a run of two bytes at the very end counts as if a 0 followed, but
// is not changed.

import Glibc
import RespCodec

struct SparseRegisters {
    static let largestRank: UInt8 = 32
    private static let longestRankRun = 4
    private static let longestShortZeroRun = 64

    /// The runs of a HyperLogLog without elements: one, of all registers.
    static let empty: (UInt8, UInt8) = (0x7F, 0xFF)

    private let bytes: ByteSlice

    /// - Parameter bytes: what follows the header.
    init(_ bytes: ByteSlice) { self.bytes = bytes }

    // MARK: runs

    struct Run {
        let rank: UInt8
        let count: Int
        let byteCount: Int
    }

    /// The run whose first byte is at `offset`.
    @inline(__always)
    private func run(at offset: Int) -> Run {
        let first = bytes[offset]
        if first & 0xC0 == 0x40 {
            let low = offset + 1 < bytes.count ? bytes[offset + 1] : 0
            return Run(rank: 0, count: (Int(first & 0x3F) << 8 | Int(low)) + 1, byteCount: 2)
        }
        // Without a branch, which would be unpredictable.
        let isRank = first >= 0x80
        let rank = isRank ? (first >> 2 & 0x1F) + 1 : 0
        return Run(rank: rank, count: Int(isRank ? first & 3 : first) + 1, byteCount: 1)
    }

    /// Calls `body` with each run, without a check of what they add up to.
    func forEachRunUnchecked(_ body: (Run) -> Void) {
        var offset = 0
        while offset < bytes.count {
            let run = run(at: offset)
            body(run)
            offset += run.byteCount
        }
    }

    /// Calls `body` with the first register, the count and the rank of each run; false if the runs are damaged. Those that `body`
    /// gets lie within the registers in any case.
    @inline(__always)
    func forEachRun(_ body: (Int, Int, UInt8) -> Void) -> Bool {
        var offset = 0
        var first = 0
        while offset < bytes.count {
            let run = run(at: offset)
            guard first + run.count <= HyperLogLog.registerCount else { return false }
            body(first, run.count, run.rank)
            first += run.count
            offset += run.byteCount
        }
        return first == HyperLogLog.registerCount
    }

    /// The registers counted by rank; nil if the runs are damaged.
    var histogram: RegisterHistogram? {
        var histogram = RegisterHistogram()
        let isWhole = forEachRun { _, count, rank in histogram.add(rank, count: count) }
        return isWhole ? histogram : nil
    }

    // MARK: raising a register

    /// How to raise a register.
    enum Raise {
        /// It is not lower.
        case nothing
        case edit(Edit)
        case damaged
    }

    /// A replacement of bytes by others.
    struct Edit {
        let offset: Int
        let oldCount: Int
        /// The new bytes, the first lowest.
        fileprivate(set) var bytes: UInt64 = 0
        fileprivate(set) var count = 0
        /// The offset of the run before, where joining begins.
        let previous: Int

        fileprivate init(offset: Int, oldCount: Int, previous: Int) {
            self.offset = offset
            self.oldCount = oldCount
            self.previous = previous
        }

        private mutating func append(_ byte: UInt8) {
            bytes |= UInt64(byte) << UInt64(count * 8)
            count += 1
        }

        fileprivate mutating func append(rank: UInt8, count: Int) {
            guard count > 0 else { return }
            let length = UInt8(truncatingIfNeeded: count - 1)
            if rank > 0 {
                append(0x80 | (rank - 1) << 2 | length)
            } else if count <= longestShortZeroRun {
                append(length)
            } else {
                append(0x40 | UInt8(truncatingIfNeeded: (count - 1) >> 8))
                append(length)
            }
        }
    }

    /// The place of a run.
    struct Position {
        fileprivate var offset = 0
        /// The first register of the run.
        fileprivate var first = 0
        /// The offset of the run before; for the first run its own.
        fileprivate var previous = 0

        fileprivate mutating func pass(_ run: Run) {
            previous = offset
            offset += run.byteCount
            first += run.count
        }
    }

    /// How to raise the register at `index` to `rank`, which is at most `largestRank`.
    /// - Parameter start: a run that is not after the register. Becomes one where the search for a later register can begin, after the edit.
    /// - Complexity: O(runs between).
    func raise(_ index: Int, to rank: UInt8, from start: inout Position) -> Raise {
        var position = start
        while position.offset < bytes.count {
            let run = run(at: position.offset)
            if index < position.first + run.count {
                guard position.offset + run.byteCount <= bytes.count else { return .damaged }
                guard run.rank < rank else { return .nothing }
                var edit = Edit(offset: position.offset, oldCount: run.byteCount, previous: position.previous)
                edit.append(rank: run.rank, count: index - position.first)
                edit.append(rank: rank, count: 1)
                edit.append(rank: run.rank, count: position.first + run.count - 1 - index)
                return .edit(edit)
            }
            // The edit changes bytes from the run before the register's on, so the next search must begin there.
            start = position
            position.pass(run)
        }
        return .damaged
    }

    /// A run not after the register at `index`, and near it.
    ///
    /// Eight bytes are read at a time: runs of one byte up to the first of two bytes, and that one, without a branch on their kind.
    func position(near index: Int) -> Position {
        var position = Position()
        let start = unsafe bytes.rawBytes.baseAddress!
        while position.offset + 10 <= bytes.count {
            let place = unsafe start + position.offset
            let word = unsafe UInt64(littleEndian: place.loadUnaligned(as: UInt64.self))
            let high: UInt64 = 0x8080_8080_8080_8080
            let long = word << 1 & ~word & high
            let hasLong = long != 0
            let shortRuns = long.trailingZeroBitCount / 8
            // The bytes before the first long run. The count is two bits of a run of a rank, and six of a run of zeros.
            let short = word & ((long & (0 &- long)) >> 7 &- 1)
            let counts = short & ~(high | high >> 1) & ~((short & high) >> 7 &* 0x3C)
            let pairs: UInt64 = 0x00FF_00FF_00FF_00FF
            let sums = (counts & pairs) &+ (counts >> 8 & pairs)
            let shortTotal = Int(truncatingIfNeeded: (sums &* 0x0001_0001_0001_0001) >> 48) &+ shortRuns
            let behind = unsafe UInt16(bigEndian: place.loadUnaligned(fromByteOffset: shortRuns, as: UInt16.self))
            let total = shortTotal &+ (hasLong ? Int(behind & 0x3FFF) &+ 1 : 0)
            guard position.first &+ total <= index else { break }
            position = Position(
                offset: position.offset &+ shortRuns &+ (hasLong ? 2 : 0), first: position.first &+ total,
                previous: position.offset &+ (hasLong ? shortRuns : 7))
        }
        return position
    }

    /// Joins neighbours of equal rank among five runs from the one at `start` on, and returns how many bytes are left.
    static func join(_ bytes: UnsafeMutableRawBufferPointer, from start: Int) -> Int {
        var count = bytes.count
        var offset = start
        for _ in 0..<5 where offset < count {
            let first = unsafe bytes[offset]
            if first < 0x80 {
                offset += first < 0x40 ? 1 : 2
                continue
            }
            let next = offset + 1 < count ? unsafe bytes[offset + 1] : 0
            let sum = Int(first & 3) + Int(next & 3) + 2
            guard next >= 0x80 && (first ^ next) & 0x7C == 0 && sum <= longestRankRun else {
                offset += 1
                continue
            }
            unsafe bytes[offset] = first & ~3 | UInt8(truncatingIfNeeded: sum - 1)
            let base = unsafe bytes.baseAddress! + offset
            unsafe memmove(base + 1, base + 2, count - offset - 2)
            count -= 1
        }
        return count
    }
}
