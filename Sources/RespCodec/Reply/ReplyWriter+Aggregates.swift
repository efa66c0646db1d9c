// Replies that hold other replies. A header says how many follow, and exactly that many must then be written.

#if canImport(Glibc)
import Glibc
#endif

extension ReplyWriter {
    private func header(_ type: UInt8, _ count: Int) {
        precondition(count >= 0, "an aggregate has no negative count")
        line(type, count)
    }

    /// A list of `count` replies.
    public func array(_ count: Int) { header(UInt8(ascii: "*"), count) }

    /// `count` pairs of key and value, each pair two replies: a flat list in RESP2.
    public func map(_ count: Int) {
        version == .resp3 ? header(UInt8(ascii: "%"), count) : array(count * 2)
    }

    /// `count` distinct replies in no order: a list in RESP2.
    public func set(_ count: Int) {
        version == .resp3 ? header(UInt8(ascii: "~"), count) : array(count)
    }

    /// A message that answers no request: a list in RESP2.
    public func push(_ count: Int) {
        version == .resp3 ? header(UInt8(ascii: ">"), count) : array(count)
    }

    /// The same, where its count and its first replies are known beforehand.
    /// - Parameter beginning: as they are written, from the count on and up to the last line end.
    public func push(beginning: ByteSlice) {
        line(version == .resp3 ? UInt8(ascii: ">") : UInt8(ascii: "*"), beginning)
    }

    /// `count` pairs that describe the reply that follows. Only for RESP3: RESP2 has no attributes.
    public func attribute(_ count: Int) {
        precondition(version == .resp3, "RESP2 has no attributes")
        header(UInt8(ascii: "|"), count)
    }

    /// An aggregate whose count is known only after its replies have been written.
    public struct Deferred {
        let start: Int
    }

    /// Begins an aggregate or a bulk string whose count or length is not known yet; one of the `end...` functions ends it.
    public func beginDeferred() -> Deferred { Deferred(start: count) }

    public func endArray(_ deferred: Deferred, count: Int) { insert(at: deferred.start) { array(count) } }
    public func endMap(_ deferred: Deferred, count: Int) { insert(at: deferred.start) { map(count) } }
    public func endSet(_ deferred: Deferred, count: Int) { insert(at: deferred.start) { set(count) } }

    /// Ends a bulk string whose bytes were written with `raw`.
    public func endBulkString(_ deferred: Deferred) {
        let length = count - deferred.start
        insert(at: deferred.start) { header(UInt8(ascii: "$"), max(length, 0)) }
        raw("\r\n")
    }

    /// Ends the reply of a scan: a pair of the next cursor, as a bulk string, and the list of what was found.
    public func endScan(_ deferred: Deferred, cursor: UInt64, count: Int) {
        insert(at: deferred.start) {
            array(2)
            bulkString(text: String(cursor))
            array(count)
        }
    }

    /// Inserts what `body` writes before what was written since `deferred`.
    public func insertBefore(_ deferred: Deferred, _ body: () -> Void) { insert(at: deferred.start, body) }

    /// Writes a header and moves it before what was written since `start`.
    /// - Complexity: O(bytes written since `start`).
    private func insert(at start: Int, _ header: () -> Void) {
        let end = count
        header()
        let length = count - end
        // A run that was abandoned has been overwritten.
        guard start <= end && length >= 0 && !isOverfull else { return }
        shiftBorrowed(from: start, by: length)
        unsafe withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { copy in
            unsafe copy.copyMemory(from: written(end..<count).rawBytes)
            unsafe moveUp(start..<end, by: length, filling: UnsafeRawBufferPointer(copy))
        }
    }

    private func moveUp(_ range: Range<Int>, by length: Int, filling: UnsafeRawBufferPointer) {
        let bytes = unsafe UnsafeMutableRawPointer(mutating: written(0..<count).rawBytes.baseAddress!)
        unsafe memmove(bytes + range.lowerBound + length, bytes + range.lowerBound, range.count)
        unsafe memcpy(bytes + range.lowerBound, filling.baseAddress!, length)
    }

    // MARK: short forms

    /// The reply of a HELP subcommand: `lines` between a headline for the command and the line about HELP itself.
    public func help(of command: String, _ lines: [String]) {
        let headline = "\(command) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        let all = [headline] + lines + ["HELP", "    Print this help."]
        array(all.count)
        for line in all { status(text: line) }
    }

    public func array(of texts: [String]) {
        array(texts.count)
        for text in texts { bulkString(text: text) }
    }
}
