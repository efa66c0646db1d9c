// Goal: each key does to the text what it does in a shell. Method: keys as bytes, the text and the cursor afterwards.

import TestSupport
import Testing

@testable import TerminalKit

@Suite struct LineEditorTests {
    private static func editor(_ keys: String, history: [String] = []) -> (LineEditor, LineEditor.Outcome) {
        var store = History()
        for line in history { store.add(Array(line.utf8)) }
        var editor = LineEditor(history: store)
        var decoder = KeyDecoder()
        var outcome = LineEditor.Outcome.editing
        for key in decoder.take(Array(keys.utf8)) + decoder.flush() { outcome = editor.handle(key) }
        return (editor, outcome)
    }

    /// The text with a bar where the cursor is.
    private static func shown(_ keys: String, history: [String] = []) -> String {
        let text = editor(keys, history: history).0.text
        return String(decoding: text.beforeCursor, as: UTF8.self) + "|"
            + String(decoding: text.afterCursor, as: UTF8.self)
    }

    @Test(arguments: [
        ("abc", "abc|"), ("abc\u{1}x", "x|abc"), ("abc\u{1}\u{5}x", "abcx|"), ("abc\u{2}\u{2}x", "ax|bc"),
        ("abc\u{1}\u{6}x", "ax|bc"), ("ab cd\u{1B}bx", "ab x|cd"), ("ab cd\u{1}\u{1B}fx", "abx| cd"),
        ("abc\u{1B}[D\u{7F}", "a|c"), ("abc\u{1}\u{4}", "|bc"), ("abc\u{1}\u{1B}[3~", "|bc"), ("ab\u{14}", "ba|"),
        ("abc\u{2}\u{14}", "acb|"), ("one two\u{17}", "one |"), ("one two  \u{17}\u{17}", "|"),
        ("a/b c\u{1B}\u{7F}", "a/b |"),
        ("one two\u{1}\u{1B}d", "| two"), ("one two\u{1B}b\u{B}", "one |"), ("one two\u{1B}b\u{15}", "|two"),
        ("one two\u{17}\u{17}\u{19}", "one two|"), ("ab\u{15}cd\u{15}\u{19}\u{1B}y", "ab|"),
        ("ab\u{15}cd\u{15}\u{19}\u{1B}y\u{1B}y", "cd|"), ("one\u{1}\u{1B}u", "ONE|"),
        ("ONE two\u{1}\u{1B}l\u{1B}c", "one Two|"),
        ("abc\u{7F}\u{1F}", "abc|"), ("ab\u{17}\u{1F}\u{1F}", "|"), ("a\u{16}\u{1}b", "a\u{1}b|"),
        ("a\u{16}\tb", "a\tb|"),
        ("grüße\u{7F}\u{7F}", "grü|"), ("a日本\u{2}x", "a日x|本"), ("e\u{301}a\u{2}\u{2}x", "x|e\u{301}a"),
        ("👩‍💻a\u{7F}\u{7F}", "|"), ("\u{1B}[200~a b\r\nc\r\n\u{1B}[201~", "a b\nc|"),
    ])
    func keysEdit(keys: String, expected: String) {
        #expect(Self.shown(keys).utf8.elementsEqual(expected.utf8), "\(Self.shown(keys))")
    }

    @Test func outcomes() {
        #expect(Self.editor("a\r").1 == .accepted && Self.editor("\u{4}").1 == .ended)
        #expect(Self.editor("a\u{4}").1 == .bell && Self.editor("a\u{3}").1 == .interrupted)
        #expect(Self.editor("\u{C}").1 == .clearScreen && Self.editor("\u{19}").1 == .bell)
        #expect(Self.editor("\t").1 == .bell && Self.editor("\u{1B}q").1 == .bell)
    }

    @Test func historyIsWalked() {
        let lines = ["first", "second", "third"]
        #expect(Self.shown("\u{10}", history: lines) == "third|")
        #expect(Self.shown("\u{1B}[A\u{1B}[A\u{1B}[B", history: lines) == "third|")
        #expect(Self.shown("new\u{10}\u{10}\u{E}\u{E}", history: lines) == "new|")
        #expect(Self.shown("\u{10}x\u{10}\u{E}", history: lines) == "thirdx|")
        #expect(
            Self.shown("\u{1B}<", history: lines) == "first|" && Self.shown("\u{1B}<\u{1B}>", history: lines) == "|")
        #expect(Self.editor("\u{E}", history: lines).1 == .bell && Self.editor("\u{10}").1 == .bell)
    }

    @Test func historyIsSearched() {
        let lines = ["SET a 1", "GET a", "SET b 2", "PING"]
        #expect(Self.shown("\u{12}SET", history: lines) == "|SET b 2")
        #expect(Self.shown("\u{12}SET\u{12}", history: lines) == "|SET a 1")
        #expect(Self.shown("\u{12}SET\u{12}\u{13}", history: lines) == "|SET b 2")
        #expect(Self.shown("\u{12}a 1", history: lines) == "SET |a 1")
        #expect(Self.shown("x\u{12}SET\u{7}", history: lines) == "x|")
        #expect(Self.shown("\u{12}SET\u{5}!", history: lines) == "SET b 2!|")
        #expect(Self.shown("\u{12}SET b\u{7F}a", history: lines) == "|SET a 1")
        #expect(Self.editor("\u{12}SET\r", history: lines).1 == .accepted)
        // Afterwards the arrows go on from there.
        #expect(Self.shown("\u{12}SET\u{1B}[A", history: lines) == "GET a|")
        let failed = Self.editor("\u{12}nosuch", history: lines).0
        #expect(failed.search?.hasFailed == true)
        #expect(Self.editor("\u{12}x\u{1B}", history: lines).0.search == nil)
    }

    private static func completing(_ keys: String) -> (LineEditor, LineEditor.Outcome) {
        var editor = LineEditor()
        editor.complete = { text, cursor in
            let words = ["SUBSCRIBE", "SUBSTR", "SADD", "日本", "日曜"]
            let prefix = String(decoding: text[..<cursor], as: UTF8.self)
            return .init(range: 0..<cursor, candidates: words.filter { $0.hasPrefix(prefix) })
        }
        var decoder = KeyDecoder()
        var outcome = LineEditor.Outcome.editing
        for key in decoder.take(Array(keys.utf8)) { outcome = editor.handle(key) }
        return (editor, outcome)
    }

    @Test func completion() {
        #expect(Self.completing("SA\t").0.text.bytes == Array("SADD ".utf8))
        #expect(Self.completing("SU\t").0.text.bytes == Array("SUBS".utf8))
        #expect(Self.completing("S\t").1 == .bell)
        #expect(Self.completing("S\t\t").1 == .list(["SUBSCRIBE", "SUBSTR", "SADD"]))
        #expect(Self.completing("S\tA\t").0.text.bytes == Array("SADD ".utf8))
        #expect(Self.completing("X\t").1 == .bell)
        #expect(Self.completing("日\t").1 == .bell)
    }

    /// Random keys never put the cursor within a character, and undo leads back.
    @Test func anyKeysLeaveASoundText() {
        var generator = SeededRandom(seed: TestSeed.fixed(7))
        let pieces = [
            "a", " ", "é", "日", "e\u{301}", "👩‍💻", "\u{1}", "\u{2}", "\u{5}", "\u{6}", "\u{4}", "\u{7F}", "\u{B}",
            "\u{15}",
            "\u{17}", "\u{19}", "\u{1B}y", "\u{14}", "\u{1B}b", "\u{1B}f", "\u{1B}d", "\u{1F}", "\u{10}", "\u{E}",
            "\u{12}", "\u{7}",
        ]
        var editor = LineEditor(history: History())
        for _ in 0..<20_000 {
            var decoder = KeyDecoder()
            for key in decoder.take(Array(pieces.randomElement(using: &generator)!.utf8)) { _ = editor.handle(key) }
            let text = editor.text
            #expect(String(validating: text.bytes, as: UTF8.self) != nil)
            #expect(String(validating: text.beforeCursor, as: UTF8.self) != nil)
            var position = 0
            while position < text.cursor { position = text.next(after: position) }
            #expect(position == text.cursor)
            if text.bytes.count > 400 { editor.begin() }
        }
    }
}
