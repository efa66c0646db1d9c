// modules: RespCodec StoreEngine
//
// Any bytes are read as a log of effects, in pieces whose size the first byte tells. Besides not crashing, these things must hold:
//   - where the reading ends does not depend on the pieces;
//   - what is cut where it was torn is read to its end, and holds the same requests;
//   - what is read and run can be told of as effects, and these give the same data.

import RespCodec

@testable import StoreEngine

private final class Pieces: SnapshotInput {
    let byteCount: Int
    private let bytes: [UInt8]
    private let piece: Int
    private var position = 0

    init(_ bytes: [UInt8], piece: Int) {
        self.bytes = bytes
        self.piece = piece
        byteCount = bytes.count
    }

    func read(to target: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(target.count, piece, bytes.count - position)
        bytes.withUnsafeBytes {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
        }
        position += count
        return count
    }
}

private func read(_ bytes: [UInt8], piece: Int) -> (requests: [[[UInt8]]], outcome: EffectReader.Outcome) {
    let reader = EffectReader(Pieces(bytes, piece: piece))
    var requests: [[[UInt8]]] = []
    while true {
        let outcome = reader.next()
        guard outcome == .requests else {
            if case .damaged(let offset, _) = outcome { _ = reader.endsInZeros(from: offset) }
            return (requests, outcome)
        }
        for index in 0..<reader.count { requests.append(reader.words(index).owned) }
    }
}

/// Runs requests, and returns what they have told, as bytes.
private func run(_ requests: [[[UInt8]]], on engine: Engine) -> [UInt8] {
    let log = EffectLog()
    engine.effectSink = log
    engine.isReplaying = true
    for words in requests.prefix(200) where words.allSatisfy({ $0.count < 1000 }) { _ = engine.execute(words) }
    engine.isReplaying = false
    engine.effectSink = nil
    return log.bytes
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzEffectReader(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    let input = Array(UnsafeRawBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    let bytes = Array(input.dropFirst())
    let whole = read(bytes, piece: Int.max)
    let pieces = read(bytes, piece: 1 + Int(first))
    precondition(whole.requests == pieces.requests && whole.outcome == pieces.outcome, "pieces make a difference")
    if case .torn(let offset, _) = whole.outcome {
        let cut = read(Array(bytes[..<offset]), piece: Int.max)
        precondition(cut.requests == whole.requests && cut.outcome == .end, "the cut is at a wrong place")
    }
    let engine = makeEngine()
    let told = run(whole.requests, on: engine)
    let again = read(told, piece: Int.max)
    precondition(again.outcome == .end, "what was told is no log")
    let other = makeEngine()
    _ = told.withByteSlice { try? other.replay($0) }
    precondition(engine.exactDigest() == other.exactDigest(), "what was told gives other data")
    return 0
}

private func makeEngine() -> Engine {
    let engine = Engine(databases: 4, seed: 1)
    engine.setTime(1_700_000_000_000)
    return engine
}
