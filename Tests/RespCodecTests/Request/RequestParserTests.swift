// Requests, fed whole, byte by byte and split at each point; and what is refused.

import RespCodec
import Testing

struct RequestParserTests {
    /// Feeds `text` in pieces that end at `splits`, and gives every request that came out, or the error that ended it.
    private func parse(_ text: String, splits: [Int] = [], unauthenticated: Bool = false) -> [String] {
        let all = Array(text.utf8)
        var parser = RequestParser()
        parser.limits.isUnauthenticated = unauthenticated
        let arguments = ArgumentList()
        defer { arguments.deallocate() }
        var results: [String] = []
        var window: [UInt8] = []
        var position = 0
        var fed = 0
        for end in splits + [all.count] {
            window += all[fed..<end]
            fed = end
            var outcome = RequestParser.Outcome.request
            while outcome == .request && position < window.count {
                var words: [String] = []
                outcome = unsafe window.withUnsafeBytes {
                    let outcome = unsafe parser.parse($0, position: &position, into: arguments)
                    let view = unsafe arguments.view(0..<arguments.count, base: $0.baseAddress!)
                    words = (0..<view.count).map { view[$0].description }
                    return outcome
                }
                if case .failure(let error) = outcome {
                    return results + [String(decoding: error.message, as: UTF8.self)]
                }
                if outcome == .request {
                    if !words.isEmpty { results.append(words.joined(separator: "|")) }
                    arguments.removeAll()
                }
            }
        }
        return results
    }

    static let requests =
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*0\r\nGET \"a b\" 'c\\'d' \"\\x41\\n\"\r\n\r\n*1\r\n$12\r\n\r\n*1\r\n$4\r\nxy\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"
    static let expected = ["SET|k|", "GET|a b|c'd|A\n", "\r\n*1\r\n$4\r\nxy", "ECHO|hi"]

    @Test func wholeAndSplitAtEachPoint() {
        #expect(parse(Self.requests) == Self.expected)
        let count = Self.requests.utf8.count
        #expect(parse(Self.requests, splits: Array(1..<count)) == Self.expected)
        for split in 1..<count { #expect(parse(Self.requests, splits: [split]) == Self.expected) }
    }

    @Test(arguments: [
        ("*2147483648\r\n", "Protocol error: invalid multibulk length"),
        ("*x\r\n", "Protocol error: invalid multibulk length"),
        ("*1\r\n:5\r\n", "Protocol error: expected '$', got ':'"),
        ("*1\r\n$-1\r\n", "Protocol error: invalid bulk length"),
        ("*1\r\n\r\n", "Protocol error: expected '$', got '\r'"),
        ("*2\r\n$1\r\na\r\n\rb\r\n", "Protocol error: expected '$', got '\r'"),
        ("*1\r\n$536870913\r\n", "Protocol error: invalid bulk length"),
        ("GET \"a\r\n", "Protocol error: unbalanced quotes in request"),
        ("GET \"a\"b\r\n", "Protocol error: unbalanced quotes in request"),
    ])
    func refuses(_ text: String, _ message: String) {
        #expect(parse(text) == [message])
        #expect(parse(text, splits: Array(1..<text.utf8.count)) == [message])
    }

    @Test func boundsAreTightBeforeAuthentication() {
        #expect(parse("*11\r\n", unauthenticated: true) == ["Protocol error: unauthenticated multibulk length"])
        #expect(parse("*1\r\n$16385\r\n", unauthenticated: true) == ["Protocol error: unauthenticated bulk length"])
    }

    @Test func linesAreBounded() {
        let long = String(repeating: "x", count: 70_000)
        #expect(parse(long) == ["Protocol error: too big inline request"])
        #expect(parse("*" + String(repeating: "1", count: 70_000)) == ["Protocol error: too big mbulk count string"])
        #expect(
            parse("*1\r\n$" + String(repeating: "1", count: 70_000)) == ["Protocol error: too big bulk count string"])
    }
}
