// Effects as requests, the way an append-only file keeps them and a replica gets them.
//
//     bytes:  whole groups, to be taken | the group at hand
//             0                    wholeCount              count
//
// Whoever takes bytes gets whole groups only, so that a group of several effects is never seen in part. How many of them there will be is
// not known when the first comes: MULTI is put in front of it when the second does.

import Glibc
import RespCodec

/// A sink that puts effects into bytes: requests of the protocol, SELECT where the database changes, and MULTI and EXEC around groups of
/// more than one.
@safe public final class EffectLog: EffectSink {
    private var start: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0
    /// How many bytes of whole groups there are.
    public private(set) var wholeCount = 0
    /// How many bytes of whole groups there have ever been.
    public private(set) var position = 0
    private var groupCount = 0
    /// Where the effects of the group at hand begin, behind a note of the time.
    private var groupStart = 0
    /// In which the last effect was; -1 before the first.
    private var database = -1
    /// Tells the time in seconds since 1970, which is noted wherever it has changed; nil for no such notes.
    public var time: (() -> Int64)?
    private var notedTime = Int64.min

    private static let usualCapacity = 64 * 1024
    /// A buffer that has become larger than this is given back when it is empty.
    private static let mostKept = 1 << 20
    /// More than what a word takes besides its bytes: its length, a mark and two line ends.
    private static let lengthRoom = 32

    public init() {
        unsafe start = SystemMemory.allocate(UInt8.self, count: Self.usualCapacity)
        capacity = Self.usualCapacity
    }

    deinit { unsafe free(start) }

    // MARK: taking effects

    public func take(_ words: Arguments, database: Int) {
        if groupCount == 0 { beginGroup() }
        if groupCount == 1 { putMulti() }
        groupCount &+= 1
        if database != self.database { select(database) }
        var size = Self.lengthRoom
        for index in 0..<words.count { size &+= words[index].count &+ Self.lengthRoom }
        reserve(size)
        var place = unsafe start + count
        unsafe Self.write(UInt8(ascii: "*"), words.count, to: &place)
        for index in 0..<words.count {
            let word = words[index]
            unsafe Self.write(UInt8(ascii: "$"), word.count, to: &place)
            unsafe Self.write(word, to: &place)
        }
        count = unsafe place - start
    }

    public func endGroup() {
        if groupCount > 1 { append("*1\r\n$4\r\nEXEC\r\n") }
        groupCount = 0
        position &+= count &- wholeCount
        wholeCount = count
    }

    /// Whether there are effects of a group that is not whole.
    public var hasOpenGroup: Bool { groupCount > 0 }

    private func beginGroup() {
        if let time { note(time()) }
        groupStart = count
    }

    @inline(never)
    private func note(_ time: Int64) {
        guard time != notedTime else { return }
        notedTime = time
        append("#TS:")
        Decimal.withText(Int(time)) { append($0) }
        append("\r\n")
    }

    @inline(never)
    private func putMulti() {
        let text: ByteSlice = "*1\r\n$5\r\nMULTI\r\n"
        reserve(text.count)
        unsafe memmove(start + groupStart + text.count, start + groupStart, count - groupStart)
        unsafe memcpy(start + groupStart, text.rawBytes.baseAddress!, text.count)
        count += text.count
    }

    @inline(never)
    private func select(_ database: Int) {
        self.database = database
        Decimal.withText(database) { number in
            append("*2\r\n$6\r\nSELECT\r\n$")
            Decimal.withText(number.count) { append($0) }
            append("\r\n")
            append(number)
            append("\r\n")
        }
    }

    // MARK: bytes

    private func append(_ bytes: ByteSlice) {
        reserve(bytes.count)
        unsafe memcpy(start + count, bytes.rawBytes.baseAddress!, bytes.count)
        count += bytes.count
    }

    /// Writes a mark, a number and a line end.
    @inline(__always)
    private static func write(_ mark: UInt8, _ number: Int, to place: inout UnsafeMutablePointer<UInt8>) {
        unsafe place[0] = mark
        if number < 10 {
            unsafe place[1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)
            unsafe place += 2
        } else if number < 100 {
            unsafe place[1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10)
            unsafe place[2] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10)
            unsafe place += 3
        } else {
            var length = 0
            let target = unsafe place + 1
            Decimal.withText(number) { text in
                unsafe memcpy(target, text.rawBytes.baseAddress!, text.count)
                length = text.count
            }
            unsafe place += 1 + length
        }
        unsafe endLine(&place)
    }

    @inline(__always)
    private static func write(_ word: ByteSlice, to place: inout UnsafeMutablePointer<UInt8>) {
        if word.count > 0 {
            unsafe memcpy(place, word.rawBytes.baseAddress!, word.count)
            unsafe place += word.count
        }
        unsafe endLine(&place)
    }

    @inline(__always)
    private static func endLine(_ place: inout UnsafeMutablePointer<UInt8>) {
        unsafe place[0] = 0x0D
        unsafe place[1] = 0x0A
        unsafe place += 2
    }

    @inline(__always)
    private func reserve(_ size: Int) { if capacity &- count < size { grow(size) } }

    @inline(never)
    private func grow(_ size: Int) { replaceBuffer(capacity: max(capacity * 2, count + size)) }

    private func replaceBuffer(capacity new: Int) {
        let other = unsafe SystemMemory.allocate(UInt8.self, count: new)
        unsafe memcpy(other, start, count)
        unsafe free(start)
        unsafe start = other
        capacity = new
    }

    // MARK: giving them away

    /// The whole groups that were not removed.
    public func withWhole<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe body(UnsafeRawBufferPointer(start: start, count: wholeCount))
    }

    public var bytes: [UInt8] { unsafe withWhole { unsafe Array($0) } }

    /// Removes so many of the first bytes of whole groups.
    public func removeFirst(_ removed: Int) {
        precondition(removed >= 0 && removed <= wholeCount, "only what is there is removed")
        let rest = count - removed
        if rest > 0 && removed > 0 { unsafe memmove(start, start + removed, rest) }
        count = rest
        wholeCount -= removed
        groupStart -= removed
        if rest == 0 && capacity > Self.mostKept { replaceBuffer(capacity: Self.usualCapacity) }
    }

    /// Has the next effect tell its database and the time again: it may be the first that somebody reads.
    public func beginAnew() {
        database = -1
        notedTime = Int64.min
    }

    /// The memory that it takes.
    public var byteCount: Int { capacity }
}
