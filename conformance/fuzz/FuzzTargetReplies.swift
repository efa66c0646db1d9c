// sources: Sources/RespServer/Migration/TargetReplies.swift
// modules: RespCodec
//
// Any bytes are read as the answers of a server that keys are moved to. The outcome is the same in one piece and in pieces (whose lengths the
// input itself decides), nothing follows what is malformed, and only "+OK" acknowledges.

import RespCodec

private func lines(of bytes: UnsafeRawBufferPointer, pieces: (Int) -> Int) -> [TargetReplies.Line] {
    var replies = TargetReplies()
    var found: [TargetReplies.Line] = []
    var start = 0
    while start < bytes.count, found.last != .malformed {
        let end = min(start + max(pieces(start), 1), bytes.count)
        found += replies.take(ByteSlice(UnsafeRawBufferPointer(rebasing: bytes[start..<end])))
        start = end
    }
    precondition(found.dropLast().allSatisfy { $0 != .malformed }, "something follows what is malformed")
    return found
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTargetReplies(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let whole = lines(of: bytes) { _ in bytes.count }
    let single = lines(of: bytes) { _ in 1 }
    let pieces = lines(of: bytes) { Int(bytes[$0] % 13) }
    precondition(whole == single && whole == pieces, "the outcome depends on how the bytes arrive")
    let text = bytes.split(separator: 10, omittingEmptySubsequences: false).dropLast()
    for (line, words) in zip(whole, text) {
        let isAcknowledgement = words.elementsEqual("+OK".utf8) || words.elementsEqual("+OK\r".utf8)
        precondition((line == .acknowledged) == isAcknowledgement, "something else acknowledges")
        if case .refused(let error) = line { precondition(error.count <= TargetReplies.longestText) }
    }
    return 0
}
