// Replies of text that is written piece by piece, such as INFO and CLIENT LIST: each piece goes straight to the buffer, so that a line
// takes no allocation. The pieces are written between `beginDeferred` and `endVerbatim`.

#if canImport(Glibc)
import Glibc
#endif

extension ReplyWriter {
    /// A name, what separates it from its value, the value as a decimal number, and what ends it.
    public func text(_ name: ByteSlice, _ separator: ByteSlice, _ value: Int, _ end: ByteSlice) {
        let room = Decimal.maximumLength
        unsafe withRoom(name.count &+ separator.count &+ room &+ end.count) { target in
            var count = unsafe Self.put(name, at: target, 0)
            count = unsafe Self.put(separator, at: target, count)
            count &+= unsafe Decimal.write(value, to: target + count)
            return unsafe Self.put(end, at: target, count)
        }
    }

    /// The same with a number of hundredths, written with two decimals.
    public func text(_ name: ByteSlice, _ separator: ByteSlice, hundredths value: Int, _ end: ByteSlice) {
        let room = Decimal.maximumLength + 2
        unsafe withRoom(name.count &+ separator.count &+ room &+ end.count) { target in
            var count = unsafe Self.put(name, at: target, 0)
            count = unsafe Self.put(separator, at: target, count)
            if value < 0 {
                unsafe target[count] = UInt8(ascii: "-")
                count &+= 1
            }
            let (whole, fraction) = value.magnitude.quotientAndRemainder(dividingBy: 100)
            count &+= unsafe Decimal.write(Int(whole), to: target + count)
            unsafe target[count] = UInt8(ascii: ".")
            unsafe target[count &+ 1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: fraction / 10)
            unsafe target[count &+ 2] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: fraction % 10)
            return unsafe Self.put(end, at: target, count &+ 3)
        }
    }

    /// The same with bytes for a value.
    public func text(_ name: ByteSlice, _ separator: ByteSlice, _ value: ByteSlice, _ end: ByteSlice) {
        unsafe withRoom(name.count &+ separator.count &+ value.count &+ end.count) { target in
            var count = unsafe Self.put(name, at: target, 0)
            count = unsafe Self.put(separator, at: target, count)
            count = unsafe Self.put(value, at: target, count)
            return unsafe Self.put(end, at: target, count)
        }
    }

    /// The same with a text for a value.
    public func text(_ name: ByteSlice, _ separator: ByteSlice, string value: String, _ end: ByteSlice) {
        withBytes(of: value) { text(name, separator, $0, end) }
    }

    /// A text as it is.
    public func text(_ value: String) { withBytes(of: value) { raw($0) } }

    /// Calls `body` with the bytes of a text.
    private func withBytes(of text: String, _ body: (ByteSlice) -> Void) {
        let isLent: Void? = unsafe text.utf8.withContiguousStorageIfAvailable { unsafe body(ByteSlice($0)) }
        if isLent == nil { Array(text.utf8).withByteSlice { body($0) } }
    }

    @inline(__always)
    private static func put(_ bytes: ByteSlice, at target: UnsafeMutablePointer<UInt8>, _ offset: Int) -> Int {
        let source = unsafe bytes.rawBytes.baseAddress!
        if bytes.count <= 2 {
            // Separators and line ends.
            if bytes.count > 0 {
                unsafe target[offset] = source.load(as: UInt8.self)
                unsafe target[offset &+ bytes.count &- 1] = source.load(
                    fromByteOffset: bytes.count &- 1, as: UInt8.self)
            }
        } else {
            unsafe memcpy(target + offset, source, bytes.count)
        }
        return offset &+ bytes.count
    }

    /// Ends a text whose bytes were written since `deferred`: a bulk string, a verbatim string in RESP3.
    /// - Parameter format: of three bytes, "txt" or "mkd".
    public func endVerbatim(_ deferred: Deferred, format: ByteSlice = "txt") {
        guard version == .resp3 else { return endBulkString(deferred) }
        let length = count - deferred.start + format.count + 1
        insertBefore(deferred) {
            text("=", "", max(length, 0), "\r\n")
            text(format, ":", "", "")
        }
        raw("\r\n")
    }
}
