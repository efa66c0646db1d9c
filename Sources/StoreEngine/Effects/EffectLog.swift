// Effects as requests, the way an append-only file keeps them and a replica gets them.
//
//     bytes:  whole groups, to be taken | the group at hand
//             0                    wholeCount              count
//
// Large arguments are not copied: they are kept where they are, and belong between two of the bytes here.
//
// Whoever takes bytes gets whole groups only, so that a group of several effects is never seen in part. How many of them there will be is
// not known when the first comes: MULTI is put in front of it when the second does.

import Glibc
import RespCodec

/// A sink that puts effects into bytes: requests of the protocol, SELECT where the database changes, and MULTI and EXEC around groups of
/// more than one.
@safe public final class EffectLog: EffectSink {
    /// What changes with every effect, in one place in memory: of properties Swift would check at run time that nobody else is using them.
    @usableFromInline @unsafe struct Storage {
        var start: UnsafeMutablePointer<UInt8>
        var capacity: Int
        var count = 0
        @usableFromInline var wholeCount = 0
        /// How many bytes are kept elsewhere, and how many of them belong to whole groups.
        @usableFromInline var keptCount = 0
        @usableFromInline var wholeKeptCount = 0
        @usableFromInline var position = 0
        @usableFromInline var groupCount = 0
        /// Where the effects of the group at hand begin, behind a note of the time.
        var groupStart = 0
        /// In which the last effect was; -1 before the first.
        var database = -1
        var notesTime = false
        var notedTime = Int64.min

        init(capacity: Int) {
            unsafe start = SystemMemory.allocate(UInt8.self, count: capacity)
            unsafe self.capacity = capacity
        }
    }

    @usableFromInline let storage: UnsafeMutablePointer<Storage>
    /// Tells the time in seconds since 1970, which is noted wherever it has changed; nil for no such notes.
    public var time: (() -> Int64)? { didSet { unsafe storage.pointee.notesTime = time != nil } }

    private static let usualCapacity = 64 * 1024
    /// A buffer that has become larger than this is given back when it is empty.
    private static let mostKept = 1 << 20
    /// Words of so many bytes are not copied.
    static let leastKept = 128 * 1024
    /// Bytes that lie elsewhere, and before which of those here they belong.
    private struct Kept {
        var position: Int
        var bytes: ByteSlice
        let owner: PinnedBlock
    }
    private var kept: [Kept] = []
    private var hasKept: Bool { unsafe storage.pointee.keptCount > 0 }
    /// More than what a word takes besides its bytes: its length, a mark and two line ends.
    private static let lengthRoom = 32

    public init() {
        unsafe storage = .allocate(capacity: 1)
        unsafe storage.initialize(to: Storage(capacity: Self.usualCapacity))
    }

    deinit {
        unsafe free(storage.pointee.start)
        unsafe storage.deallocate()
    }

    /// How many bytes of whole groups there are.
    @inlinable public var wholeCount: Int { unsafe storage.pointee.wholeCount &+ storage.pointee.wholeKeptCount }
    /// How many bytes of whole groups there have ever been.
    @inlinable public var position: Int { unsafe storage.pointee.position }
    /// Whether there are effects of a group that is not whole.
    @inlinable public var hasOpenGroup: Bool { unsafe storage.pointee.groupCount > 0 }

    private var start: UnsafeMutablePointer<UInt8> { unsafe storage.pointee.start }
    private var count: Int {
        get { unsafe storage.pointee.count }
        set { unsafe storage.pointee.count = newValue }
    }

    // MARK: taking effects

    public func take(_ words: Arguments, database: Int) {
        begin(in: database)
        var size = Self.lengthRoom
        for index in 0..<words.count { size &+= words[index].count &+ Self.lengthRoom }
        reserve(size)
        var place = unsafe start + count
        unsafe HeaderLine.write(UInt8(ascii: "*"), words.count, to: &place)
        for index in 0..<words.count {
            let word = words[index]
            unsafe HeaderLine.write(UInt8(ascii: "$"), word.count, to: &place)
            unsafe Self.write(word, to: &place)
        }
        count = unsafe place - start
    }

    /// The same, of words of which large ones stay where they are.
    /// - Parameter keeper: who keeps them.
    func take(_ words: Arguments, database: Int, keptBy keeper: AdoptableArguments) {
        begin(in: database)
        append("*")
        append(number: words.count)
        for index in 0..<words.count {
            let word = words[index]
            append("$")
            append(number: word.count)
            if word.count >= Self.leastKept, let owner = keeper.keep(word) {
                kept.append(Kept(position: count, bytes: word, owner: owner))
                unsafe storage.pointee.keptCount += word.count
            } else {
                append(word)
            }
            append("\r\n")
        }
    }

    /// Begins an effect: what stands before it, if anything.
    @inline(__always)
    private func begin(in database: Int) {
        let before = unsafe storage.pointee.groupCount
        if before == 0 {
            if unsafe storage.pointee.notesTime { note() }
            unsafe storage.pointee.groupStart = count
        } else if before == 1 {
            putMulti()
        }
        unsafe storage.pointee.groupCount = before &+ 1
        if unsafe database != storage.pointee.database { select(database) }
    }

    public func endGroup() {
        if unsafe storage.pointee.groupCount > 1 { append("*1\r\n$4\r\nEXEC\r\n") }
        let before = wholeCount
        unsafe storage.pointee.groupCount = 0
        unsafe storage.pointee.wholeCount = storage.pointee.count
        unsafe storage.pointee.wholeKeptCount = storage.pointee.keptCount
        unsafe storage.pointee.position &+= wholeCount &- before
    }

    @inline(never)
    private func note() {
        guard let time = time?(), unsafe time != storage.pointee.notedTime else { return }
        unsafe storage.pointee.notedTime = time
        append("#TS:")
        append(number: Int(time))
    }

    @inline(never)
    private func putMulti() {
        let text: ByteSlice = "*1\r\n$5\r\nMULTI\r\n"
        reserve(text.count)
        let groupStart = unsafe storage.pointee.groupStart
        for index in kept.indices where kept[index].position >= groupStart { kept[index].position += text.count }
        let place = unsafe start + storage.pointee.groupStart
        unsafe memmove(place + text.count, place, count - storage.pointee.groupStart)
        unsafe memcpy(place, text.rawBytes.baseAddress!, text.count)
        count += text.count
    }

    @inline(never)
    private func select(_ database: Int) {
        unsafe storage.pointee.database = database
        Decimal.withText(database) { number in
            append("*2\r\n$6\r\nSELECT\r\n$")
            append(number: number.count)
            append(number)
            append("\r\n")
        }
    }

    // MARK: bytes

    /// Appends a number and a line end.
    private func append(number: Int) {
        Decimal.withText(number) { append($0) }
        append("\r\n")
    }

    private func append(_ bytes: ByteSlice) {
        guard bytes.count > 0 else { return }
        reserve(bytes.count)
        unsafe memcpy(start + count, bytes.rawBytes.baseAddress!, bytes.count)
        count += bytes.count
    }

    @inline(__always)
    private static func write(_ word: ByteSlice, to place: inout UnsafeMutablePointer<UInt8>) {
        if word.count > 0 {
            unsafe memcpy(place, word.rawBytes.baseAddress!, word.count)
            unsafe place += word.count
        }
        unsafe HeaderLine.end(&place)
    }

    @inline(__always)
    private func reserve(_ size: Int) { if unsafe storage.pointee.capacity &- count < size { grow(size) } }

    @inline(never)
    private func grow(_ size: Int) {
        unsafe replaceBuffer(capacity: max(storage.pointee.capacity * 2, count + size))
    }

    /// The pages of a large one move as they are: no second buffer exists while it grows.
    private func replaceBuffer(capacity new: Int) {
        unsafe storage.pointee.start = SystemMemory.reallocate(start, new).assumingMemoryBound(to: UInt8.self)
        unsafe storage.pointee.capacity = new
    }

    // MARK: giving them away

    /// Lends `body` bytes of whole groups, one run after the other as they lie, and says which ones are kept elsewhere, until it returns false.
    /// - Parameters:
    ///   - offset: where they begin, behind the first byte that was not removed.
    ///   - end: where they end.
    /// - Complexity: O(arguments that are kept), and what `body` takes.
    public func lend(from offset: Int, to end: Int, _ body: (UnsafeRawBufferPointer, _ isKept: Bool) -> Bool) {
        precondition(offset >= 0 && offset <= end && end <= wholeCount, "only what is there is lent")
        // How many of the bytes were passed, and how many of those are here.
        var (passed, here) = (0, 0)
        func lend(_ bytes: UnsafeRawBufferPointer, isKept: Bool) -> Bool {
            let range = (passed..<passed + bytes.count).clamped(to: offset..<end)
            defer { passed += bytes.count }
            guard !range.isEmpty else { return passed < end }
            return unsafe body(
                UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound - passed..<range.upperBound - passed]), isKept)
        }
        func lend(hereUpTo place: Int) -> Bool {
            defer { here = place }
            return unsafe lend(UnsafeRawBufferPointer(start: start + here, count: place - here), isKept: false)
        }
        for item in kept where passed < end {
            guard lend(hereUpTo: item.position), unsafe lend(item.bytes.rawBytes, isKept: true) else { return }
        }
        if passed < end { _ = unsafe lend(hereUpTo: storage.pointee.wholeCount) }
    }

    /// The whole groups that were not removed.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        unsafe lend(from: 0, to: wholeCount) { run, _ in
            unsafe bytes += run
            return true
        }
        return bytes
    }

    /// Removes the first `removed` bytes of whole groups.
    public func removeFirst(_ removed: Int) {
        precondition(removed >= 0 && removed <= wholeCount, "only what is there is removed")
        let here = hasKept ? removeKept(removed) : removed
        let rest = count - here
        if rest > 0 && here > 0 { unsafe memmove(start, start + here, rest) }
        count = rest
        unsafe storage.pointee.wholeCount -= here
        unsafe storage.pointee.groupStart -= here
        if rest == 0, unsafe storage.pointee.capacity > Self.mostKept { replaceBuffer(capacity: Self.usualCapacity) }
    }

    /// Removes what is kept elsewhere of the first `removed` bytes.
    /// - Returns: how many of them are here.
    private func removeKept(_ removed: Int) -> Int {
        var (here, left, gone, keptCount) = (0, removed, 0, 0)
        for index in kept.indices {
            let before = kept[index].position - here
            guard left > before else { break }
            here += before
            left -= before
            let bytes = kept[index].bytes
            let count = min(left, bytes.count)
            left -= count
            keptCount += count
            guard count == bytes.count else {
                kept[index].bytes = bytes[count..<bytes.count]
                break
            }
            gone += 1
        }
        here += left
        kept.removeFirst(gone)
        for index in kept.indices { kept[index].position -= here }
        unsafe storage.pointee.keptCount -= keptCount
        unsafe storage.pointee.wholeKeptCount -= keptCount
        return here
    }

    /// Has the next effect tell its database and the time again: it may be the first that somebody reads.
    public func beginAnew() {
        unsafe storage.pointee.database = -1
        unsafe storage.pointee.notedTime = Int64.min
    }

    /// How many bytes there are, the group at hand included, but for those that count as in use of an engine.
    public var heldCount: Int {
        let count = unsafe storage.pointee.count
        return hasKept ? kept.reduce(count) { $0 + ($1.owner.isCountedByEngine ? 0 : $1.bytes.count) } : count
    }

    /// The memory that it takes.
    public var byteCount: Int { unsafe storage.pointee.capacity }
}
