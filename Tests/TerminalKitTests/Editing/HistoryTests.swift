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
