// The bytes of a long string that a snapshot has come to and that are still to be written, some at a time.
//
// Before bytes change, the pages in which they lie are kept, and these are what is written at their places: a bit that is set in a string of
// a gigabyte costs one page. What is appended changes nothing that was there. Pages are memory of the data's allocator, so that they are
// counted and go back as other memory does.

import RespCodec

@safe final class UnwrittenText {
    private static let pageSize = 4096

    private var start: UnsafeMutableRawPointer
    let count: Int
    /// The bytes before were written: always whole pages, but at the end.
    private var position = 0
    private let allocator: SlabAllocator
    /// Pages as they were, by their numbers.
    private var kept: [Int: UnsafeMutableRawPointer] = unsafe [:]
    /// Whether they count as memory that only waits to be written.
    private var isCounted = true

    /// How many pages are kept.
    var keptCount: Int { unsafe kept.count }
    /// Their bytes, as far as they count as held.
    var heldBytes: Int { isCounted ? keptCount * Self.pageSize : 0 }

    /// - Parameter entry: that of a long string.
    init(_ entry: Entry, _ allocator: SlabAllocator) {
        unsafe (start, count) = entry.external
        self.allocator = allocator
    }

    private func bytes(_ range: Range<Int>) -> ByteSlice {
        unsafe ByteSlice(start: start + range.lowerBound, count: range.count)
    }

    private func page(_ number: Int) -> Range<Int> {
        number * Self.pageSize..<min(count, (number + 1) * Self.pageSize)
    }

    /// Whether a change of some bytes changes any that are to be written.
    func contains(_ range: Range<Int>) -> Bool { !range.clamped(to: position..<count).isEmpty }

    /// Bytes are about to change.
    /// - Complexity: O(pages of the range); each page is copied once.
    func willChange(_ range: Range<Int>) {
        let range = range.clamped(to: position..<count)
        guard !range.isEmpty else { return }
        for number in range.lowerBound / Self.pageSize...(range.upperBound - 1) / Self.pageSize
        where unsafe kept[number] == nil {
            let old = bytes(page(number))
            let copy = unsafe allocator.allocate(Self.pageSize)
            unsafe copy.copyMemory(from: old.rawBytes.baseAddress!, byteCount: old.count)
            unsafe kept[number] = copy
        }
    }

    /// The bytes are somewhere else now, and are what they were.
    @unsafe func hasMoved(to block: UnsafeMutableRawPointer) { unsafe start = block }

    /// All bytes, of which none have changed.
    var whole: ByteSlice {
        precondition(keptCount == 0 && position == 0, "a string that has changed is not written in one piece")
        return bytes(0..<count)
    }

    /// Writes up to `most` bytes from `position` on.
    /// - Parameter most: how many, in whole pages.
    func slice(most: Int, _ write: (ByteSlice) -> Void) {
        let end = min(count, position + most)
        while position < end {
            let number = position / Self.pageSize
            if let copy = unsafe kept.removeValue(forKey: number) {
                let length = page(number).count
                write(unsafe ByteSlice(start: copy, count: length))
                unsafe allocator.deallocate(copy)
                position += length
                continue
            }
            var next = number + 1
            while unsafe next * Self.pageSize < end && kept[next] == nil { next += 1 }
            let run = position..<min(end, next * Self.pageSize)
            write(bytes(run))
            position = run.upperBound
        }
    }

    var isWritten: Bool { position == count }

    /// Frees what is kept. Nothing can be written any more.
    func release() {
        while let page = unsafe kept.popFirst() { unsafe allocator.deallocate(page.value) }
    }

    /// Nothing that was held up to now counts any more.
    func forgetHeld() { isCounted = false }
}
