// The options that say when something expires, in all their combinations, and the deadlines they make.

import RespCodec
import Testing

@testable import StoreEngine

struct ExpireTimeTests {
    private static let now: Int64 = 1_700_000_000_000

    /// What a command makes of options that only say when a key expires: the deadline, whether its own word was given; nil for a syntax error.
    private func read(_ words: [String], word: StaticString, mayRepeat: Bool) throws -> (
        deadline: Int64?, hasWord: Bool
    )? {
        let request = OwnedArguments(words.map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        var reader = ArgumentReader(request.view, from: 0)
        var option = ExpireOption()
        while !reader.isAtEnd {
            do {
                guard try option.take(from: &reader, or: word, mayRepeat: mayRepeat) else { return nil }
            } catch {
                guard case .syntax = error else { throw error }
                return nil
            }
        }
        return (try option.deadline(now: Self.now, command: "set"), option.hasWord)
    }

    @Test func eachFormMakesADeadline() throws {
        let forms: [(String, Int64)] = [
            ("EX", Self.now + 5000), ("px", Self.now + 5), ("ExAt", 5000), ("PXAT\0tail", 5),
        ]
        for (word, deadline) in forms {
            let found = try #require(try read([word, "5"], word: "keepttl", mayRepeat: true))
            #expect(found == (deadline, false))
        }
        #expect(try #require(try read(["KEEPTTL"], word: "keepttl", mayRepeat: true)) == (nil, true))
        #expect(try #require(try read([], word: "keepttl", mayRepeat: true)) == (nil, false))
    }

    @Test func optionsExcludeEachOther() throws {
        let options = [["EX", "1"], ["PX", "1"], ["EXAT", "1"], ["PXAT", "1"], ["PERSIST"]]
        for one in options {
            for other in options {
                let repeated = try read(one + other, word: "persist", mayRepeat: true)
                #expect((repeated != nil) == (one == other))
                #expect(try read(one + other, word: "persist", mayRepeat: false) == nil)
            }
        }
    }

    @Test func ofRepeatedOptionsTheLastCounts() throws {
        #expect(
            try #require(try read(["EX", "1", "EX", "2"], word: "persist", mayRepeat: true)) == (Self.now + 2000, false)
        )
    }

    @Test func anOptionWithoutItsTimeIsNone() throws {
        for word in ["EX", "PX", "EXAT", "PXAT", "NX", "KEEPTTL"] {
            #expect(try read([word], word: "persist", mayRepeat: true) == nil)
        }
    }

    @Test(arguments: ["0", "-1", "9223372036854775807", "9223372036854775"])
    func timesMustBePositiveAndCountable(amount: String) throws {
        do {
            _ = try read(["EX", amount], word: "persist", mayRepeat: true)
            Issue.record("no deadline is made of \(amount) seconds")
        } catch CommandError.invalidExpire(let command) {
            #expect(command == "set")
        }
    }

    @Test func whatIsNoNumberIsToldOf() throws {
        do {
            _ = try read(["EX", "1.5"], word: "persist", mayRepeat: true)
            Issue.record("no deadline is made of a fraction")
        } catch CommandError.notInteger {}
    }

    @Test func conditionsCompareWithTheCurrentDeadline() {
        let cases: [(DeadlineCondition, current: Int64?, Bool)] = [
            ([], nil, true), ([], 10, true), (.absent, nil, true), (.absent, 10, false), (.present, nil, false),
            (.present, 10, true),
            // Without a deadline one counts as expiring at the end of time.
            (.later, nil, false), (.later, 4, true), (.later, 5, false), (.later, 6, false),
            (.earlier, nil, true), (.earlier, 4, false), (.earlier, 5, false), (.earlier, 6, true),
            ([.present, .earlier], nil, false), ([.present, .earlier], 6, true), ([.present, .later], 4, true),
        ]
        for (condition, current, isAllowed) in cases {
            #expect(condition.allows(5, instead: current) == isAllowed, "\(condition) \(current ?? -1)")
        }
    }

    @Test func formsNameTheirArguments() {
        let forms: [ExpireTime.Form] = [.ex, .px, .exat, .pxat]
        #expect(forms.map(\.argument) == ["seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds"])
        #expect(forms.map(\.milliseconds) == [1000, 1, 1000, 1])
    }
}
