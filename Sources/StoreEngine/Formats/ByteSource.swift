// Where the formats read from.
//
// A source lends its bytes instead of copying them, so that a packed list goes from the payload of a request to its entry in one copy.
// What it lends stays good until `release`, which is what lets a source that reads a file use its memory again.

import RespCodec

protocol ByteSource {
    /// At most how many bytes are still to come. A count or a length that was read is held against it before memory is taken.
    var remaining: Int { get }

    /// The next `count` bytes, good until `release`; nil when so many are not to come.
    mutating func take(_ count: Int) -> ByteSlice?

    /// Says that nothing that was taken so far is needed any more.
    mutating func release()
}

/// Bytes that are all there, and outlive the source.
struct MemorySource: ByteSource {
    private var bytes: ByteSlice

    init(_ bytes: ByteSlice) { self.bytes = bytes }

    var remaining: Int { bytes.count }

    mutating func take(_ count: Int) -> ByteSlice? {
        guard count >= 0 && count <= bytes.count else { return nil }
        let taken = bytes[0..<count]
        bytes = bytes.dropFirst(count)
        return taken
    }

    func release() {}
}
