// Goal: a screen is told only what changed on it, within its width.

import Testing

@testable import TerminalKit

@Suite struct FrameTests {
    @Test func onlyWhatChangedIsWritten() {
        let size = TerminalSize(columns: 10, rows: 3)
        let first = Frame.update(from: nil, to: ["a", "b"], size: size)
        #expect(first.hasPrefix("\u{1B}[2J\u{1B}[1;1Ha") && first.contains("\u{1B}[3;1H"))
        #expect(Frame.update(from: ["a", "b"], to: ["a", "c"], size: size) == "\u{1B}[2;1Hc\u{1B}[0m\u{1B}[K")
        #expect(Frame.update(from: ["a"], to: ["a"], size: size) == "")
    }

    @Test func linesAreClipped() {
        #expect(Frame.clipped("abcdef", columns: 3) == "abc" && Frame.clipped("日本", columns: 3) == "日")
        #expect(Frame.clipped("\u{1B}[7mab\u{1B}[0mcd", columns: 3) == "\u{1B}[7mab\u{1B}[0mc")
        #expect(Frame.clipped("a\tb\u{1}", columns: 9) == "a?b?")
    }

    @Test func changesAreHighlighted() {
        #expect(Frame.highlighted("n 105", previous: "n 100") == "n 10\u{1B}[7m5\u{1B}[0m")
        #expect(
            Frame.highlighted("same", previous: "same") == "same" && Frame.highlighted("new", previous: nil) == "new")
        #expect(Frame.highlighted("abc", previous: "ab") == "ab\u{1B}[7mc\u{1B}[0m")
    }
}
