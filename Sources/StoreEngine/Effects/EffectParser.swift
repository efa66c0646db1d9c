// The requests of a log of effects, more strictly read than those of clients: each is an array of bulk strings, every line and every string
// ends with CR and LF, and between them stand only notes, which are lines that begin with "#".

import Glibc
import RespCodec

enum EffectParser {
    enum Found: Equatable {
        case request
        case note
        /// The window ends within it.
        case incomplete
        case damage(String)
    }

    private enum Line {
        case number(Int)
        case incomplete
        case damage
    }

    /// The longest line, its end included.
    private static let longestNote = 1024
    private static let longestNumber = 24
    /// More words than any request has.
    private static let mostWords = Int(Int32.max)

    /// Parses what begins at `position`, and moves that behind it. Unless it is a request, the list may have some of its words, and `position`
    /// stays.
    static func parse(
        _ window: UnsafeRawBufferPointer, position: inout Int, into list: ArgumentList
    ) -> Found {
        StepCount.step()
        guard position < window.count else { return .incomplete }
        let first = unsafe window[position]
        if first == UInt8(ascii: "#") { return unsafe note(window, &position) }
        guard first == UInt8(ascii: "*") else { return .damage("a request that does not begin with '*'") }
        var place = position
        let count: Int
        switch unsafe line(window, &place) {
        case .number(let number): count = number
        case .incomplete: return .incomplete
        case .damage: return .damage("a number of words that is none")
        }
        guard count > 0 && count <= mostWords else { return .damage("a request of \(count) words") }
        let found = unsafe words(count, of: window, &place, into: list)
        if found == .request { position = place }
        return found
    }

    /// Parses words, and moves `place` behind those that are whole.
    @inline(__always)
    private static func words(
        _ count: Int, of window: UnsafeRawBufferPointer, _ place: inout Int, into list: ArgumentList
    ) -> Found {
        let end = window.count
        for _ in 0..<count {
            StepCount.step()
            guard place < end else { return .incomplete }
            guard unsafe window[place] == UInt8(ascii: "$") else {
                return .damage("a word that does not begin with '$'")
            }
            var first = place
            let length: Int
            switch unsafe line(window, &first) {
            case .number(let number): length = number
            case .incomplete: return .incomplete
            case .damage: return .damage("a length that is no number")
            }
            guard length <= Int.max / 2 else { return .damage("a word of \(length) bytes") }
            guard end &- first >= length &+ 2 else {
                // What of its end is there must be right.
                if end &- first == length &+ 1, unsafe window[first &+ length] != 0x0D {
                    return .damage("a word that is longer than it says")
                }
                return .incomplete
            }
            guard unsafe window[first &+ length] == 0x0D && (unsafe window[first &+ length &+ 1]) == 0x0A else {
                return .damage("a word that is longer than it says")
            }
            list.append(ArgumentPiece(offset: first, count: length))
            place = first &+ length &+ 2
        }
        return .request
    }

    /// Reads the number behind a mark.
    @inline(__always)
    private static func line(_ window: UnsafeRawBufferPointer, _ place: inout Int) -> Line {
        var next = place &+ 1
        let last = min(window.count, place &+ longestNumber)
        var value = 0
        while next < last {
            let digit = unsafe window[next] &- UInt8(ascii: "0")
            guard digit <= 9 else { break }
            let (tenfold, overflows) = value.multipliedReportingOverflow(by: 10)
            guard !overflows else { return .damage }
            value = tenfold &+ Int(digit)
            guard value >= 0 else { return .damage }
            next &+= 1
        }
        guard next < window.count else { return .incomplete }
        guard next > place &+ 1, unsafe window[next] == 0x0D else { return .damage }
        guard next &+ 1 < window.count else { return .incomplete }
        guard unsafe window[next &+ 1] == 0x0A else { return .damage }
        place = next &+ 2
        return .number(value)
    }

    private static func note(_ window: UnsafeRawBufferPointer, _ position: inout Int) -> Found {
        let room = min(window.count - position, longestNote)
        guard let found = unsafe memchr(window.baseAddress! + position, 0x0A, room) else {
            return room < longestNote ? .incomplete : .damage("a note that is too long")
        }
        position = unsafe UnsafeRawPointer(found) - window.baseAddress! + 1
        return .note
    }

    /// What a note tells of the time.
    enum NotedTime {
        case none
        /// In seconds since 1970.
        case time(Int64)
        case damage
    }

    /// - Parameter note: its line with its end.
    static func time(ofNote note: UnsafeRawBufferPointer) -> NotedTime {
        let mark = Array("#TS:".utf8)
        guard unsafe note.starts(with: mark) else { return .none }
        // A bare line feed ends no such line.
        guard unsafe note.dropLast().last == 0x0D,
            let time = unsafe Decimal.parse(
                ByteSlice(UnsafeRawBufferPointer(rebasing: note[mark.count..<note.count - 2])))
        else { return .damage }
        return .time(Int64(time))
    }

    /// How many lines of a request are whole that is not.
    /// - Parameter list: the words of it that are, as `parse` has left them.
    static func lineCount(ofBroken bytes: UnsafeRawBufferPointer, from position: Int, words list: ArgumentList) -> Int {
        var place = position
        guard place < bytes.count, unsafe bytes[place] == UInt8(ascii: "*"), case .number = unsafe line(bytes, &place)
        else { return 0 }
        if list.count > 0 { place = list[list.count - 1].offset + list[list.count - 1].count + 2 }
        var count = 1 + 2 * list.count
        if place < bytes.count, unsafe bytes[place] == UInt8(ascii: "$"), case .number = unsafe line(bytes, &place) {
            count += 1
        }
        return count
    }

    /// Where bytes stop being whole requests.
    private static func endOfRequests(_ bytes: UnsafeRawBufferPointer, from start: Int, _ list: ArgumentList) -> Int {
        var place = start
        while true {
            list.removeAll()
            switch unsafe parse(bytes, position: &place, into: list) {
            case .request, .note: continue
            case .incomplete, .damage: return place
            }
        }
    }

    /// Whether bytes are requests up to their end, where the last may not be whole.
    private static func areRequests(_ bytes: UnsafeRawBufferPointer, from start: Int, _ list: ArgumentList) -> Bool {
        var place = unsafe endOfRequests(bytes, from: start, list)
        list.removeAll()
        return unsafe parse(bytes, position: &place, into: list) == .incomplete
    }

    /// Whether bytes that are the beginning of one request look damaged, and not cut off: whole requests follow up to their very end, or would
    /// follow if one bit of the last length were another. A value may have such text in it, too, but hardly ends with it where it was cut off.
    static func isDamaged(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let list = ArgumentList()
        defer { unsafe list.deallocate() }
        return unsafe endsWithRequests(bytes, list) || hasWrongLength(bytes, list)
    }

    /// - Complexity: O(bytes): what were requests and led to no end is not gone through again.
    private static func endsWithRequests(_ bytes: UnsafeRawBufferPointer, _ list: ArgumentList) -> Bool {
        var place = 1
        while place < bytes.count,
            let found = unsafe memchr(bytes.baseAddress! + place, Int32(UInt8(ascii: "*")), bytes.count - place)
        {
            place = unsafe UnsafeRawPointer(found) - bytes.baseAddress!
            if place >= 2, unsafe bytes[place - 2] == 0x0D && (unsafe bytes[place - 1]) == 0x0A {
                let end = unsafe endOfRequests(bytes, from: place, list)
                if end == bytes.count { return true }
                place = max(place, end - 1)
            }
            place += 1
        }
        return false
    }

    /// Whether they would be requests up to their end if one bit of the last length were another.
    /// - Complexity: O(bytes), up to four times for each digit.
    private static func hasWrongLength(_ bytes: UnsafeRawBufferPointer, _ list: ArgumentList) -> Bool {
        list.removeAll()
        var place = 0
        guard bytes.count > 0, unsafe bytes[0] == UInt8(ascii: "*"),
            case .number(let count) = unsafe line(bytes, &place),
            unsafe words(count, of: bytes, &place, into: list) == .incomplete
        else { return false }
        var first = place
        guard place < bytes.count, case .number(let length) = unsafe line(bytes, &first) else { return false }
        let left = count - list.count - 1
        var unit = 1
        for digit in stride(from: first - 3, to: place, by: -1) {
            let old = unsafe Int(bytes[digit] & 15)
            // There are fewer bytes than the length says: a bit of it is one too many.
            for bit in 0..<4 where old & 1 << bit != 0 {
                // No number begins with a zero, but zero.
                if old == 1 << bit && digit == place + 1 && digit < first - 3 { continue }
                guard case let end = first + length - (1 << bit) * unit, end >= first, end <= bytes.count - 2,
                    unsafe bytes[end] == 0x0D && (unsafe bytes[end + 1]) == 0x0A
                else { continue }
                var next = end + 2
                switch unsafe words(left, of: bytes, &next, into: list) {
                case .request: if unsafe areRequests(bytes, from: next, list) { return true }
                case .incomplete: return true
                case .note, .damage: continue
                }
            }
            let (tenfold, overflows) = unit.multipliedReportingOverflow(by: 10)
            if overflows { break }
            unit = tenfold
        }
        return false
    }
}
