// Goal: whatever is edited, the screen shows the prompt and the text, and the cursor is where the text says. Method: a model of a
// terminal of several widths, drawn step by step and compared with one that is drawn at once.

import TestSupport
import Testing

@testable import TerminalKit

@Suite struct LineLayoutTests {
    private static func layout(_ text: String, back: Int = 0, hint: String = "", width: Int, prompt: String = "> ")
        -> LineLayout
    {
        var edited = EditedText(Array(text.utf8))
        for _ in 0..<back { edited.move(to: edited.previous(before: edited.cursor)) }
        return LineLayout(prompt: Array(prompt.utf8), text: edited, hint: Array(hint.utf8), width: width)
    }

    private static func screen(_ layout: LineLayout, width: Int) -> ScreenModel {
        var screen = ScreenModel(width: width)
        screen.take(layout.update(from: nil))
        #expect(screen.row == layout.cursorRow && screen.column == layout.cursorColumn)
        return screen
    }

    @Test func oneRow() {
        let screen = Self.screen(Self.layout("GET a", back: 2, width: 20), width: 20)
        #expect(screen.text == ["> GET a"] && screen.column == 5)
    }

    @Test func rowsBreakAtTheWidth() {
        #expect(Self.screen(Self.layout("abcdefgh", width: 6), width: 6).text == ["> abcd", "efgh"])
        let full = Self.screen(Self.layout("abcd", width: 6), width: 6)
        #expect(full.text == ["> abcd", ""] && full.row == 1 && full.column == 0)
        #expect(Self.screen(Self.layout("abc日本", width: 6), width: 6).text == ["> abc", "日本"])
        #expect(Self.screen(Self.layout("a\nb", width: 6), width: 6).text == ["> a", "b"])
    }

    @Test func whatIsNoTextIsMadeVisible() {
        let text = EditedText([0x61, 0x01, 0xFF, 0x1B, 0x62])
        let screen = Self.screen(LineLayout(prompt: [], text: text, width: 40), width: 40)
        #expect(screen.text == ["a^A\\xff^[b"])
    }

    @Test func hintsAndColors() {
        let layout = Self.layout("GET", hint: " key", width: 20, prompt: "\u{1B}[1m> \u{1B}[0m")
        let screen = Self.screen(layout, width: 20)
        #expect(screen.text == ["> GET key"] && screen.column == 5)
    }

    @Test func anySequenceOfTextsIsShown() {
        var generator = SeededRandom(seed: TestSeed.fixed(11))
        let pieces = ["a", "bc", " ", "日", "e\u{301}", "\n", "xyzzy"]
        for width in [5, 8, 13] {
            var screen = ScreenModel(width: width)
            var shown: LineLayout?
            var text = EditedText()
            for _ in 0..<600 {
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: text.move(to: text.previous(before: text.cursor))
                case 1: text.remove(text.previous(before: text.cursor), text.cursor)
                case 2 where text.bytes.count > 60: text = EditedText()
                default: text.insert(Array(pieces.randomElement(using: &generator)!.utf8))
                }
                let hint = Bool.random(using: &generator) && text.isAtEnd ? Array("hint".utf8) : []
                let layout = LineLayout(prompt: Array("$ ".utf8), text: text, hint: hint, width: width)
                screen.take(layout.update(from: shown))
                shown = layout
                var fresh = ScreenModel(width: width)
                fresh.take(layout.update(from: nil))
                #expect(screen.text == fresh.text)
                #expect(screen.row == fresh.row && screen.column == fresh.column)
            }
        }
    }

    @Test func typingAtTheEndWritesOnlyWhatIsNew() {
        let before = Self.layout("GE", width: 20)
        let after = Self.layout("GET", width: 20)
        #expect(after.update(from: before) == [0x54])
    }

    @Test(arguments: [
        // width, text, places left of the end, new width, row
        (80, "abcdefgh", 0, 80, 0), (80, "abcdefgh", 0, 4, 2), (80, "abcdefgh", 6, 4, 1), (80, "abcdefgh", 8, 4, 0),
        (10, "abcdefghijklmnopqr", 0, 10, 2), (10, "abcdefghijklmnopqr", 0, 6, 4), (10, "abcdefghijklmnopqr", 1, 6, 3),
        (40, "\u{65E5}\u{672C}\u{8A9E}", 0, 5, 1), (40, "\u{65E5}\u{672C}\u{8A9E}", 0, 3, 3),
        (40, "\u{65E5}\u{672C}", 1, 3, 1),
        (10, "abc", 0, 80, 0), (6, "abcdefgh", 0, 80, 1),
    ])
    func rowAfterResizing(width: Int, text: String, left: Int, newWidth: Int, row: Int) {
        var edited = EditedText(Array(text.utf8))
        for _ in 0..<left { edited.move(to: edited.previous(before: edited.cursor)) }
        let layout = LineLayout(prompt: Array("$ ".utf8), text: edited, width: width)
        #expect(layout.cursorRow(afterResizingTo: newWidth) == row)
    }
}
