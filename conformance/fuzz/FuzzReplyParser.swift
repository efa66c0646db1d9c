// sources: Sources/RespCodec/Bytes/*.swift
// sources: Sources/RespCodec/Reply/Reply.swift Sources/RespCodec/Reply/ReplyParser.swift
//
// Any bytes go through the reply parser. Besides not crashing, three things must hold:
//   - the outcome is the same in one piece and in pieces (whose lengths the input itself decides);
//   - what was parsed, written out again and parsed once more, is the same reply;
//   - after a failure nothing more is parsed.

private struct Transcript: Equatable {
    var replies: [Reply] = []
    var failure: ReplyParser.Failure?
    var isInsideReply = false
}

private func transcript(of bytes: UnsafeRawBufferPointer, pieces: (Int) -> Int) -> Transcript {
    var limits = ReplyLimits()
    limits.textLength = 1024 * 1024
    var parser = ReplyParser(limits: limits)
    var transcript = Transcript()
    var start = 0
    while start < bytes.count {
        let end = min(start + max(pieces(start), 1), bytes.count)
        var input = ByteSlice(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        loop: while true {
            switch parser.parse(&input) {
            case .reply(let reply): transcript.replies.append(reply)
            case .needMore:
                precondition(input.isEmpty, "more was asked for with input left")
                break loop
            case .failure(let failure):
                transcript.failure = failure
                transcript.isInsideReply = parser.isInsideReply
                var more = ByteSlice("+OK\r\n")
                precondition(parser.parse(&more) == .failure(failure), "a reply after a failure")
                return transcript
            }
        }
        start = end
    }
    transcript.isInsideReply = parser.isInsideReply
    return transcript
}

private func write(_ reply: Reply, to wire: inout [UInt8]) {
    func line(_ type: String, _ text: [UInt8]) { wire += Array(type.utf8) + text + [13, 10] }
    func bulk(_ type: String, _ text: [UInt8]) {
        line(type, Decimal.text(text.count))
        wire += text + [13, 10]
    }
    func elements(_ type: String, _ replies: [Reply]) {
        line(type, Decimal.text(replies.count))
        for reply in replies { write(reply, to: &wire) }
    }
    func entries(_ type: String, _ entries: [Reply.MapEntry]) {
        line(type, Decimal.text(entries.count))
        for entry in entries {
            write(entry.key, to: &wire)
            write(entry.value, to: &wire)
        }
    }
    switch reply {
    case .simpleString(let text): line("+", text)
    case .error(let text): line("-", text)
    case .bulkError(let text): bulk("!", text)
    case .integer(let value): line(":", Decimal.text(value))
    case .bulkString(let text): bulk("$", text)
    case .verbatimString(let format, let text): bulk("=", format + Array(":".utf8) + text)
    case .null: line("_", [])
    case .boolean(let value): line("#", Array((value ? "t" : "f").utf8))
    case .double(let text): line(",", text)
    case .bigNumber(let digits): line("(", digits)
    case .array(let replies): elements("*", replies)
    case .set(let replies): elements("~", replies)
    case .push(let replies): elements(">", replies)
    case .map(let pairs): entries("%", pairs)
    case .attributed(let inner, let attributes):
        entries("|", attributes)
        write(inner, to: &wire)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzReplyParser(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let whole = transcript(of: bytes) { _ in bytes.count }
    let single = transcript(of: bytes) { _ in 1 }
    let pieces = transcript(of: bytes) { Int(bytes[$0] % 13) }
    precondition(whole == single && whole == pieces, "the outcome depends on how the bytes arrive")

    var wire: [UInt8] = []
    for reply in whole.replies { write(reply, to: &wire) }
    let again = wire.withUnsafeBytes { buffer in transcript(of: buffer) { _ in buffer.count } }
    precondition(
        again.replies == whole.replies && again.failure == nil && !again.isInsideReply,
        "written out and parsed again, the replies differ")
    return 0
}
