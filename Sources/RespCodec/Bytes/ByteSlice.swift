// A borrowed run of bytes: how the arguments of a request, keys and values are passed to code that only reads them.
//
// It is a pointer and a count, nothing more: passing one touches no reference count, so that a request gets from the socket to the
// table without an allocation. The price is a rule that the compiler does not check: a slice is valid only until the call that it was
// passed to returns, and code that keeps the bytes copies them. What makes a slice of memory is therefore `@unsafe`; every access to a
// slice is bounds-checked.

#if canImport(Glibc)
import Glibc
#endif

@frozen @safe public struct ByteSlice {
    @usableFromInline let start: UnsafeRawPointer
    /// How many bytes the slice covers.
    public let count: Int

    /// The bytes at `start`, which must stay valid and unchanged while the slice is in use.
    @inlinable @unsafe public init(start: UnsafeRawPointer, count: Int) {
        precondition(count >= 0, "a slice has no negative length")
        unsafe self.start = start
        self.count = count
    }

    @inlinable @unsafe public init(_ buffer: UnsafeRawBufferPointer) {
        unsafe self.start = buffer.baseAddress ?? ByteSlice.emptyStart
        self.count = buffer.count
    }

    @inlinable @unsafe public init(_ buffer: UnsafeBufferPointer<UInt8>) {
        unsafe self.init(UnsafeRawBufferPointer(buffer))
    }

    /// The bytes of a literal; these live as long as the program.
    @inlinable public init(_ literal: StaticString) {
        unsafe self.start = UnsafeRawPointer(literal.utf8Start)
        self.count = literal.utf8CodeUnitCount
    }

    @usableFromInline static var emptyStart: UnsafeRawPointer {
        let nothing: StaticString = ""
        return unsafe UnsafeRawPointer(nothing.utf8Start)
    }

    /// A slice of no bytes.
    @inlinable public static var empty: ByteSlice { ByteSlice("") }

    @inlinable public var isEmpty: Bool { count == 0 }
    @inlinable public var last: UInt8? { count > 0 ? self[count - 1] : nil }

    @inlinable public subscript(index: Int) -> UInt8 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "a byte outside the slice")
        return unsafe start.load(fromByteOffset: index, as: UInt8.self)
    }

    /// The bytes from `range.lowerBound` up to, not including, `range.upperBound`.
    @inlinable public subscript(range: Range<Int>) -> ByteSlice {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "a range outside the slice")
        return unsafe ByteSlice(start: start + range.lowerBound, count: range.count)
    }

    /// The slice without its first `length` bytes.
    @inlinable public func dropFirst(_ length: Int) -> ByteSlice { self[min(length, count)..<count] }

    /// The memory itself, for the few places that copy it or hand it to the system.
    @inlinable @unsafe public var rawBytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: start, count: count)
    }

    /// The same bytes, for code that takes a `RawSpan`.
    @inlinable public func withSpan<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let span = unsafe RawSpan(_unsafeBytes: rawBytes)
        return try body(span)
    }

    /// The bytes of a slice of at most eight in one word, some of them twice: equal for equal slices, and for slices of one length
    /// only for equal ones.
    @inlinable @inline(__always) public var shortWord: UInt64 {
        precondition(count <= 8, "more bytes than a word holds")
        if count >= 4 {
            let low = unsafe start.loadUnaligned(as: UInt32.self)
            let high = unsafe start.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            return UInt64(high) &<< 32 | UInt64(low)
        }
        guard count > 0 else { return 0 }
        let first = unsafe start.load(as: UInt8.self)
        let middle = unsafe start.load(fromByteOffset: count &>> 1, as: UInt8.self)
        let last = unsafe start.load(fromByteOffset: count &- 1, as: UInt8.self)
        return UInt64(first) | UInt64(middle) &<< 8 | UInt64(last) &<< 16
    }

    /// Copies the bytes to `target`, which has room for them. Faster than a call of memcpy for short slices: it copies runs of 16, 8 or 4
    /// bytes, of which the last two may overlap.
    @inlinable @inline(__always)
    @unsafe public func copyShort(to target: UnsafeMutableRawPointer) {
        let source = unsafe start
        if count >= 16 {
            var offset = 0
            repeat {
                unsafe target.storeBytes(
                    of: source.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self), toByteOffset: offset,
                    as: SIMD16<UInt8>.self)
                offset &+= 16
            } while offset &+ 16 <= count
            let last = count &- 16
            unsafe target.storeBytes(
                of: source.loadUnaligned(fromByteOffset: last, as: SIMD16<UInt8>.self), toByteOffset: last,
                as: SIMD16<UInt8>.self)
        } else if count >= 8 {
            let first = unsafe source.loadUnaligned(as: UInt64.self)
            let last = unsafe source.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            unsafe target.storeBytes(of: first, as: UInt64.self)
            unsafe target.storeBytes(of: last, toByteOffset: count &- 8, as: UInt64.self)
        } else if count >= 4 {
            let first = unsafe source.loadUnaligned(as: UInt32.self)
            let last = unsafe source.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            unsafe target.storeBytes(of: first, as: UInt32.self)
            unsafe target.storeBytes(of: last, toByteOffset: count &- 4, as: UInt32.self)
        } else if count > 0 {
            let first = unsafe source.load(as: UInt8.self)
            let middle = unsafe source.load(fromByteOffset: count &>> 1, as: UInt8.self)
            let last = unsafe source.load(fromByteOffset: count &- 1, as: UInt8.self)
            unsafe target.storeBytes(of: first, as: UInt8.self)
            unsafe target.storeBytes(of: middle, toByteOffset: count &>> 1, as: UInt8.self)
            unsafe target.storeBytes(of: last, toByteOffset: count &- 1, as: UInt8.self)
        }
    }

    @inlinable public func index(of byte: UInt8) -> Int? {
        for index in 0..<count where self[index] == byte { return index }
        return nil
    }

    /// An owned copy.
    @inlinable public var array: [UInt8] { unsafe Array(rawBytes) }

    /// An owned copy as text; bytes that are not UTF-8 are replaced. For messages and logs, never for keys or values.
    @inlinable public var description: String { unsafe String(decoding: rawBytes, as: UTF8.self) }
}

extension ByteSlice: CustomStringConvertible {}

extension ByteSlice: ExpressibleByStringLiteral {
    @inlinable public init(stringLiteral literal: StaticString) { self.init(literal) }
}

extension ByteSlice: Equatable {
    @inlinable public static func == (left: ByteSlice, right: ByteSlice) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe memcmp(left.start, right.start, left.count) == 0
    }
}

extension ByteSlice: Comparable {
    /// Orders by the first differing byte, a prefix before what it begins, as `memcmp` does.
    @inlinable public static func < (left: ByteSlice, right: ByteSlice) -> Bool {
        let order = unsafe memcmp(left.start, right.start, min(left.count, right.count))
        return order != 0 ? order < 0 : left.count < right.count
    }
}

extension ByteSlice {
    /// Whether the slice is `word` in any letter case. `word` must be in lower case.
    @inlinable public func equalsIgnoringCase(_ word: StaticString) -> Bool {
        guard word.utf8CodeUnitCount == count else { return false }
        for index in 0..<count where ByteSlice.lowercased(self[index]) != (unsafe word.utf8Start[index]) {
            return false
        }
        return true
    }

    /// Whether the slice is `word`, which is in lower case, in any letter case.
    @inlinable public func equalsIgnoringCase(_ word: [UInt8]) -> Bool {
        guard word.count == count else { return false }
        for index in 0..<count where ByteSlice.lowercased(self[index]) != word[index] { return false }
        return true
    }

    /// The byte in lower case, if it is an ASCII letter.
    @inlinable public static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// An owned copy as text, ASCII letters in lower case.
    public var lowercasedText: String { String(decoding: array.map(ByteSlice.lowercased), as: UTF8.self) }
}

extension Array where Element == UInt8 {
    /// Calls `body` with the array's bytes; the slice must not leave it.
    @inlinable public func withByteSlice<Value, Failure: Error>(
        _ body: (ByteSlice) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = unsafe withUnsafeBytes { buffer in
            do throws(Failure) {
                return .success(try unsafe body(ByteSlice(buffer)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
