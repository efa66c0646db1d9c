// What a snapshot is made of on its way to the file: blocks of bytes, filled by whoever walks the data and finished by whoever writes
// the file, on another thread.
//
// Strings that may be compressed are left as they are by the one and encoded by the other, for compressing takes much longer than
// copying. So a block is a sequence of runs, each behind a head of four bytes:
//
//     length (31 bits), is a string (1 bit) | bytes
//
// The bytes of a run go to the file as they are; those of a string as an RDB string, compressed if that is shorter.

import Glibc
import RespCodec

/// A filled block. Whoever has it is its only user.
@safe public final class SnapshotBlock: @unchecked Sendable {
    static let usualCapacity = 256 << 10
    /// Of parts there may be many at a time, and most are small: their blocks grow.
    static let leastCapacityOfPart = 4 << 10
    static let usualCapacityOfPart = 64 << 10
    static let headSize = 4
    static let stringBit: UInt32 = 1 << 31

    private(set) var start: UnsafeMutableRawPointer
    public private(set) var capacity: Int
    fileprivate(set) var count = 0

    fileprivate init(capacity: Int) {
        unsafe start = SystemMemory.allocate(capacity)
        self.capacity = capacity
    }

    deinit { unsafe free(start) }

    fileprivate func grow(to capacity: Int) {
        unsafe start = SystemMemory.reallocate(start, capacity)
        self.capacity = capacity
    }

    /// Calls `body` with each run.
    func forEachRun(_ body: (ByteSlice, _ isString: Bool) -> Void) {
        var place = 0
        while place < count {
            let head = unsafe start.loadUnaligned(fromByteOffset: place, as: UInt32.self)
            let length = Int(head & ~Self.stringBit)
            if length > 0 {
                unsafe body(
                    ByteSlice(start: start + place + Self.headSize, count: length), head & Self.stringBit != 0)
            }
            place += Self.headSize + length
        }
    }
}

/// Where blocks go.
public protocol SnapshotDestination: AnyObject {
    /// Takes over a block, also where there is no room for it; may wait until there is.
    /// - Parameter part: 0 for what goes to the file at once; else a part whose place in the file is not known yet.
    func take(_ block: SnapshotBlock, part: Int)
    /// Everything of a part has been taken: it follows what was taken so far of part 0.
    func append(part: Int)
    /// Whether a block can be taken without waiting.
    var hasRoom: Bool { get }
}

/// Fills blocks and hands them over: a sink of records. A plain value over raw memory with one owner, which calls `deallocate`.
@safe struct SnapshotStream: ByteSink {
    @unsafe private struct Storage {
        var block: SnapshotBlock
        var start: UnsafeMutableRawPointer
        var count = 0
        var capacity: Int
        /// Where the head of the current run is.
        var runStart = 0
        var byteCount = 0
        unowned(unsafe) let destination: any SnapshotDestination
        let part: Int
        var isInOneBlock = true
    }

    /// Longer strings are never compressed: their bytes go in pieces.
    static let mostCompressed = 1 << 20

    private let storage: UnsafeMutablePointer<Storage>

    init(_ destination: any SnapshotDestination, part: Int = 0) {
        unsafe storage = .allocate(capacity: 1)
        let block = SnapshotBlock(
            capacity: part > 0 ? SnapshotBlock.leastCapacityOfPart : SnapshotBlock.usualCapacity)
        unsafe storage.initialize(
            to: Storage(
                block: block, start: block.start, capacity: block.capacity, destination: destination, part: part))
        beginRun()
    }

    @unsafe func deallocate() {
        unsafe storage.deinitialize(count: 1)
        unsafe storage.deallocate()
    }

    /// Whether nothing was handed over yet.
    var isInOneBlock: Bool { unsafe storage.pointee.isInOneBlock }

    /// How many bytes were written, before they are compressed.
    var position: Int { unsafe storage.pointee.byteCount + storage.pointee.count }

    @inline(__always)
    func append(_ bytes: ByteSlice) {
        let count = bytes.count
        if unsafe storage.pointee.capacity &- storage.pointee.count >= count {
            unsafe memcpy(storage.pointee.start + storage.pointee.count, bytes.rawBytes.baseAddress!, count)
            unsafe storage.pointee.count &+= count
        } else {
            appendInPieces(bytes)
        }
    }

    @inline(never)
    private func appendInPieces(_ bytes: ByteSlice) {
        var rest = bytes
        while !rest.isEmpty {
            if unsafe storage.pointee.count == storage.pointee.capacity { makeRoom() }
            let count = unsafe min(rest.count, storage.pointee.capacity - storage.pointee.count)
            unsafe memcpy(storage.pointee.start + storage.pointee.count, rest.rawBytes.baseAddress!, count)
            unsafe storage.pointee.count += count
            rest = rest.dropFirst(count)
        }
    }

    func appendCompressible(_ string: ByteSlice) -> Bool {
        let count = string.count
        guard count <= Self.mostCompressed else { return false }
        // Its head, and that of the run behind it.
        let needed = count + 2 * SnapshotBlock.headSize
        while unsafe storage.pointee.capacity - storage.pointee.count < needed {
            if unsafe storage.pointee.count == SnapshotBlock.headSize || !grow() {
                handOver(room: needed)
                break
            }
        }
        endRun()
        // A run of nothing gives way.
        if unsafe storage.pointee.count == storage.pointee.runStart + SnapshotBlock.headSize {
            unsafe storage.pointee.count = storage.pointee.runStart
        }
        let place = unsafe storage.pointee.start + storage.pointee.count
        unsafe place.storeBytes(of: UInt32(count) | SnapshotBlock.stringBit, as: UInt32.self)
        unsafe memcpy(place + SnapshotBlock.headSize, string.rawBytes.baseAddress!, count)
        unsafe storage.pointee.count += SnapshotBlock.headSize + count
        beginRun()
        return true
    }

    /// Hands over what there is.
    /// - Parameter part: as what it goes, if not as what it was meant for.
    func flush(toPart part: Int? = nil) {
        if unsafe storage.pointee.count > SnapshotBlock.headSize { handOver(toPart: part) }
    }

    // MARK: runs and blocks

    private func beginRun() {
        unsafe storage.pointee.runStart = storage.pointee.count
        unsafe storage.pointee.count += SnapshotBlock.headSize
    }

    private func endRun() {
        let (start, place) = unsafe (storage.pointee.start, storage.pointee.runStart)
        let length = unsafe storage.pointee.count - place - SnapshotBlock.headSize
        unsafe start.storeBytes(of: UInt32(length), toByteOffset: place, as: UInt32.self)
    }

    private func makeRoom() { if !grow() { handOver() } }

    /// Makes the block larger, if it is that of a part and small.
    private func grow() -> Bool {
        guard unsafe storage.pointee.capacity < usualCapacity else { return false }
        let block = unsafe storage.pointee.block
        block.grow(to: min(block.capacity * 2, usualCapacity))
        unsafe storage.pointee.start = block.start
        unsafe storage.pointee.capacity = block.capacity
        return true
    }

    private var usualCapacity: Int {
        unsafe storage.pointee.part > 0 ? SnapshotBlock.usualCapacityOfPart : SnapshotBlock.usualCapacity
    }

    /// - Parameters:
    ///   - room: of how many bytes the next block is at least.
    ///   - part: as what the block goes, if not as what it was meant for.
    private func handOver(room: Int = 0, toPart part: Int? = nil) {
        endRun()
        let full = unsafe storage.pointee.block
        full.count = unsafe storage.pointee.count
        let block = SnapshotBlock(capacity: max(usualCapacity, room + SnapshotBlock.headSize))
        unsafe storage.pointee.block = block
        unsafe storage.pointee.start = block.start
        unsafe storage.pointee.capacity = block.capacity
        unsafe storage.pointee.byteCount += full.count
        unsafe storage.pointee.count = 0
        unsafe storage.pointee.isInOneBlock = false
        beginRun()
        unsafe storage.pointee.destination.take(full, part: part ?? storage.pointee.part)
    }
}
