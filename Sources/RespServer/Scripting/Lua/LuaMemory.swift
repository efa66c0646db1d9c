// The memory of an interpreter: counted to the byte, and bounded.
//
// While a script runs, an allocation beyond the limit fails, and Lua makes an error of that, within its own frames. While a Swift function
// works with the interpreter that error would cross its frame: then nothing fails, and the function looks at `isOverLimit` itself,
// before it adds something large. Small blocks come from lists of free ones, as tables and strings of a script live for microseconds.

import Glibc
import RespCodec

/// Lives at one address, which Lua hands to the allocator.
@unsafe struct LuaMemory {
    static let granularity = 16
    static let mostSmallBytes = 256
    private static let classCount = mostSmallBytes / granularity + 1
    private static let chunkBytes = 256 * 1024

    /// Bytes that the interpreter has asked for and not given back.
    private(set) var usedBytes = 0
    var limit: Int
    /// Whether a Swift function works with the interpreter: then no allocation fails.
    var isLenient = true
    /// Whose interpreter it is.
    var environment: Uncounted<LuaEnvironment>?
    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private var chunks: [UnsafeMutableRawPointer] = unsafe []
    private var chunkPlace = unsafe LuaMemory.chunkBytes

    init(limit: Int) {
        unsafe self.limit = limit
        unsafe free = .allocate(capacity: Self.classCount)
        unsafe free.initialize(repeating: nil, count: Self.classCount)
    }

    /// Frees what the interpreter, which is closed, had.
    @unsafe func deallocate() {
        for index in unsafe 0..<chunks.count { unsafe munmap(chunks[index], Self.chunkBytes) }
        unsafe free.deallocate()
    }

    private static func makeChunk() -> UnsafeMutableRawPointer? {
        let chunk = unsafe mmap(nil, chunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return unsafe chunk == MAP_FAILED ? nil : chunk
    }

    /// Bytes of the chunks of small blocks.
    var chunkByteCount: Int { unsafe chunks.count * Self.chunkBytes }

    /// Whether `count` more bytes would be too many.
    @inline(__always) func isOverLimit(adding count: Int = 0) -> Bool { unsafe usedBytes &+ count > limit }

    // MARK: the allocator

    static let allocator: LuaFunctions.Allocator = { memory, block, oldCount, newCount in
        let memory = unsafe memory!.assumingMemoryBound(to: LuaMemory.self)
        return unsafe memory.pointee.change(block, from: oldCount, to: newCount)
    }

    @inline(__always)
    mutating func change(_ block: UnsafeMutableRawPointer?, from oldCount: Int, to newCount: Int)
        -> UnsafeMutableRawPointer?
    {
        guard newCount > 0 else {
            if let block = unsafe block {
                unsafe usedBytes &-= oldCount
                unsafe give(block, oldCount)
            }
            return nil
        }
        let growth = unsafe block == nil ? newCount : newCount &- oldCount
        if unsafe growth > 0 && isOverLimit(adding: growth) && !isLenient { return nil }
        guard let old = unsafe block else {
            let new = unsafe take(newCount)
            if unsafe new != nil { unsafe usedBytes &+= newCount }
            return unsafe new
        }
        if unsafe oldCount > Self.mostSmallBytes && newCount > Self.mostSmallBytes {
            guard let new = unsafe realloc(old, newCount) else { return unsafe missing(newCount) }
            unsafe usedBytes &+= growth
            return unsafe new
        }
        guard let new = unsafe take(newCount) else { return nil }
        unsafe memcpy(new, old, min(oldCount, newCount))
        unsafe give(old, oldCount)
        unsafe usedBytes &+= growth
        return unsafe new
    }

    @inline(__always)
    private mutating func take(_ count: Int) -> UnsafeMutableRawPointer? {
        #if !ADDRESS_SANITIZER
        if unsafe count <= Self.mostSmallBytes {
            let place = unsafe (count &+ (Self.granularity - 1)) / Self.granularity
            if let block = unsafe free[place] {
                unsafe free[place] = block.load(as: UnsafeMutableRawPointer?.self)
                return unsafe block
            }
            return unsafe carve(place &* Self.granularity)
        }
        #endif
        return unsafe malloc(count) ?? missing(count)
    }

    @inline(__always)
    private mutating func give(_ block: UnsafeMutableRawPointer, _ count: Int) {
        #if !ADDRESS_SANITIZER
        if unsafe count <= Self.mostSmallBytes {
            let place = unsafe (count &+ (Self.granularity - 1)) / Self.granularity
            unsafe block.storeBytes(of: free[place], as: UnsafeMutableRawPointer?.self)
            unsafe free[place] = block
            return
        }
        #endif
        unsafe Glibc.free(block)
    }

    /// A small block that was in no list yet.
    @inline(never)
    private mutating func carve(_ size: Int) -> UnsafeMutableRawPointer? {
        if unsafe chunkPlace &+ size > Self.chunkBytes {
            guard let chunk = unsafe Self.makeChunk() else { return unsafe missing(size) }
            unsafe chunks.append(chunk)
            unsafe chunkPlace = 0
        }
        defer { unsafe chunkPlace &+= size }
        return unsafe chunks[chunks.count - 1] + chunkPlace
    }

    /// The system has no more. A script gets an error; what Swift asks for has to be there.
    private func missing(_ count: Int) -> UnsafeMutableRawPointer? {
        if unsafe isLenient { SystemMemory.exhausted(count) }
        return nil
    }
}
