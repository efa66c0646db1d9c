// The bytes of a long string that a snapshot has come to and that are still to be written, some at a time.
//
// Before bytes change, the pages in which they lie are kept, and these are what is written at their places: a bit that is set in a string of
// a gigabyte costs one page. What is appended changes nothing that was there.

import RespCodec

@safe final class UnwrittenText {
    private static let pageSize = 4096

    private var start: UnsafeMutableRawPointer
    let count: Int
    /// The bytes before were written: always whole pages, but at the end.
    private var position = 0
    /// Pages as they were, by their numbers.
    private var kept: [Int: [UInt8]] = [:]

    /// How many pages are kept.
    var keptCount: Int { kept.count }

    /// - Parameter entry: that of a long string.
    init(_ entry: Entry) { unsafe (start, count) = entry.external }

    private func bytes(_ range: Range<Int>) -> ByteSlice {
        unsafe ByteSlice(start: start + range.lowerBound, count: range.count)
    }

    private func page(_ number: Int) -> Range<Int> {
        number * Self.pageSize..<min(count, (number + 1) * Self.pageSize)
    }

    /// Whether a change of some bytes changes any that are to be written.
    func contains(_ range: Range<Int>) -> Bool { !range.clamped(to: position..<count).isEmpty }

    /// Bytes are about to change.
    /// - Complexity: O(bytes of their pages), once for each page.
    func willChange(_ range: Range<Int>) {
        let range = range.clamped(to: position..<count)
        guard !range.isEmpty else { return }
        for number in range.lowerBound / Self.pageSize...(range.upperBound - 1) / Self.pageSize
        where kept[number] == nil {
            kept[number] = bytes(page(number)).array
        }
    }

    /// The bytes are somewhere else now, and are what they were.
    @unsafe func hasMoved(to block: UnsafeMutableRawPointer) { unsafe start = block }

    /// All bytes, of which none have changed.
    var whole: ByteSlice {
        precondition(kept.isEmpty && position == 0, "a string that has changed is not written in one piece")
        return bytes(0..<count)
    }

    /// Writes some bytes, and then there are `isWritten` or more.
    /// - Parameter most: how many, in whole pages.
    func slice(most: Int, _ write: (ByteSlice) -> Void) {
        let end = min(count, position + most)
        while position < end {
            let number = position / Self.pageSize
            if let page = kept.removeValue(forKey: number) {
                page.withByteSlice(write)
                position += page.count
                continue
            }
            var next = number + 1
            while next * Self.pageSize < end && kept[next] == nil { next += 1 }
            let run = position..<min(end, next * Self.pageSize)
            write(bytes(run))
            position = run.upperBound
        }
    }

    var isWritten: Bool { position == count }
}
