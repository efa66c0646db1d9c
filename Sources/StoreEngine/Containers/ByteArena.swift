// Copies of bytes that are all freed at once: what a command must keep of values that may change or move before it is done.
//
// Copies lie in chunks, which never move. Invariant: a copy is valid until the owner calls `deallocate`.

import Glibc
import RespCodec

@safe struct ByteArena {
    private static let chunkSize = 64 * 1024

    private var chunks: [UnsafeMutableRawPointer] = unsafe []
    /// The unused rest of the newest chunk.
    private var free: UnsafeMutableRawPointer?
    private var freeCount = 0

    /// A copy of the bytes.
    mutating func copy(_ bytes: ByteSlice) -> ByteSlice {
        if bytes.count > freeCount { grow(for: bytes.count) }
        guard bytes.count > 0, let target = unsafe free else { return .empty }
        unsafe target.copyMemory(from: bytes.rawBytes.baseAddress!, byteCount: bytes.count)
        unsafe free = target + bytes.count
        freeCount -= bytes.count
        return unsafe ByteSlice(start: target, count: bytes.count)
    }

    /// The element with its bytes copied.
    mutating func copy(_ element: PackedElement) -> PackedElement {
        switch element {
        case .integer: element
        case .bytes(let bytes): .bytes(copy(bytes))
        }
    }

    private mutating func grow(for count: Int) {
        freeCount = max(count, Self.chunkSize)
        let chunk = unsafe SystemMemory.allocate(freeCount)
        unsafe chunks.append(chunk)
        unsafe free = chunk
    }

    /// Frees all copies. The arena must not be used afterwards.
    @unsafe func deallocate() {
        for index in unsafe chunks.indices { unsafe chunks[index].deallocate() }
    }
}
