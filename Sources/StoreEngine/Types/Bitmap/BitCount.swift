// Counts the bits that are set in a run of bytes.
//
// The baseline processor has no instruction for it, so long runs are added up by carry-save adders first: sixteen vectors become one
// vector of sixteens, whose bits are counted; the remaining ones, twos, fours and eights are counted once at the end. An adder takes
// five operations for three vectors, so a byte costs less than half an operation, and two when counted word by word.
//
// Rejected: a table of bytes (a load for each byte), and `nonzeroBitCount` of each word (twelve operations a word without the
// instruction).
//
// - Source: Harley and Seal's counting, in Warren, Hacker's Delight, 2nd edition, section 5-1.

import RespCodec

enum BitCount {
    private typealias Vector = SIMD2<UInt64>
    private static let vectorsPerBlock = 16
    private static let blockSize = vectorsPerBlock * MemoryLayout<Vector>.size

    /// The number of bits that are set.
    /// - Complexity: O(bytes).
    static func ones(in bytes: ByteSlice) -> Int {
        let blocks = bytes.count / blockSize
        var total = blocks > 0 ? unsafe ones(inBlocks: blocks, at: bytes.rawBytes.baseAddress!) : 0
        var rest = bytes.dropFirst(blocks * blockSize)
        let words = rest.count / 8
        let start = unsafe rest.rawBytes.baseAddress!
        for index in 0..<words {
            total &+= unsafe start.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self).nonzeroBitCount
        }
        rest = rest.dropFirst(words * 8)
        var word: UInt64 = 0
        for index in 0..<rest.count { word = word << 8 | UInt64(rest[index]) }
        return total &+ word.nonzeroBitCount
    }

    /// Adds two vectors to `sum` bit by bit and returns the carries, which count twice as much.
    @inline(__always)
    private static func carry(_ sum: inout Vector, _ first: Vector, _ second: Vector) -> Vector {
        let half = sum ^ first
        let carries = (sum & first) | (half & second)
        sum = half ^ second
        return carries
    }

    @inline(__always)
    private static func count(_ vector: Vector) -> Int { vector[0].nonzeroBitCount &+ vector[1].nonzeroBitCount }

    private static func ones(inBlocks blocks: Int, at start: UnsafeRawPointer) -> Int {
        var ones = Vector.zero
        var twos = Vector.zero
        var fours = Vector.zero
        var eights = Vector.zero
        var sixteens = 0
        for block in 0..<blocks {
            let base = unsafe start + block &* blockSize
            @inline(__always) func vector(_ index: Int) -> Vector {
                unsafe base.loadUnaligned(fromByteOffset: index &* MemoryLayout<Vector>.size, as: Vector.self)
            }
            @inline(__always) func pair(_ index: Int) -> Vector { carry(&ones, vector(index), vector(index &+ 1)) }
            @inline(__always) func four(_ index: Int) -> Vector {
                let first = pair(index)
                return carry(&twos, first, pair(index &+ 2))
            }
            @inline(__always) func eight(_ index: Int) -> Vector {
                let first = four(index)
                return carry(&fours, first, four(index &+ 4))
            }
            let first = eight(0)
            sixteens &+= count(carry(&eights, first, eight(8)))
        }
        return 16 &* sixteens &+ 8 &* count(eights) &+ 4 &* count(fours) &+ 2 &* count(twos) &+ count(ones)
    }
}
