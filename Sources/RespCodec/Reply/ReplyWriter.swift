// Encodes replies. This is the only place where RESP2 and RESP3 differ: a command says what its reply is (a map, a null, a double), and
// the writer encodes it for the protocol of the current connection.
//
// One writer serves all connections: its buffer collects the replies of one turn of the event loop, and each connection's run of
// bytes is sent from there. A handle: copies share the buffer, so that it is passed to commands without a reference count.
//
// A run has a limit. A client whose run exceeds it is closed, and the run is never sent: the writer abandons it and overwrites it with
// what follows, so that commands need not check the limit and a reply takes no more memory than that. A run also has a mark, beyond
// which it should be sent before more is written: see `needsSending`.

#if canImport(Glibc)
import Glibc
#endif

/// The protocol of a connection.
public enum ProtocolVersion: Int, Sendable {
    case resp2 = 2
    case resp3 = 3
}

/// Bytes of a reply that are sent from where they lie.
@safe public struct BorrowedBytes {
    /// Shorter runs of bytes are copied.
    static let minimumCount = 32 * 1024

    public let bytes: ByteSlice
    /// How many bytes of the buffer come before them.
    public fileprivate(set) var position: Int
    /// By which address whoever has lent them knows the block in which they lie, if they can be kept.
    public let block: UnsafeRawPointer?

    init(_ bytes: ByteSlice, at position: Int, of block: UnsafeRawPointer?) {
        self.bytes = bytes
        self.position = position
        unsafe self.block = block
    }
}

@frozen @safe public struct ReplyWriter {
    @usableFromInline @unsafe struct Storage {
        @usableFromInline var bytes: UnsafeMutablePointer<UInt8>
        @usableFromInline var count: Int
        @usableFromInline var capacity: Int
        @usableFromInline var version: ProtocolVersion
        /// How many errors have been written, how many of these were counted, and where the newest begins, for the statistics of errors.
        @usableFromInline var errorCount: Int
        @usableFromInline var countedErrors: Int
        @usableFromInline var lastErrorStart: Int
        /// Where the current run begins, and how many bytes it may have.
        @usableFromInline var runStart: Int
        @usableFromInline var runLimit: Int
        /// The run exceeded its limit, and some of it was overwritten.
        @usableFromInline var isAbandoned: Bool
        /// The count of bytes beyond which the run should be sent.
        @usableFromInline var mark: Int
        /// Whether large values may be sent from where they lie.
        @usableFromInline var borrows: Bool
        @usableFromInline var borrowed: [BorrowedBytes]
        @usableFromInline var borrowedCount: Int
    }

    @usableFromInline let storage: UnsafeMutablePointer<Storage>

    public init(capacity: Int = 16 * 1024) {
        unsafe storage = .allocate(capacity: 1)
        unsafe storage.initialize(
            to: Storage(
                bytes: Self.makeBuffer(capacity), count: 0, capacity: capacity, version: .resp2, errorCount: 0,
                countedErrors: 0, lastErrorStart: 0, runStart: 0, runLimit: Int.max, isAbandoned: false, mark: Int.max,
                borrows: false,
                borrowed: [], borrowedCount: 0))
    }

    private static func makeBuffer(_ capacity: Int) -> UnsafeMutablePointer<UInt8> {
        unsafe SystemMemory.allocate(UInt8.self, count: capacity)
    }

    /// Frees the writer. It must not be used afterwards.
    @unsafe public func deallocate() {
        unsafe free(storage.pointee.bytes)
        unsafe storage.deinitialize(count: 1)
        unsafe storage.deallocate()
    }

    // MARK: the buffer

    @inlinable public var version: ProtocolVersion {
        get { unsafe storage.pointee.version }
        nonmutating set { unsafe storage.pointee.version = newValue }
    }

    /// How many bytes have been written.
    @inlinable public var count: Int { unsafe storage.pointee.count }
    /// Exchanges all that two writers hold.
    public func exchange(with other: ReplyWriter) { unsafe swap(&storage.pointee, &other.storage.pointee) }

    /// Whether the run has exceeded its limit. A command that writes many replies can stop then.
    @inlinable public var isOverfull: Bool {
        if unsafe storage.pointee.isAbandoned { return true }
        let written = unsafe storage.pointee.count &- storage.pointee.runStart
        let limit = unsafe storage.pointee.runLimit
        return unsafe written > limit || written &+ storage.pointee.borrowedCount > limit
    }

    /// Whether the run would exceed its limit with `bytes` more.
    public func isTooLong(adding bytes: Int) -> Bool {
        let limit = unsafe storage.pointee.runLimit
        return unsafe bytes > limit || run.count &+ storage.pointee.borrowedCount > limit - bytes
    }

    /// Whether the run should be sent before anything else is written: because it is long, or because it refers to bytes that the next
    /// command may change.
    @inlinable @inline(__always) public var needsSending: Bool {
        unsafe storage.pointee.count > storage.pointee.mark
    }

    /// Makes the run `needsSending`, however long it is.
    public func requestSending() { unsafe storage.pointee.mark = -1 }

    /// Begins a run: what is written from here on belongs to one client.
    /// - Parameters:
    ///   - limit: how many bytes it may have, at least 0.
    ///   - mark: beyond how many bytes it `needsSending`, at least 0.
    @inlinable public func beginRun(limit: Int, mark: Int) {
        unsafe storage.pointee.runStart = storage.pointee.count
        unsafe storage.pointee.runLimit = limit
        unsafe storage.pointee.isAbandoned = false
        unsafe storage.pointee.mark = storage.pointee.count &+ mark
    }

    /// Lets the run have `bytes` more before it `needsSending` again.
    public func admit(_ bytes: Int) { unsafe storage.pointee.mark = storage.pointee.count &+ bytes }

    /// Where the current run is in the buffer. Borrowed bytes are not among these.
    @inlinable public var run: Range<Int> { unsafe storage.pointee.runStart..<storage.pointee.count }

    /// Discards what was written of the run.
    public func discardRun() {
        unsafe storage.pointee.count = storage.pointee.runStart
        if unsafe !storage.pointee.borrowed.isEmpty { dropBorrowed(behind: 0) }
        unsafe storage.pointee.isAbandoned = false
    }

    /// How many errors have been written since the writer was made.
    @inlinable public var errorCount: Int { unsafe storage.pointee.errorCount }
    /// Whether there are some among them that `errorsWereCounted` knows nothing of.
    @inlinable @inline(__always) public var hasUncountedErrors: Bool {
        unsafe storage.pointee.errorCount != storage.pointee.countedErrors
    }
    /// To be called by who counts errors.
    @inlinable public func errorsWereCounted() { unsafe storage.pointee.countedErrors = storage.pointee.errorCount }

    /// Bytes of the buffer.
    public var capacity: Int { unsafe storage.pointee.capacity }

    /// Removes everything after the first `count` bytes. Does nothing to a run that was abandoned, which is never sent.
    @inlinable public func truncate(to count: Int) {
        if unsafe storage.pointee.isAbandoned { return }
        precondition(count >= 0 && count <= self.count, "a reply is not lengthened by truncating")
        unsafe storage.pointee.count = count
        if unsafe !storage.pointee.borrowed.isEmpty { dropBorrowed(behind: count) }
    }

    /// Empties the buffer; one that grew beyond `keeping` bytes is replaced by a small one.
    public func removeAll(keeping: Int = 1024 * 1024) {
        unsafe storage.pointee.count = 0
        if unsafe !storage.pointee.borrowed.isEmpty { dropBorrowed(behind: 0) }
        if unsafe storage.pointee.capacity > keeping {
            unsafe free(storage.pointee.bytes)
            renewBuffer()
        }
    }

    private func renewBuffer() {
        unsafe storage.pointee.bytes = Self.makeBuffer(64 * 1024)
        unsafe storage.pointee.capacity = 64 * 1024
    }

    /// Returns the buffer, a malloc block that the caller must free, and begins an empty one.
    @unsafe public func takeBuffer() -> (base: UnsafeMutableRawPointer, count: Int, capacity: Int) {
        let taken = unsafe (
            base: UnsafeMutableRawPointer(storage.pointee.bytes), count: storage.pointee.count,
            capacity: storage.pointee.capacity
        )
        renewBuffer()
        unsafe storage.pointee.count = 0
        return unsafe taken
    }

    /// What has been written in `range`; valid until the next write.
    public func written(_ range: Range<Int>) -> ByteSlice {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes that were not written")
        return unsafe ByteSlice(start: storage.pointee.bytes + range.lowerBound, count: range.count)
    }

    /// The newest error without its type byte and its line end.
    public var lastError: ByteSlice {
        let start = unsafe storage.pointee.lastErrorStart
        guard start < count else { return .empty }
        let line = written(start..<count)
        return line[0..<(line.index(of: 0x0D) ?? line.count)]
    }

    /// Makes room for `length` more bytes and returns where they go.
    @unsafe @inline(__always)
    private func reserve(_ length: Int) -> UnsafeMutablePointer<UInt8> {
        if unsafe storage.pointee.capacity &- storage.pointee.count < length { grow(by: length) }
        // Growing may have moved the buffer, or abandoned the run and gone back to its beginning.
        return unsafe storage.pointee.bytes + storage.pointee.count
    }

    @inline(never) @usableFromInline
    func grow(by length: Int) {
        if unsafe storage.pointee.count &- storage.pointee.runStart > storage.pointee.runLimit { abandonRun() }
        let count = unsafe storage.pointee.count
        guard unsafe storage.pointee.capacity &- count < length else { return }
        let capacity = unsafe max(storage.pointee.capacity * 2, count + length)
        let larger = unsafe SystemMemory.reallocate(storage.pointee.bytes, capacity)
        unsafe storage.pointee.bytes = larger.assumingMemoryBound(to: UInt8.self)
        unsafe storage.pointee.capacity = capacity
    }

    @inline(__always)
    private func advance(_ length: Int) {
        unsafe storage.pointee.count &+= length
    }

    /// Gives up the run, which exceeds its limit: what follows overwrites it.
    private func abandonRun() {
        unsafe storage.pointee.isAbandoned = true
        if unsafe !storage.pointee.borrowed.isEmpty { dropBorrowed(behind: 0) }
        unsafe storage.pointee.count = storage.pointee.runStart
        unsafe storage.pointee.mark = -1
    }

    /// Calls `body` with room for up to `length` bytes; it returns how many it has written.
    @inline(__always)
    func withRoom(_ length: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int) {
        if length > 4096, unsafe run.count &+ length > storage.pointee.runLimit { return abandonRun() }
        advance(unsafe body(reserve(length)))
    }

    /// Bytes that are already encoded.
    public func raw(_ bytes: ByteSlice) {
        if bytes.count > 4096, unsafe run.count &+ bytes.count > storage.pointee.runLimit { return abandonRun() }
        let target = unsafe reserve(bytes.count)
        unsafe memcpy(target, bytes.rawBytes.baseAddress!, bytes.count)
        advance(bytes.count)
    }

    @inline(__always)
    func line(_ type: UInt8, _ value: Int) {
        let target = unsafe reserve(HeaderLine.maximumLength)
        var end = unsafe target
        unsafe HeaderLine.write(type, value, to: &end)
        advance(unsafe end - target)
    }

    func line(_ type: UInt8, _ text: ByteSlice) {
        let target = unsafe reserve(text.count + 3)
        unsafe target[0] = type
        unsafe memcpy(target + 1, text.rawBytes.baseAddress!, text.count)
        unsafe target[text.count + 1] = 0x0D
        unsafe target[text.count + 2] = 0x0A
        advance(text.count + 3)
    }

    // MARK: simple replies

    /// "+OK".
    public func ok() { raw("+OK\r\n") }

    /// A status such as "QUEUED": a text of the server's, without CR and LF, never one from a client.
    public func status(_ text: ByteSlice) { line(UInt8(ascii: "+"), text) }
    public func status(text: String) { Array(text.utf8).withByteSlice { status($0) } }

    public func integer(_ value: Int) { line(UInt8(ascii: ":"), value) }

    /// An error reply. The text begins with its code ("ERR syntax error"). CR and LF in it, which only a client's text can contain,
    /// become spaces, and are removed at the end.
    public func error(_ text: ByteSlice) {
        var message = text
        while let last = message.last, last == 0x0D || last == 0x0A { message = message[0..<message.count - 1] }
        unsafe storage.pointee.errorCount += 1
        line(UInt8(ascii: "-"), message)
        let start = count - message.count - 2
        unsafe storage.pointee.lastErrorStart = start
        let written = unsafe storage.pointee.bytes + start
        for index in 0..<message.count where unsafe (written[index] == 0x0D || written[index] == 0x0A) {
            unsafe written[index] = 0x20
        }
    }

    public func error(text: String) { Array(text.utf8).withByteSlice { error($0) } }

    // MARK: bulk strings

    /// A bulk string.
    public func bulkString(_ bytes: ByteSlice) { shortBulkString(bytes) }

    /// As `bulkString`, inlined for strings of less than a hundred bytes, for commands that write many of them.
    @inlinable @inline(__always)
    public func shortBulkString(_ bytes: ByteSlice) {
        let count = bytes.count
        guard count < 100 else { return longBulkString(bytes) }
        if unsafe storage.pointee.capacity &- storage.pointee.count < 112 { grow(by: 112) }
        let start = unsafe UnsafeMutableRawPointer(storage.pointee.bytes + storage.pointee.count)
        // The header, and some bytes that are overwritten by the string.
        let size = UInt64(truncatingIfNeeded: count)
        let target: UnsafeMutableRawPointer
        if count < 10 {
            unsafe start.storeBytes(of: (0x0A0D_3024 | size &<< 8).littleEndian, as: UInt64.self)
            unsafe target = start + 4
        } else {
            // 103 / 1024 is close enough to a tenth for numbers below 100.
            let tens = (size &* 103) &>> 10
            let ones = size &- tens &* 10
            unsafe start.storeBytes(
                of: (0x0A_0D30_3024 | ones &<< 16 | tens &<< 8).littleEndian, as: UInt64.self)
            unsafe target = start + 5
        }
        unsafe bytes.copyShort(to: target)
        unsafe (target + count).storeBytes(of: UInt16(0x0A0D).littleEndian, as: UInt16.self)
        unsafe storage.pointee.count &+= (target - start) &+ count &+ 2
    }

    @inline(never) @usableFromInline
    func longBulkString(_ bytes: ByteSlice) {
        let count = bytes.count
        // For longer strings `raw` checks the limit of the run first.
        guard count <= 4096 else {
            line(UInt8(ascii: "$"), count)
            raw(bytes)
            return raw("\r\n")
        }
        let target = unsafe reserve(count &+ 12)
        unsafe target[0] = UInt8(ascii: "$")
        let start = unsafe Decimal.write(count, to: target + 1) &+ 3
        unsafe target[start &- 2] = 0x0D
        unsafe target[start &- 1] = 0x0A
        unsafe memcpy(target + start, bytes.rawBytes.baseAddress!, count)
        unsafe target[start &+ count] = 0x0D
        unsafe target[start &+ count &+ 1] = 0x0A
        advance(start &+ count &+ 2)
    }

    // MARK: borrowed bytes

    /// From now on large values are borrowed, not copied. The caller must send each run before anything can change or free them: see
    /// `needsSending`.
    public func beginBorrowing() { unsafe storage.pointee.borrows = true }

    /// A bulk string of bytes that nothing changes or frees while the command runs, so that a long one can be sent from where it lies.
    /// - Parameter block: the block in which they lie, if they can be kept for longer.
    public func bulkString(stable bytes: ByteSlice, of block: UnsafeRawPointer? = nil) {
        guard bytes.count >= BorrowedBytes.minimumCount, unsafe storage.pointee.borrows && !storage.pointee.isAbandoned
        else { return bulkString(bytes) }
        line(UInt8(ascii: "$"), bytes.count)
        unsafe storage.pointee.borrowed.append(BorrowedBytes(bytes, at: count, of: block))
        unsafe storage.pointee.borrowedCount &+= bytes.count
        unsafe storage.pointee.mark = -1
        raw("\r\n")
        if isOverfull { abandonRun() }
    }

    /// The borrowed bytes of the run, in order; valid until the next command.
    public var borrowed: [BorrowedBytes] { unsafe storage.pointee.borrowed }

    /// How many bytes were written behind the first `start`, borrowed ones included; 0 if the run was abandoned.
    public func byteCount(from start: Int) -> Int {
        guard start <= count, unsafe !storage.pointee.isAbandoned else { return 0 }
        return borrowed.reduce(count - start) { $1.position >= start ? $0 + $1.bytes.count : $0 }
    }

    @usableFromInline func dropBorrowed(behind count: Int) {
        while let last = unsafe storage.pointee.borrowed.last, last.position >= count {
            unsafe storage.pointee.borrowed.removeLast()
            unsafe storage.pointee.borrowedCount -= last.bytes.count
        }
    }

    /// Adjusts the positions of borrowed bytes when bytes from `start` on move up by `length`.
    func shiftBorrowed(from start: Int, by length: Int) {
        for index in unsafe storage.pointee.borrowed.indices
        where unsafe storage.pointee.borrowed[index].position >= start {
            unsafe storage.pointee.borrowed[index].position += length
        }
    }

    public func bulkString(text: String) { bulkString(Array(text.utf8)) }
    public func bulkString(_ bytes: [UInt8]) { bytes.withByteSlice { bulkString($0) } }

    /// An integer as the text of a bulk string.
    public func bulkString(_ value: Int) {
        let count = Decimal.length(of: value)
        let target = unsafe reserve(32)
        unsafe target[0] = UInt8(ascii: "$")
        let start = unsafe Decimal.write(count, to: target + 1) &+ 3
        unsafe target[start &- 2] = 0x0D
        unsafe target[start &- 1] = 0x0A
        let end = unsafe start &+ Decimal.write(value, to: target + start)
        unsafe target[end] = 0x0D
        unsafe target[end &+ 1] = 0x0A
        advance(end &+ 2)
    }

    /// Text with a format, "txt" or "mkd": a verbatim string in RESP3.
    public func verbatim(_ text: [UInt8], format: ByteSlice = "txt") {
        guard version == .resp3 else { return bulkString(text) }
        line(UInt8(ascii: "="), text.count + 4)
        raw(format)
        raw(":")
        text.withByteSlice { raw($0) }
        raw("\r\n")
    }

    // MARK: null and the scalars of RESP3

    /// The absence of a value: the null bulk string in RESP2.
    public func null() {
        version == .resp3 ? raw("_\r\n") : raw("$-1\r\n")
    }

    /// The absence of a list: the null array in RESP2.
    public func nullArray() {
        version == .resp3 ? raw("_\r\n") : raw("*-1\r\n")
    }

    /// True or false: 1 or 0 in RESP2.
    public func boolean(_ value: Bool) {
        if version == .resp3 {
            value ? raw("#t\r\n") : raw("#f\r\n")
        } else {
            integer(value ? 1 : 0)
        }
    }

    /// A double: a bulk string in RESP2. The shortest text that reads back the same.
    public func double(_ value: Double) {
        FloatingPoint64.withText(value) { text in
            version == .resp3 ? line(UInt8(ascii: ","), text) : bulkString(text)
        }
    }

    /// A double that is given as text: a bulk string in RESP2.
    public func double(text: ByteSlice) {
        version == .resp3 ? line(UInt8(ascii: ","), text) : bulkString(text)
    }

    /// An integer of any size, given in digits: a bulk string in RESP2.
    public func bigNumber(_ digits: ByteSlice) {
        version == .resp3 ? line(UInt8(ascii: "("), digits) : bulkString(digits)
    }

    /// An error that may hold any bytes: a plain error in RESP2.
    public func bulkError(_ message: ByteSlice) {
        guard version == .resp3 else { return error(message) }
        unsafe storage.pointee.errorCount += 1
        unsafe storage.pointee.lastErrorStart = count
        line(UInt8(ascii: "!"), message.count)
        unsafe storage.pointee.lastErrorStart = count
        raw(message)
        raw("\r\n")
    }
}
