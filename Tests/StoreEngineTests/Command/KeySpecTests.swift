// Which arguments of a request are its keys: each kind of spec alone, then the commands whose keys are not where most have theirs.

import RespCodec
import Testing

@testable import StoreEngine

struct KeySpecTests {
    /// The keys that `specs` find in a request, and whether these are all.
    private func keys(_ specs: [KeySpec], _ words: String...) -> ([Int], isComplete: Bool) { keys(specs, words) }

    private func keys(_ specs: [KeySpec], _ words: [String]) -> ([Int], isComplete: Bool) {
        let request = OwnedArguments(words.map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        var found: [Int] = []
        let isComplete = specs.forEachKey(in: request.view) { index, _ in found.append(index) }
        return (found, isComplete)
    }

    /// The keys of a request and the names of their flags, as the command of that name finds them.
    private func flags(_ words: String...) throws -> [String] {
        let command = try #require(Engine.allCommands.first { $0.name == words[0] })
        let request = OwnedArguments(words.map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        var found: [String] = []
        command.forEachKey(in: request.view) { index, flags in
            found.append("\(words[index]): " + flags.names.map { "\($0)" }.joined(separator: " "))
        }
        return found
    }

    private func keys(of words: String...) throws -> [Int] {
        let command = try #require(Engine.allCommands.first { $0.name == words[0] })
        return keys(command.keys, words).0
    }

    // MARK: kinds of specs

    @Test func aRangeCountsItsEndFromTheFirstKeyOrFromTheLastArgument() {
        let three = [KeySpec(.ro, begin: .index(1), find: .range(last: 2, step: 1, limit: 0))]
        #expect(keys(three, "c", "a", "b", "d", "e") == ([1, 2, 3], true))
        #expect(keys(three, "c", "a", "b") == ([], false))
        let allButOne = [KeySpec(.ro, begin: .index(1), find: .range(last: -2, step: 1, limit: 0))]
        #expect(keys(allButOne, "c", "a", "b", "0") == ([1, 2], true))
        #expect(keys(allButOne, "c", "0") == ([], false))
        #expect(keys(allButOne, "c") == ([], false))
    }

    @Test func aRangeWithStepsPassesOverWhatIsBetween() {
        let pairs = [KeySpec(.ow, begin: .index(1), find: .range(last: -1, step: 2, limit: 0))]
        #expect(keys(pairs, "c", "a", "1", "b", "2") == ([1, 3], true))
        // With a value missing, which the command refuses, its key is one all the same.
        #expect(keys(pairs, "c", "a", "1", "b") == ([1, 3], true))
        #expect(keys(pairs, "c") == ([], false))
    }

    @Test func aRangeWithALimitTakesAPartOfWhatIsLeft() {
        let half = [KeySpec(.ro, begin: .keyword("STREAMS", from: 1), find: .range(last: -1, step: 1, limit: 2))]
        #expect(keys(half, "c", "streams", "a", "b", "0", "0") == ([2, 3], true))
        #expect(keys(half, "c", "COUNT", "1", "Streams", "a", "0") == ([4], true))
        // Of an odd number, the half without the one in the middle.
        #expect(keys(half, "c", "STREAMS", "a", "b", "0") == ([2], true))
        #expect(keys(half, "c", "STREAMS", "a") == ([], false))
    }

    @Test(arguments: [
        ("2", [2, 3], true), ("1", [2], true), ("3", [2, 3, 4], true), ("4", [], false), ("0", [], false),
        ("-1", [], false), ("2x", [], false), ("", [], false), ("9223372036854775807", [], false),
        ("-9223372036854775808", [], false), ("9223372036854775808", [], false), ("1e0", [], false),
    ])
    func aCountOfKeysIsTakenUpToTheLastArgument(count: String, found: [Int], isComplete: Bool) {
        let counted = [KeySpec(.ro, begin: .index(1), find: .keyCount(count: 0, first: 1, step: 1))]
        #expect(keys(counted, "c", count, "a", "b", "d") == (found, isComplete))
    }

    @Test func aCountMayBeOfPairs() {
        let pairs = [KeySpec(.ow, begin: .index(1), find: .keyCount(count: 0, first: 1, step: 2))]
        #expect(keys(pairs, "c", "2", "a", "1", "b", "2") == ([2, 4], true))
        #expect(keys(pairs, "c", "2", "a", "1", "b") == ([], false))
        #expect(keys(pairs, "c", "5", "a", "1", "b", "2") == ([], false))
        #expect(keys(pairs, "c") == ([], false))
    }

    @Test func aKeywordIsLookedForForwardsOrFromTheEndBackwards() {
        let forwards = [KeySpec(.ow, begin: .keyword("STORE", from: 2))]
        #expect(keys(forwards, "c", "store", "store", "a", "store", "b") == ([3], true))
        // Behind the last argument there is no key: as good as not there.
        #expect(keys(forwards, "c", "a", "store") == ([], true))
        #expect(keys(forwards, "c") == ([], true))
        let backwards = [KeySpec(.rw, begin: .keyword("KEYS", from: -2), find: .range(last: -1, step: 1, limit: 0))]
        #expect(keys(backwards, "c", "KEYS", "a", "keys", "b") == ([4], true))
        #expect(keys(backwards, "c", "KEYS", "a", "b", "d") == ([2, 3, 4], true))
        #expect(keys(backwards, "c", "a", "KEYS") == ([], true))
        #expect(keys(backwards, "KEYS", "a") == ([], true))
        #expect(keys(backwards, "c") == ([], true))
    }

    /// One key in its place or, where that is empty, many behind a word, as MIGRATE has them.
    @Test func anIncompleteSpecSaysSo() {
        let specs = [
            KeySpec([.rw, .incomplete], begin: .index(3)),
            KeySpec([.rw, .incomplete], begin: .keyword("KEYS", from: -2), find: .range(last: -1, step: 1, limit: 0)),
        ]
        #expect(keys(specs, "c", "host", "port", "a", "0", "1") == ([3], false))
        #expect(keys([specs[1]], "c", "host", "port", "", "0", "1", "KEYS", "a", "b") == ([7, 8], false))
        #expect(keys([specs[1]], "c", "host", "port", "a", "0", "1") == ([], true))
    }

    @Test func anIncompleteSpecMayKnowAFunctionThatFindsAll() {
        let spec = KeySpec([.rw, .incomplete], begin: .keyword("KEYS", from: -2)).findingAll { 2..<$0.count }
        let request = OwnedArguments(["c", "KEYS", "a", "b"].map { Array($0.utf8) })
        #expect(spec.allKeys?(request.view) == 2..<4 && spec.flags == [.rw, .incomplete])
        #expect(KeySpec([.rw], begin: .index(1)).allKeys == nil)
        withExtendedLifetime(request) {}
    }

    @Test func whatOnlyLooksLikeAKeyIsPassedOver() {
        let specs = [KeySpec([.notKey], begin: .index(1)), KeySpec(.ro, begin: .index(2))]
        #expect(keys(specs, "c", "shard", "a") == ([2], true))
    }

    @Test func aSpecThatDoesNotFitEndsTheSearch() {
        let specs = [
            KeySpec(.ow, begin: .index(1)),
            KeySpec(.ro, begin: .index(2), find: .keyCount(count: 0, first: 1, step: 1)),
            KeySpec(.ro, begin: .index(1)),
        ]
        #expect(keys(specs, "c", "to", "9", "a") == ([1], false))
    }

    @Test func aFunctionMayThrow() {
        let request = OwnedArguments(["DEL", "a", "b", "c"].map { Array($0.utf8) })
        let specs = [KeySpec(.rm, begin: .index(1), find: .range(last: -1, step: 1, limit: 0))]
        var seen: [Int] = []
        #expect(throws: CommandError.self) {
            try specs.forEachKey(in: request.view) { index, _ throws(CommandError) in
                seen.append(index)
                if index == 2 { throw .syntax }
            }
        }
        #expect(seen == [1, 2])
        withExtendedLifetime(request) {}
    }

    // MARK: commands

    @Test func keysOfMovingCommands() throws {
        #expect(try keys(of: "SORT", "k") == [1])
        #expect(try keys(of: "SORT", "k", "BY", "store", "STORE", "a", "get", "store", "Store", "b") == [1, 9])
        #expect(try keys(of: "SORT", "k", "LIMIT", "0", "STORE") == [1])
        #expect(try keys(of: "SORT_RO", "k", "STORE", "a") == [1])
        #expect(try keys(of: "GEORADIUS", "k", "0", "0", "1", "m", "STORE", "a", "STOREDIST", "b") == [1, 7, 9])
        #expect(try keys(of: "GEORADIUSBYMEMBER", "k", "store", "1", "m", "storedist", "b") == [1, 6])
        #expect(try keys(of: "GEORADIUS_RO", "k", "0", "0", "1", "m", "STORE", "a") == [1])
        #expect(try keys(of: "XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0") == [4, 5])
        #expect(try keys(of: "XREADGROUP", "GROUP", "streams", "c", "STREAMS", "a", ">") == [5])
        #expect(try keys(of: "ZUNIONSTORE", "to", "2", "a", "b", "WEIGHTS", "1", "2") == [1, 3, 4])
        #expect(try keys(of: "BLMPOP", "0", "2", "a", "b", "LEFT") == [3, 4])
        #expect(try keys(of: "BLPOP", "a", "b", "0") == [1, 2])
        #expect(try keys(of: "BITOP", "AND", "to", "a", "b") == [2, 3, 4])
        #expect(try keys(of: "MSETEX", "1", "a", "v", "EX", "9") == [2])
    }

    @Test func otherArgumentsChooseAmongTheFlags() throws {
        #expect(try flags("SET", "k", "v") == ["k: OW update"])
        #expect(try flags("SET", "k", "v", "GET") == ["k: RW access update"])
        #expect(try flags("BITFIELD", "k", "GET", "u8", "0") == ["k: RO access"])
        #expect(try flags("BITFIELD", "k", "SET", "u8", "0", "1") == ["k: RW access update"])
        #expect(try flags("DELEX", "k") == ["k: RM delete"])
        #expect(try flags("DELEX", "k", "IFEQ", "v") == ["k: RW delete"])
        #expect(try flags("RENAMENX", "a", "b") == ["a: RW access delete", "b: OW insert"])
    }

    @Test func flagsHaveTheirNamesInOrder() {
        #expect(
            KeySpec.Flags(rawValue: .max).names.map { "\($0)" } == [
                "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete",
                "variable_flags",
            ])
        #expect(
            KeySpec.Flags([.variableFlags, .delete, .rw]).names.map { "\($0)" } == ["RW", "delete", "variable_flags"])
        #expect(KeySpec.Flags().names.isEmpty)
    }

    // MARK: counts that are none

    @Test(
        arguments: [
            ("2x", [3, 4, 1]), (" 1", [3, 1]), ("+2", [3, 4, 1]), ("3", [3, 4, 5, 1]), ("4", nil), ("x", nil),
            ("-2", nil),
            ("0", nil), ("99999999999999999999", nil), ("4294967297", [3, 1]), ("9223372036854775807", nil),
        ] as [(String, [Int]?)])
    func aCountThatIsNoNumberIsReadAsFarAsItIsOne(count: String, expected: [Int]?) throws {
        let command = try #require(Engine.allCommands.first { $0.name == "ZUNIONSTORE" })
        let request = OwnedArguments(["ZUNIONSTORE", "to", count, "a", "b", "c"].map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        var found: [Int] = []
        let isFound = command.keys.forEachKeyCountedLeniently(in: request.view) { found.append($0) }
        #expect((isFound ? found : nil) == expected)
    }
}
