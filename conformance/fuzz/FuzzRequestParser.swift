// sources: Sources/RespCodec/Bytes/*.swift Sources/RespCodec/Request/*.swift
//
// Any bytes go through the request parser. Besides not crashing, three things must hold:
//   - the outcome is the same in one piece and in pieces (whose lengths the input itself decides);
//   - every argument lies within the bytes that were given;
//   - what was parsed, written as multibulk requests and parsed once more, is the same.

private struct Transcript: Equatable {
    var requests: [[[UInt8]]] = []
    var failure: ProtocolError?
}

private func transcript(of bytes: UnsafeRawBufferPointer, isUnauthenticated: Bool, pieces: (Int) -> Int) -> Transcript {
    var parser = RequestParser()
    parser.limits.isUnauthenticated = isUnauthenticated
    parser.limits.bulkLength = 1 << 20
    let arguments = ArgumentList()
    defer { arguments.deallocate() }
    var transcript = Transcript()
    // A block of just the size, so that a byte read outside it is noticed. It is only read.
    let window = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { window.deallocate() }
    window.copyMemory(from: bytes)
    var position = 0
    var end = 0
    repeat {
        end = min(end + max(pieces(end), 1), bytes.count)
        let given = UnsafeRawBufferPointer(rebasing: window[..<end])
        parsing: while position < end {
            switch parser.parse(given, position: &position, into: arguments) {
            case .request:
                let view = arguments.view(0..<arguments.count, base: given.baseAddress!)
                let request = (0..<arguments.count).map { index -> [UInt8] in
                    let piece = arguments[index]
                    precondition(piece.count >= 0 && piece.count <= end, "an argument longer than the bytes")
                    // The plain text of quoted arguments has memory of its own, which AddressSanitizer watches.
                    return view[index].array
                }
                if !request.isEmpty { transcript.requests.append(request) }
                arguments.removeAll()
            case .needMore: break parsing
            case .failure(let failure):
                transcript.failure = failure
                precondition(!failure.message.isEmpty)
                return transcript
            }
        }
    } while end < bytes.count
    precondition(window.elementsEqual(bytes), "the window was changed")
    return transcript
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequestParser(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    for isUnauthenticated in [false, true] {
        let whole = transcript(of: bytes, isUnauthenticated: isUnauthenticated) { _ in bytes.count }
        let single = transcript(of: bytes, isUnauthenticated: isUnauthenticated) { _ in 1 }
        let pieces = transcript(of: bytes, isUnauthenticated: isUnauthenticated) { Int(bytes[$0] % 13) }
        precondition(whole == single && whole == pieces, "the outcome depends on how the bytes arrive")

        var wire: [UInt8] = []
        for request in whole.requests {
            wire += Array("*\(request.count)\r\n".utf8)
            for argument in request { wire += Array("$\(argument.count)\r\n".utf8) + argument + [13, 10] }
        }
        let again = wire.withUnsafeBytes { buffer in transcript(of: buffer, isUnauthenticated: false) { _ in buffer.count } }
        precondition(again.requests == whole.requests && again.failure == nil, "written out and parsed again, the requests differ")
    }
    return 0
}
