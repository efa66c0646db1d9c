// From bytes to batches of requests: the same ones however the bytes are cut.

import RespCodec
import Testing

@testable import RespServer

@Suite struct RequestReaderTests {
    private static let pipeline =
        requests("SET k value\nGET k\nPING\nMSET a 1 b 2 c 3") + Array("inline 'two words' x\r\n\r\n*0\r\n".utf8)
        + requests("ECHO end")
    private static let words = [
        ["SET", "k", "value"], ["GET", "k"], ["PING"], ["MSET", "a", "1", "b", "2", "c", "3"],
        ["inline", "two words", "x"], ["ECHO", "end"],
    ]

    /// The requests of one window, and how the reading of its last batch ended.
    private func read(
        _ bytes: [UInt8], limit: Int = RequestReader.batchCapacity, reader: RequestReader = RequestReader()
    )
        -> (requests: [[String]], ending: RequestReader.Ending, starts: [Int])
    {
        bytes.withUnsafeBytes { window in
            var (found, starts): ([[String]], [Int]) = ([], [])
            var ending = RequestReader.Ending()
            var place = 0
            repeat {
                var parser = RequestParser(limits: reader.limits)
                ending = reader.readBatch(window, from: place, limit: limit, parser: &parser)
                for index in 0..<reader.count {
                    let request = reader[index]
                    starts.append(request.start)
                    let view = reader.arguments.view(
                        request.firstArgument..<request.firstArgument + request.argumentCount, base: window.baseAddress!
                    )
                    found.append((0..<view.count).map { view[$0].description })
                }
                if ending.start == place && ending.outcome == .request { break }
                place = ending.start
            } while ending.outcome == .request && place < window.count
            return (found, ending, starts)
        }
    }

    @Test func aWholePipeline() {
        let all = read(Self.pipeline)
        #expect(all.requests == Self.words && all.ending.outcome == .request && all.ending.start == Self.pipeline.count)
        #expect(all.starts.first == 0 && all.starts == all.starts.sorted())
        // In batches of any size.
        for limit in 1...7 { #expect(read(Self.pipeline, limit: limit).requests == Self.words, "by \(limit)") }
    }

    /// The requests in front of the cut are found, and the rest begins where the first unfinished one does.
    @Test func cutAtEveryByte() {
        for cut in 1..<Self.pipeline.count {
            let front = read(Array(Self.pipeline[..<cut]))
            let back = read(Array(Self.pipeline[front.ending.start...]))
            #expect(front.requests + back.requests == Self.words, "cut at \(cut)")
        }
    }

    /// What is unfinished is told with its arguments so far: who keeps them need not look at these bytes again.
    @Test func anUnfinishedRequest() {
        let whole = requests("GET k")
        let bytes = whole + requests("SET key value").dropLast(4)
        bytes.withUnsafeBytes { window in
            let reader = RequestReader()
            var parser = RequestParser(limits: reader.limits)
            let ending = reader.readBatch(window, from: 0, limit: 32, parser: &parser)
            #expect(reader.count == 1 && ending.outcome == .needMore && ending.start == whole.count)
            #expect(reader.arguments.count - ending.firstArgument == 2 && parser.isInsideRequest)
        }
    }

    @Test func anEmptyRequestInFront() {
        let reader = RequestReader()
        let bytes = Array("\r\n\r\nPING\r\n\r\n".utf8)
        bytes.withUnsafeBytes { window in
            var parser = RequestParser(limits: reader.limits)
            var ending = reader.readBatch(window, from: 0, limit: 1, parser: &parser)
            #expect(ending.beganEmpty && reader.count == 1 && ending.start == 10)
            ending = reader.readBatch(window, from: ending.start, limit: 1, parser: &parser)
            #expect(ending.beganEmpty && reader.count == 0 && ending.start == bytes.count)
        }
    }

    @Test func aProtocolErrorBehindWholeRequests() {
        let bytes = requests("PING") + Array("*1\r\n!3\r\nabc\r\n".utf8)
        let all = read(bytes)
        #expect(all.requests == [["PING"]])
        guard case .failure(let error) = all.ending.outcome else { return #expect(Bool(false), "no error") }
        #expect(String(decoding: error.message, as: UTF8.self) == "Protocol error: expected '$', got '!'")
    }

    /// The window that continues a short beginning lies right in front of what was read.
    @Test func theBeginningOfARequestInFrontOfTheWindow() {
        let reader = RequestReader()
        let bytes = requests("SET key value")
        for cut in 1..<bytes.count {
            let rest = Array(bytes[cut...])
            rest.withUnsafeBytes { reader.room.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
            Array(bytes[..<cut]).withUnsafeBytes { beginning in
                let window = reader.window(rest.count, behind: beginning)
                #expect(Array(window) == bytes)
            }
        }
    }
}
