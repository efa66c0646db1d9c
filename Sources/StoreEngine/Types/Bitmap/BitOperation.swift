// Combines strings bit by bit. Shorter strings count as if zeros followed.
//
// The result is computed in pieces that fit the first-level cache: all sources are combined for a piece before the next one, so that the
// result is written to memory once, however many sources there are.

import Glibc
import RespCodec

enum BitOperation: Equatable {
    case and, or, xor
    /// The complement of a single source.
    case not
    /// Bits of the first source that no other has.
    case difference
    /// Bits of any other source that the first does not have.
    case reverseDifference
    /// Bits of the first source that any other has too.
    case andAny
    /// Bits that exactly one source has.
    case one

    private typealias Vector = SIMD4<UInt64>
    private static let pieceSize = 8192

    /// Writes the result of the operation on `sources`, each at most as long as `target`. The target may be the memory of one of
    /// the sources.
    func combine(_ sources: UnsafeBufferPointer<ByteSlice>, into target: UnsafeMutableRawBufferPointer) {
        // One piece of the result, followed by the bits that more than one source has.
        unsafe withUnsafeTemporaryAllocation(byteCount: 2 * Self.pieceSize, alignment: MemoryLayout<Vector>.alignment) {
            scratch in
            let result = scratch.baseAddress!
            var offset = 0
            while offset < target.count {
                let count = min(Self.pieceSize, target.count - offset)
                unsafe combine(sources, from: offset, count: count, into: result)
                unsafe memcpy(target.baseAddress! + offset, result, count)
                offset += count
            }
        }
    }

    /// Writes the result for `count` bytes from `offset` on to `result`, which is followed by as many bytes of scratch memory.
    private func combine(
        _ sources: UnsafeBufferPointer<ByteSlice>, from offset: Int, count: Int, into result: UnsafeMutableRawPointer
    ) {
        let repeated = unsafe result + Self.pieceSize
        if self == .one { unsafe memset(repeated, 0, count) }
        // If the first source is combined with the union of all others, that is computed first.
        let setsFirstApart = self == .difference || self == .reverseDifference || self == .andAny
        let start = setsFirstApart ? 1 : 0
        unsafe Self.load(sources[start], from: offset, count: count, into: result)
        for index in start + 1..<sources.count {
            unsafe apply(sources[index], from: offset, count: count, to: result, repeated)
        }
        switch self {
        case .and, .or, .xor: break
        case .not: unsafe Self.update(result, count: count) { ~$0 }
        case .one: unsafe Self.update(result, repeated, count: count) { $0 & ~$1 }
        case .difference: unsafe Self.update(result, sources[0], from: offset, count: count) { ~$0 & $1 }
        case .reverseDifference: unsafe Self.update(result, sources[0], from: offset, count: count) { $0 & ~$1 }
        case .andAny: unsafe Self.update(result, sources[0], from: offset, count: count) { $0 & $1 }
        }
    }

    /// Combines one more source with the result.
    @inline(__always)
    private func apply(
        _ source: ByteSlice, from offset: Int, count: Int, to result: UnsafeMutableRawPointer,
        _ repeated: UnsafeMutableRawPointer
    ) {
        switch self {
        case .and: unsafe Self.update(result, source, from: offset, count: count) { $0 & $1 }
        case .xor: unsafe Self.update(result, source, from: offset, count: count) { $0 ^ $1 }
        case .or, .difference, .reverseDifference, .andAny:
            unsafe Self.update(result, source, from: offset, count: count) { $0 | $1 }
        case .one:
            // The union of all, and the bits that more than one source has.
            let bytes = Self.piece(source, from: offset, count: count)
            unsafe Self.update(repeated, result, bytes.rawBytes.baseAddress!, count: bytes.count) { $0 | $1 & $2 }
            unsafe Self.update(result, bytes.rawBytes.baseAddress!, count: bytes.count) { $0 | $1 }
        case .not: preconditionFailure("the complement is taken of one string")
        }
    }

    private static func piece(_ source: ByteSlice, from offset: Int, count: Int) -> ByteSlice {
        offset < source.count ? source[offset..<min(source.count, offset + count)] : .empty
    }

    private static func load(
        _ source: ByteSlice, from offset: Int, count: Int, into target: UnsafeMutableRawPointer
    ) {
        let bytes = piece(source, from: offset, count: count)
        unsafe memcpy(target, bytes.rawBytes.baseAddress!, bytes.count)
        unsafe memset(target + bytes.count, 0, count - bytes.count)
    }

    // MARK: loops over memory

    /// Combines `target` with a source that is zero after its end.
    @inline(__always)
    private static func update(
        _ target: UnsafeMutableRawPointer, _ source: ByteSlice, from offset: Int, count: Int,
        _ operation: (Vector, Vector) -> Vector
    ) {
        let bytes = piece(source, from: offset, count: count)
        unsafe update(target, bytes.rawBytes.baseAddress!, count: bytes.count, operation)
        unsafe update(target + bytes.count, count: count - bytes.count) { operation($0, .zero) }
    }

    @inline(__always)
    private static func update(
        _ target: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, count: Int,
        _ operation: (Vector, Vector) -> Vector
    ) {
        unsafe update(target, source, source, count: count) { first, second, _ in operation(first, second) }
    }

    @inline(__always)
    private static func update(
        _ target: UnsafeMutableRawPointer, count: Int, _ operation: (Vector) -> Vector
    ) {
        unsafe update(target, target, target, count: count) { first, _, _ in operation(first) }
    }

    /// Sets each byte of `target` to the result of `operation` on it and on the bytes of two others at the same place.
    @inline(__always)
    private static func update(
        _ target: UnsafeMutableRawPointer, _ second: UnsafeRawPointer, _ third: UnsafeRawPointer, count: Int,
        _ operation: (Vector, Vector, Vector) -> Vector
    ) {
        let size = MemoryLayout<Vector>.size
        var offset = 0
        while offset &+ size <= count {
            let first = unsafe target.loadUnaligned(fromByteOffset: offset, as: Vector.self)
            let result = unsafe operation(
                first, second.loadUnaligned(fromByteOffset: offset, as: Vector.self),
                third.loadUnaligned(fromByteOffset: offset, as: Vector.self))
            unsafe target.storeBytes(of: result, toByteOffset: offset, as: Vector.self)
            offset &+= size
        }
        while offset < count {
            @inline(__always) func byte(_ source: UnsafeRawPointer) -> Vector {
                Vector(repeating: UInt64(unsafe source.load(fromByteOffset: offset, as: UInt8.self)))
            }
            let result = unsafe operation(byte(target), byte(second), byte(third))
            unsafe target.storeBytes(of: UInt8(truncatingIfNeeded: result[0]), toByteOffset: offset, as: UInt8.self)
            offset &+= 1
        }
    }
}
