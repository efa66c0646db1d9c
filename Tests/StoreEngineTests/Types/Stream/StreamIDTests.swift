// Ids as text.

import RespCodec
import Testing

@testable import StoreEngine

private func id(_ milliseconds: UInt64, _ sequence: UInt64 = 0) -> StreamID {
    StreamID(milliseconds: milliseconds, sequence: sequence)
}

struct StreamIDTests {
    private func parsed(_ text: String, edges: Bool = false, choice: Bool = false) -> StreamID? {
        Array(text.utf8).withByteSlice { StreamID.parse($0, missing: 9, edges: edges, choice: choice)?.id }
    }

    @Test func readsWhatTheServerReads() {
        #expect(parsed("5-7") == id(5, 7))
        #expect(parsed("5") == id(5, 9))
        #expect(parsed("18446744073709551615-18446744073709551615") == .maximum)
        #expect(parsed("007-08") == id(7, 8))
        #expect(parsed(" +7") == id(7, 9))
        #expect(parsed("-", edges: true) == .zero && parsed("+", edges: true) == .maximum)
        #expect(parsed("5-*", choice: true) == id(5, 0))
        #expect(parsed("5-7\u{0}x") == id(5, 7))
        for wrong in [
            "", "-", "+", "5-", "-5", "5-*", "x", "5-x", "1-2-3", "18446744073709551616", "1-18446744073709551616",
            "5 ", "1--1",
            String(repeating: "1", count: 128),
        ] {
            #expect(parsed(wrong) == nil, "\(wrong)")
        }
    }

    @Test func hasNeighbours() {
        #expect(id(5, .max).successor == id(6, 0) && id(6, 0).predecessor == id(5, .max))
        #expect(id(5, 7).successor == id(5, 8) && id(5, 7).predecessor == id(5, 6))
        #expect(StreamID.maximum.successor == nil && StreamID.zero.predecessor == nil)
    }

    @Test func writesItsText() {
        #expect(id(12, 0).withText { $0.description } == "12-0")
        #expect(StreamID.maximum.withText { $0.description } == "18446744073709551615-18446744073709551615")
    }
}
