// `--test_hint LINE` and `--test_hint_file FILE`: the hints of the prompt without a prompt, as redis-cli has them since 7.2 for its own tests.
//
// A word counts as typed when a space follows it: behind "SET k v E" the hint is that of "SET k v ".

import Glibc
import RespCodec

struct HintMode {
    private let session: Session

    init(_ session: Session) { self.session = session }

    /// Returns the status to exit with. Without a server, hints are made from what an earlier one has told.
    func run(_ mode: Mode) -> CInt {
        session.connect(isQuiet: true)
        session.learnCommands()
        defer { session.output.flush() }
        guard mode == .hintCases else {
            session.output.pending += hint(session.options.hintInput) + [0x0A]
            return 0
        }
        return runCases(session.options.hintInput)
    }

    private func hint(_ line: Bytes) -> Bytes { session.guide.hint(line, countsUnfinishedWord: false) }

    /// Each line of the file that has two words is a case. Comments, empty lines and lines whose quotes do not balance are left out.
    private func runCases(_ path: Bytes) -> CInt {
        guard let contents = Session.contents(of: path) else {
            StandardError.write("Can't open file '\(Text.string(path))': \(Text.systemError(errno))\n")
            return 1
        }
        var passed = 0
        var failed = 0
        for line in contents.split(separator: 0x0A) where line.first != UInt8(ascii: "#") {
            guard let words = Bytes(line).withByteSlice({ QuotedWords.split($0) }), !words.isEmpty else { continue }
            guard words.count > 1 else {
                StandardError.write("The hint of '\(Text.string(words[0]))' is missing\n")
                return 1
            }
            let found = hint(words[0])
            if found == Self.balanced(words[1]) {
                passed += 1
            } else {
                failed += 1
                session.output.write(
                    "'\(Text.string(words[0]))' has the hint '\(Text.string(found))', not '\(Text.string(words[1]))'\n")
            }
        }
        session.output.write("\(failed == 0 ? "SUCCESS" : "FAILURE"): \(passed)/\(passed + failed) passed\n")
        return failed == 0 ? 0 : 1
    }

    /// The hint without closing brackets that nothing has opened. redis-cli leaves one behind a repeated option.
    private static func balanced(_ hint: Bytes) -> Bytes {
        var surplus = hint.count(where: { $0 == UInt8(ascii: "]") }) - hint.count(where: { $0 == UInt8(ascii: "[") })
        var hint = hint
        while surplus > 0, hint.last == UInt8(ascii: "]") {
            hint.removeLast()
            surplus -= 1
        }
        return hint
    }
}
