// The options of SCAN and its relatives: which words each takes, and which mistake is told of first.

import RespCodec
import Testing

@testable import StoreEngine

struct ScanOptionsTests {
    private func read(_ words: [String], takesType: Bool = false, bareWord: StaticString? = nil) throws -> String {
        let request = OwnedArguments((["SCAN", "0"] + words).map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        let options = try ScanOptions(request.view, from: 2, takesType: takesType, bareWord: bareWord)
        return
            "\(options.pattern?.description ?? "-") \(options.count) \(options.type?.description ?? "-") \(options.omitsValues)"
    }

    private func isSyntaxError(_ words: [String], takesType: Bool = false, bareWord: StaticString? = nil) -> Bool {
        do {
            _ = try read(words, takesType: takesType, bareWord: bareWord)
            return false
        } catch CommandError.syntax {
            return true
        } catch {
            return false
        }
    }

    @Test func withoutOptionsTenElementsAreLookedAt() throws {
        #expect(try read([]) == "- 10 - false")
    }

    @Test func optionsComeInAnyOrderAndTheLastOfAKindCounts() throws {
        let words = ["COUNT", "5", "match", "a*", "Count", "7", "MATCH", "b*"]
        #expect(try read(words) == "b* 7 - false")
        #expect(try read(["TYPE", "hash", "COUNT", "1"], takesType: true) == "- 1 hash false")
        #expect(try read(["NOVALUES", "COUNT", "1", "novalues"], bareWord: "novalues") == "- 1 - true")
    }

    @Test func aLoneStarIsNoPattern() throws {
        #expect(try read(["MATCH", "*"]) == "- 10 - false")
        #expect(try read(["MATCH", "**"]) == "** 10 - false")
    }

    @Test func whatACommandDoesNotTakeIsASyntaxError() {
        for words in [
            ["COUNT"], ["MATCH"], ["TYPE", "hash"], ["COUNT", "0"], ["COUNT", "-1"], ["none"], ["COUNT", "1", "x"],
        ] {
            #expect(isSyntaxError(words), "\(words)")
        }
        #expect(isSyntaxError(["TYPE"], takesType: true))
        #expect(isSyntaxError(["NOSCORES"], bareWord: "novalues"))
    }

    @Test func theWordOfHashesHasAnErrorOfItsOwnElsewhere() throws {
        #expect(throws: CommandError.self) { try read(["NOVALUES"]) }
        #expect(!isSyntaxError(["NOVALUES"]) && !isSyntaxError(["novalues", "COUNT"], bareWord: "noscores"))
    }

    @Test func aCountThatIsNoNumberIsToldOf() throws {
        do {
            _ = try read(["COUNT", "x", "none"])
            Issue.record("x is no count")
        } catch CommandError.notInteger {}
    }
}
