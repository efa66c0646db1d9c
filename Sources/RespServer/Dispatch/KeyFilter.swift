// Counting filter: tells cheaply, from a part of the key's hash, that nobody is interested in a key. Nearly every changed key interests
// nobody, and that is to cost nothing but the hash.

import RespCodec
import StoreEngine

@safe final class KeyFilter {
    private static let size = 4096
    private let engine: Engine
    private let counts: UnsafeMutablePointer<Int32>

    init(engine: Engine) {
        self.engine = engine
        unsafe counts = .allocate(capacity: Self.size)
        unsafe counts.initialize(repeating: 0, count: Self.size)
    }

    deinit { unsafe counts.deallocate() }

    @inline(__always)
    private func place(_ key: ByteSlice) -> Int { Int(engine.hash(key) & UInt64(Self.size - 1)) }

    /// Whether the key may have been added, in any database; false only if it has not.
    @inline(__always)
    func mayHold(_ key: ByteSlice) -> Bool { unsafe counts[place(key)] != 0 }

    /// Adds a key once more.
    func add(_ key: [UInt8]) { key.withByteSlice { unsafe counts[place($0)] += 1 } }

    /// Takes back one `add` of the key.
    func remove(_ key: [UInt8]) { key.withByteSlice { unsafe counts[place($0)] -= 1 } }
}
