// Where the formats read from.
//
// A source returns slices of its bytes instead of copies, so that a listpack gets from the payload of a request to its entry in one
// copy. They stay valid until `release`, after which a source that reads a file can reuse its memory.

import RespCodec

protocol ByteSource {
    /// An upper bound of the bytes that are left. Counts and lengths that were read are compared with it before memory is allocated.
    var remaining: Int { get }

    /// The next `count` bytes, valid until `release`; nil if fewer are left.
    mutating func take(_ count: Int) -> ByteSlice?

    /// Ends the use of all slices that were taken so far.
    mutating func release()

    /// How many bytes were taken so far.
    var offset: Int { get }

    /// Copies the next `count` bytes to memory of the caller, in pieces; false if fewer are left.
    @unsafe mutating func copy(_ count: Int, to target: UnsafeMutableRawPointer) -> Bool
}

/// Bytes in memory, which outlive the source.
struct MemorySource: ByteSource {
    private var bytes: ByteSlice
    private let total: Int

    init(_ bytes: ByteSlice) {
        self.bytes = bytes
        total = bytes.count
    }

    var remaining: Int { bytes.count }

    mutating func take(_ count: Int) -> ByteSlice? {
        guard count >= 0 && count <= bytes.count else { return nil }
        let taken = bytes[0..<count]
        bytes = bytes.dropFirst(count)
        return taken
    }

    func release() {}

    var offset: Int { total - bytes.count }

    @unsafe mutating func copy(_ count: Int, to target: UnsafeMutableRawPointer) -> Bool {
        guard let taken = take(count) else { return false }
        unsafe target.copyMemory(from: taken.rawBytes.baseAddress!, byteCount: count)
        return true
    }
}
