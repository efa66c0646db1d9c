// Large blocks that are read after the call in which they were lent: a value on its way to a client who takes it slowly, or to the append-only
// file. They are read where they lie, instead of being copied.
//
// A pinned block does not move. What would change its bytes changes a copy instead (`Database.willChangeBytes`), what would free it
// leaves it to whoever has pinned it, and until then it counts as in use. When its allocator is dropped, the next one has it.

import Glibc
import RespCodec

/// A block that stays as it is for as long as somebody has this.
@safe public final class PinnedBlock {
    fileprivate let block: UnsafeMutableRawPointer
    /// Whose block it is; nil if it belongs to nobody else.
    fileprivate var allocator: SlabAllocator?
    /// Whether its owner needs it no longer.
    fileprivate var isLeft = false

    fileprivate init(_ block: UnsafeMutableRawPointer, of allocator: SlabAllocator) {
        unsafe self.block = block
        self.allocator = allocator
    }

    /// Takes over a malloc block whose bytes begin `SlabAllocator.largeHeaderSize` behind `base`.
    @unsafe init(base: UnsafeMutableRawPointer) { unsafe block = base + SlabAllocator.largeHeaderSize }

    deinit {
        if let allocator {
            unsafe allocator.unpin(block, isLeft: isLeft)
        } else {
            unsafe SlabAllocator.freeBlockWithPages(block - SlabAllocator.largeHeaderSize)
        }
    }

    /// Whether it counts as in use of an engine.
    var isCountedByEngine: Bool { allocator != nil }
}

extension SlabAllocator {
    /// Whether there are pinned blocks.
    @inline(__always) var hasPinned: Bool { unsafe !storage.pointee.pins.isEmpty }

    /// Whether a large block is pinned.
    func isPinned(_ block: UnsafeMutableRawPointer) -> Bool {
        unsafe Self.header(of: block).pointee.isPinned
    }

    /// Pins a large block in use; nil for one that may move.
    func pin(_ block: UnsafeMutableRawPointer) -> PinnedBlock? {
        let large = unsafe Self.header(of: block)
        guard unsafe !large.pointee.isRun else { return nil }
        if let pin = unsafe storage.pointee.pins[block] { return unsafe pin.takeUnretainedValue() }
        let pin = unsafe PinnedBlock(block, of: self)
        unsafe large.pointee.isPinned = true
        unsafe storage.pointee.pins[block] = .passUnretained(pin)
        return pin
    }

    /// What a pinned block's owner freed is freed when nobody reads it any more.
    func leaveToPins(_ block: UnsafeMutableRawPointer) {
        guard let pin = unsafe storage.pointee.pins[block] else { preconditionFailure("a pinned block without a pin") }
        unsafe pin._withUnsafeGuaranteedRef { $0.isLeft = true }
    }

    fileprivate func unpin(_ block: UnsafeMutableRawPointer, isLeft: Bool) {
        unsafe storage.pointee.pins[block] = nil
        unsafe Self.header(of: block).pointee.isPinned = false
        // Whatever it is that needs it no longer, it goes in pieces.
        if isLeft { postponingLarge { unsafe deallocate(block) } }
    }

    /// The blocks that are pinned belong to another allocator from now on, or to nobody else.
    func leavePinned(to heir: SlabAllocator?) {
        unsafe storage.pointee.pins.values.forEach { pin in
            unsafe pin._withUnsafeGuaranteedRef { pin in
                let large = unsafe Self.header(of: pin.block)
                unsafe disown(large)
                pin.allocator = heir
                pin.isLeft = true
                guard let heir else { return }
                unsafe heir.own(large)
                unsafe heir.storage.pointee.pins[pin.block] = .passUnretained(pin)
            }
        }
        unsafe storage.pointee.pins = [:]
    }
}
