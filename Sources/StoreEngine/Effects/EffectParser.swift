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
        let end = window.count
        guard position < end else { return .incomplete }
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
        for _ in 0..<count {
            guard place < end else { return .incomplete }
            guard unsafe window[place] == UInt8(ascii: "$") else {
                return .damage("a word that does not begin with '$'")
            }
            let length: Int
            switch unsafe line(window, &place) {
            case .number(let number): length = number
            case .incomplete: return .incomplete
            case .damage: return .damage("a length that is no number")
            }
            guard length <= Int.max / 2 else { return .damage("a word of \(length) bytes") }
            guard end &- place >= length &+ 2 else {
                // What of its end is there must be right.
                if end &- place == length &+ 1, unsafe window[place &+ length] != 0x0D {
                    return .damage("a word that is longer than it says")
                }
                return .incomplete
            }
            guard unsafe window[place &+ length] == 0x0D && (unsafe window[place &+ length &+ 1]) == 0x0A else {
                return .damage("a word that is longer than it says")
            }
            list.append(ArgumentPiece(offset: place, count: length))
            place = place &+ length &+ 2
        }
        position = place
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

    /// Where bytes stop being requests; nil if they are that up to their end, where the last may not be whole.
    private static func endOfRequests(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let list = ArgumentList()
        defer { unsafe list.deallocate() }
        var place = start
        while place < bytes.count {
            list.removeAll()
            switch unsafe parse(bytes, position: &place, into: list) {
            case .request, .note: continue
            case .incomplete: return nil
            case .damage: return place
            }
        }
        return nil
    }

    /// Whether bytes that should be the beginning of one request look as if others followed it up to their end, so that what is wrong is a
    /// length and not where the bytes end. A value may have such text in it, but hardly up to where it was cut off.
    /// - Complexity: O(bytes): what were requests and led to no end is not gone through again.
    static func hasRequests(within bytes: UnsafeRawBufferPointer) -> Bool {
        var place = 1
        while place < bytes.count,
            let found = unsafe memchr(bytes.baseAddress! + place, Int32(UInt8(ascii: "*")), bytes.count - place)
        {
            place = unsafe UnsafeRawPointer(found) - bytes.baseAddress!
            if place >= 2, unsafe bytes[place - 2] == 0x0D && (unsafe bytes[place - 1]) == 0x0A {
                var next = place
                if case .number(let count) = unsafe line(bytes, &next), count > 0, next < bytes.count,
                    unsafe bytes[next] == UInt8(ascii: "$"), case .number = unsafe line(bytes, &next)
                {
                    guard let end = unsafe endOfRequests(bytes, from: place) else { return true }
                    place = max(place, end - 1)
                }
            }
            place += 1
        }
        return false
    }
}
