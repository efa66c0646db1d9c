// Large arguments, which were received in blocks of their own: what needs them takes their blocks over, or keeps them, instead of copying them.

import RespCodec

/// Arguments in blocks of their own, one malloc block each, whose bytes begin `SlabAllocator.largeHeaderSize` behind its start. A
/// value may take a block over, and then the reader no longer frees it. All stay as they are while this exists.
@safe public final class AdoptableArguments {
    public private(set) var blocks: [Block] = []

    @safe public struct Block {
        let base: UnsafeMutableRawPointer
        public let count: Int
        var isTaken = false
        /// Keeps a block that was taken over.
        var pin: PinnedBlock?
    }

    /// How much room a block has in front of its bytes.
    public static var headerSize: Int { SlabAllocator.largeHeaderSize }

    public init() {}

    /// Hands over a malloc block whose bytes begin `headerSize` behind `base`.
    @unsafe public func append(base: UnsafeMutableRawPointer, count: Int) {
        unsafe indices[UnsafeRawPointer(base + Self.headerSize)] = blocks.count
        unsafe blocks.append(Block(base: base, count: count))
    }

    /// Where the bytes of block `index` are.
    public func bytes(_ index: Int) -> ByteSlice {
        unsafe ByteSlice(start: blocks[index].base + Self.headerSize, count: blocks[index].count)
    }

    /// By where their bytes begin.
    private var indices: [UnsafeRawPointer: Int] = unsafe [:]

    /// Which block holds exactly these bytes.
    private func index(of bytes: ByteSlice) -> Int? {
        guard let start = unsafe bytes.rawBytes.baseAddress, let index = unsafe indices[start],
            blocks[index].count == bytes.count
        else { return nil }
        return index
    }

    /// The block that holds exactly these bytes, as a block of an allocator, which now owns it.
    func adopt(_ bytes: ByteSlice, by allocator: SlabAllocator) -> UnsafeMutableRawPointer? {
        guard let index = index(of: bytes), !blocks[index].isTaken else { return nil }
        blocks[index].isTaken = true
        let block = unsafe allocator.adopt(base: blocks[index].base)
        blocks[index].pin = unsafe allocator.pin(block)
        return unsafe block
    }

    /// Keeps a block that holds exactly these bytes, for as long as somebody has what is returned.
    func keep(_ bytes: ByteSlice) -> PinnedBlock? {
        guard let index = index(of: bytes) else { return nil }
        if !blocks[index].isTaken {
            blocks[index].isTaken = true
            blocks[index].pin = unsafe PinnedBlock(base: blocks[index].base)
        }
        return blocks[index].pin
    }

    /// Whether some block holds exactly these bytes.
    func holds(_ bytes: ByteSlice) -> Bool { index(of: bytes) != nil }

    /// Frees a malloc block that was to be handed over, and has its pages go back to the system.
    @unsafe public static func giveBack(base: UnsafeMutableRawPointer) { unsafe SlabAllocator.freeBlockWithPages(base) }

    /// Frees the blocks that no value has taken over, and has their pages go back to the system.
    public func giveBack() {
        for block in blocks where !block.isTaken { unsafe SlabAllocator.freeBlockWithPages(block.base) }
        blocks = []
        unsafe indices = [:]
    }

    deinit {
        for block in blocks where !block.isTaken { unsafe SlabAllocator.freeBlock(block.base) }
    }
}
