// modules: RespCodec StoreEngine
//
// Any bytes are loaded as a snapshot, with a right checksum so that they are read. Besides not crashing, these things must hold:
//   - what is dropped afterwards, read whole or in part, leaves nothing behind;
//   - what was read can be saved and loaded again, and is the same then.

import RespCodec
@testable import StoreEngine

nonisolated(unsafe) private let engine = makeEngine()
nonisolated(unsafe) private let other = makeEngine()

private func makeEngine() -> Engine {
    let engine = Engine(databases: 4, seed: 1)
    engine.setTime(1_700_000_000_000)
    return engine
}

private func clear(_ engine: Engine) {
    engine.removeAll()
    while engine.hasGarbage { engine.freeSlice() }
    precondition(engine.usedBytes == 0 || engine.usedBytes == usedAtStart, "something was left behind")
}

private let usedAtStart = engine.usedBytes

private func sealed(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    // What comes behind these is up to the fuzzer, the frame is not.
    var snapshot = Array("REDIS0012".utf8) + Array(bytes)
    let checksum = snapshot.withByteSlice { CRC64.of($0) }
    withUnsafeBytes(of: checksum.littleEndian) { snapshot += Array($0) }
    return snapshot
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSnapshotReader(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    _ = usedAtStart
    let snapshot = sealed(UnsafeRawBufferPointer(start: start, count: count))
    let isWhole = snapshot.withByteSlice { (try? engine.load($0)) != nil }
    let digest = engine.dataDigest()
    // Replacing is for keys that are there; none are.
    let isLoaded = engine.withSnapshot { (try? other.load($0, replacing: true)) != nil }
    precondition(isLoaded, "what was saved cannot be loaded")
    precondition(other.dataDigest() == digest, "saved and loaded, the data is another")
    if isWhole {
        let isThere = snapshot.withByteSlice { (try? engine.load($0, replacing: true)) != nil }
        precondition(isThere && engine.dataDigest() == digest, "loaded over itself, the data is another")
    }
    clear(engine)
    clear(other)
    return 0
}
