// What only lists can do that are readable backwards: going backwards, changing at the front, and being parts of a longer list.

import Glibc
import RespCodec

// MARK: - backwards

extension PackedElements where Form: ReadableBackwards {
    /// Offset of the element before `offset`, which may be `end`; nil at the first.
    func previous(before offset: Int) -> Int? {
        guard offset > first else { return nil }
        var length = 0
        var shift = 0
        var position = offset - 1
        while true {
            let byte = byte(position)
            length |= (byte & 0x7F) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
            position -= 1
        }
        return position - length
    }
}

// MARK: - at the front

/// A listpack whose memory has room in front of it, too, can begin earlier or later: then its front is as cheap to change
/// as its end.
extension Listpack {
    /// Adds `value` before the first element, and returns the list, which begins as many bytes earlier: there must be room
    /// for them before the list. `value` must not lie in the list.
    @inline(__always)
    func prependedInFront(_ value: PackedValue) -> Listpack {
        let end = end
        let stored = storedCount
        let length = value.encodedLength
        let moved = unsafe Listpack(base - length)
        _ = moved.write(value, at: moved.first)
        moved.setEnd(end &+ length)
        moved.storedCount = stored != 65535 ? stored + 1 : stored
        return moved
    }

    /// Removes the first `removed` elements by making the list begin after them, and returns it and how many bytes later
    /// it begins.
    func droppingFirst(_ removed: Int) -> (list: Listpack, length: Int) {
        let end = end
        let stored = storedCount
        var offset = first
        for _ in 0..<removed { offset = next(after: offset) }
        let length = offset - first
        let moved = unsafe Listpack(base + length)
        moved.setEnd(end &- length)
        moved.storedCount = stored != 65535 ? stored - removed : stored
        return (moved, length)
    }
}

extension PackedElements where Form: ReadableBackwards {
    /// Removes the last element.
    func removeLast() {
        guard let offset = previous(before: end) else { preconditionFailure("an empty list has no last element") }
        truncate(at: offset, removing: 1)
    }

    /// Removes everything from the element at `offset` on, which is `removed` elements.
    func truncate(at offset: Int, removing removed: Int) {
        end = offset
        if storedCount != 65535 { storedCount -= removed }
    }
}

// MARK: - as parts of a longer list

extension PackedElements where Form: ReadableBackwards {
    /// Offset of element number `index` of `count`, from the nearer end. `index` may be `count`, which is the end.
    /// - Complexity: O(elements up to the nearer end).
    func offset(ofElement index: Int, of count: Int) -> Int {
        if index <= count / 2 {
            var offset = first
            for _ in 0..<index { offset = next(after: offset) }
            return offset
        }
        var offset = end
        for _ in index..<count {
            guard let previous = previous(before: offset) else {
                preconditionFailure("a list is shorter than its count")
            }
            offset = previous
        }
        return offset
    }

    /// Calls `body` with the elements from number `index` of `count` on, which must be one of them, towards the end or
    /// backwards towards the front, until it returns false.
    /// - Returns: whether `body` always returned true.
    @inline(__always)
    func visit(from index: Int, of count: Int, backwards: Bool, _ body: (PackedElement) -> Bool) -> Bool {
        var offset = self.offset(ofElement: index, of: count)
        if backwards {
            while true {
                guard body(self[offset]) else { return false }
                guard let previous = previous(before: offset) else { return true }
                offset = previous
            }
        }
        let end = end
        while offset < end {
            guard body(self[offset]) else { return false }
            offset = next(after: offset)
        }
        return true
    }

    /// Looks at up to `limit` elements from the front, or from the end if `backwards`, and calls `body` with the number of
    /// each that is `value`, counted from there, until it returns false.
    /// - Returns: whether `body` always returned true.
    func forEachMatch(_ value: PackedValue, backwards: Bool = false, limit: Int = Int.max, _ body: (Int) -> Bool)
        -> Bool
    {
        var number = 0
        var offset = backwards ? end : first
        let end = end
        while number < limit {
            if backwards {
                guard let previous = previous(before: offset) else { break }
                offset = previous
            } else if offset == end {
                break
            }
            if matches(value, at: offset) { guard body(number) else { return false } }
            if !backwards { offset = next(after: offset) }
            number += 1
        }
        return true
    }

    /// Removes elements that are `value`: all but the first `skipped` of them, up to `limit`. Returns how many.
    /// - Complexity: O(bytes), however many there are.
    func removeMatches(_ value: PackedValue, skipping skipped: Int, limit: Int) -> Int {
        let end = end
        var skipped = skipped
        var removed = 0
        // What stays is moved together in runs: everything before `written` is done, and the next run begins at `runStart`.
        var written = 0
        var runStart = 0
        var offset = first
        while offset < end && removed < limit {
            let next = next(after: offset)
            if matches(value, at: offset) {
                if skipped > 0 {
                    skipped -= 1
                } else {
                    if written != runStart { unsafe memmove(body + written, body + runStart, offset - runStart) }
                    written += offset - runStart
                    runStart = next
                    removed += 1
                }
            }
            offset = next
        }
        guard removed > 0 else { return 0 }
        unsafe memmove(body + written, body + runStart, end - runStart)
        self.end = written + end - runStart
        if storedCount != 65535 { storedCount -= removed }
        return removed
    }
}

extension Listpack {
    /// Copies the whole list to `target`, which has room for its `byteCount`.
    @unsafe func copy(to target: UnsafeMutableRawPointer) { unsafe memmove(target, base, byteCount) }

    /// Writes a list of the elements from the one at `offset` on, `count` of them, to `target`, which has room for
    /// `emptySize` bytes and theirs.
    @unsafe func copyRest(from offset: Int, count: Int, to target: UnsafeMutableRawPointer) {
        let length = end - offset
        let copy = unsafe Listpack(target)
        unsafe memcpy(copy.body, body + offset, length)
        copy.end = length
        copy.storedCount = count
    }

    /// Adds all elements of another list after the last one. The memory must have room for them.
    func append(contentsOf other: Listpack) {
        let (start, length) = (end, other.end)
        unsafe memcpy(body + start, other.body, length)
        take(other.count, upTo: start + length)
    }
}
