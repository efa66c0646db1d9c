// Goal: each key does to a line what it should, and the terminal shows the line that is there. Method: a screen of one
// row that knows no more than backspace and characters.

import Testing

@testable import TerminalKit

@Suite struct PlainLineEditorTests {
    /// The line, what a terminal shows, and how the last byte was taken.
    private func typed(_ bytes: [UInt8], keys: PlainLineEditor.Keys = .init()) -> (
        [UInt8], String, PlainLineEditor.Outcome?
    ) {
        var editor = PlainLineEditor(keys: keys)
        var outcome: PlainLineEditor.Outcome?
        for byte in bytes { outcome = editor.take(byte) }
        var row: [Unicode.Scalar] = []
        var column = 0
        for scalar in String(decoding: editor.echo, as: UTF8.self).unicodeScalars {
            if scalar.value == 8 {
                column -= 1
            } else if column < row.count {
                row[column] = scalar
                column += 1
            } else {
                row.append(scalar)
                column += 1
                // The second column of a wide character.
                if CharacterWidth.of(scalar) == 2 {
                    row.append("\u{200B}")
                    column += 1
                }
            }
        }
        #expect(column >= 0)
        return (editor.line, String(String.UnicodeScalarView(row[..<column].filter { $0 != "\u{200B}" })), outcome)
    }

    @Test(arguments: [
        ("PING\n", "PING", "PING\n"), ("PIMG\u{7F}\u{8}NG", "PING", "PING"), ("\u{7F}\u{8}a", "a", "a"),
        ("GET  a b \u{17}c", "GET  a c", "GET  a c"), ("a b\u{17}\u{17}\u{17}", "", ""), ("abc\u{15}d", "d", "d"),
        ("é\u{7F}e", "e", "e"), ("aé\u{1F600}\u{7F}b", "aéb", "aéb"), ("a\u{1}\u{7F}b", "ab", "ab"),
        ("a\tb", "a\tb", "a b"), ("a\t\u{7F}b", "ab", "ab"), ("\u{1B}[A", "\u{1B}[A", "^[[A"),
        ("a\u{0}b", "a\u{0}b", "a^@b"), ("ab\u{4}c", "abc", "abc"),
    ])
    func keysEdit(keys: String, line: String, shown: String) {
        let (result, row, _) = typed(Array(keys.utf8))
        #expect(String(decoding: result, as: UTF8.self) == line && row == shown)
    }

    @Test func bytesThatAreNoTextAreTakenBackOneByOne() {
        #expect(typed([0xFF, 0xFE, 0x7F]).0 == [0xFF])
        #expect(typed([0x61, 0x80, 0x80, 0x7F]).0 == [0x61, 0x80])
        #expect(typed([0xC3, 0x7F]).0 == [])
    }

    @Test func linesEnd() {
        #expect(typed(Array("a\n".utf8)).2 == .line && typed(Array("\r".utf8)).2 == .line)
        #expect(typed([4]).2 == .end && typed([0x61, 4]).2 == .part && typed([0x61]).2 == .editing)
        #expect(typed([0x61, 0x15, 4]).2 == .end)
    }

    @Test func theTerminalsOwnKeysCount() {
        let keys = PlainLineEditor.Keys(erase: 0x23, eraseWord: 0, eraseLine: 0x40, end: 0x1A)
        #expect(typed([UInt8]("ab#".utf8), keys: keys).0 == [0x61])
        #expect(typed(Array("ab@".utf8), keys: keys).0.isEmpty)
        #expect(typed([0x1A], keys: keys).2 == .end)
        #expect(typed([4], keys: keys).0 == [4])
        #expect(typed([0], keys: keys).0 == [0], "no key is not the byte zero")
    }

    @Test func aLineMayBeLong() {
        let value = [UInt8](repeating: 0x78, count: 1_000_000)
        let (line, _, outcome) = typed(value + [0x0A])
        #expect(line == value && outcome == .line)
    }
}
