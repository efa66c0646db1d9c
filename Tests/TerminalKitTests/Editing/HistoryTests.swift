import Glibc
import Testing

@testable import TerminalKit

@Suite struct HistoryTests {
    private static func withFile(_ body: (String) throws -> Void) rethrows {
        var template = Array("/tmp/history-XXXXXX".utf8CString)
        let folder = String(cString: mkdtemp(&template)!)
        defer {
            unlink(folder + "/h")
            unlink(folder + "/h.new")
            rmdir(folder)
        }
        try body(folder + "/h")
    }

    private static func lines(_ history: History) -> [String] {
        history.lines.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func linesAreKeptInTheFile() {
        Self.withFile { path in
            var history = History()
            history.open(path)
            for line in ["a", "a", "", "b \\ c", "two\nlines \\n"] { history.add(Array(line.utf8)) }
            #expect(Self.lines(history) == ["a", "b \\ c", "two\nlines \\n"])
            var information = stat()
            #expect(stat(path, &information) == 0 && information.st_mode & 0o777 == 0o600)
            var again = History()
            again.open(path)
            #expect(again.lines == history.lines)
        }
    }

    @Test func aFileThatOthersCouldReadIsClosedToThem() {
        Self.withFile { path in
            close(open(path, O_CREAT | O_WRONLY, 0o644))
            chmod(path, 0o644)
            var history = History()
            history.open(path)
            history.add(Array("x".utf8))
            var information = stat()
            #expect(stat(path, &information) == 0 && information.st_mode & 0o777 == 0o600)
        }
    }

    @Test func onlyTheNewestAreKept() {
        var history = History(limit: 3)
        for number in 0..<10 { history.add(Array("\(number)".utf8)) }
        #expect(Self.lines(history) == ["7", "8", "9"])
    }

    @Test func searching() {
        var history = History()
        for line in ["abc", "bcd", "cde"] { history.add(Array(line.utf8)) }
        #expect(history.search(Array("bc".utf8), before: 3) == 1 && history.search(Array("bc".utf8), before: 1) == 0)
        #expect(history.search(Array("bc".utf8), before: 0) == nil && history.search(Array("cd".utf8), after: 1) == 2)
        #expect(history.search([], before: 3) == nil)
    }
}

@Suite struct ProgressBarTests {
    private static func bar(_ done: Int, of total: Int?, seconds: Double, unit: String = "keys") -> ProgressBar {
        var bar = ProgressBar(label: "scan", unit: unit, total: total, time: 1_000_000_000)
        bar.update(done: done, time: 1_000_000_000 + Int(seconds * 1e9))
        return bar
    }

    @Test func texts() {
        #expect(
            Self.bar(2500, of: 10_000, seconds: 2).text(width: 80)
                == "scan  [##########------------------------------]  25.0 %  1.3k keys/s  0:06 left")
        #expect(Self.bar(5, of: 10, seconds: 1).text(width: 30) == "scan  50.0 %  5 keys/s  0:01 l")
        #expect(Self.bar(1 << 21, of: nil, seconds: 2, unit: "bytes").text(width: 80) == "scan  2.0 MiB  1.0 MiB/s")
        #expect(Self.bar(20, of: 10, seconds: 1).text(width: 80).contains("100.0 %"))
        #expect(Self.bar(0, of: 10, seconds: 0).text(width: 80).contains("0.0 %  0 keys/s"))
        #expect(Self.bar(0, of: 0, seconds: 1).text(width: 0) == "")
        for width in 0..<100 { #expect(Self.bar(3, of: 7, seconds: 9).text(width: width).count <= width) }
    }

    @Test func amounts() {
        #expect(Amount.fixed(2.345, decimals: 2) == "2.35" && Amount.fixed(-0.001, decimals: 2) == "0.00")
        #expect(Amount.fixed(9.999, decimals: 1) == "10.0" && Amount.fixed(.infinity, decimals: 1) == "inf")
        #expect(Amount.short(999) == "999" && Amount.short(1234) == "1.2k" && Amount.short(5.6e9) == "5.6G")
        #expect(Amount.duration(7) == "0:07" && Amount.duration(754) == "12:34" && Amount.duration(10930) == "3:02:10")
    }

    @Test func widths() {
        #expect(CharacterWidth.of("abc") == 3 && CharacterWidth.of("日本") == 4 && CharacterWidth.of("e\u{301}") == 1)
        #expect(CharacterWidth.of("😀") == 2 && CharacterWidth.of("é") == 1 && CharacterWidth.of("") == 0)
    }

    @Test func columns() {
        #expect(Columns.text(["a", "bb", "ccc"], width: 80) == "a    bb   ccc\r\n")
        #expect(Columns.text(["a", "bb", "ccc"], width: 11) == "a    ccc\r\nbb\r\n")
        #expect(Columns.text(["a", "b"], width: 1) == "a\r\nb\r\n" && Columns.text([], width: 10) == "")
    }
}
