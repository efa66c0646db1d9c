// The reader of options: what each of its methods takes, where it stands afterwards, and what it says of a mistake.

import RespCodec
import Testing

@testable import StoreEngine

struct ArgumentReaderTests {
    /// A reader of some words, the first of which is read next.
    private func reading<Result>(_ words: String..., body: (inout ArgumentReader) throws -> Result) rethrows -> Result {
        let request = OwnedArguments(words.map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        var reader = ArgumentReader(request.view, from: 0)
        return try body(&reader)
    }

    /// What reading gives, as text, or the text of the error.
    private func told<Value>(_ read: () throws -> Value) -> String {
        do {
            return "\(try read())"
        } catch let error as CommandError {
            let reply = ReplyWriter(capacity: 256)
            defer { reply.deallocate() }
            error.write(to: reply)
            return reply.written(1..<reply.count - 2).description
        } catch {
            return "\(error)"
        }
    }

    private static let notInteger = "ERR value is not an integer or out of range"

    // MARK: where it stands

    @Test func itBeginsWhereItIsTold() {
        let request = OwnedArguments(["GET", "key"].map { Array($0.utf8) })
        defer { withExtendedLifetime(request) {} }
        var reader = ArgumentReader(request.view, from: 1)
        #expect(reader.left == 1 && !reader.isAtEnd)
        #expect(reader.current == "key" && reader.next() == "key")
        #expect(reader.left == 0 && reader.isAtEnd && reader.index == 2)
        // Options may begin behind all arguments there are.
        let beyond = ArgumentReader(request.view, from: 3)
        #expect(beyond.isAtEnd && beyond.left < 0)
    }

    @Test func behindTheEndNoWordIsFound() {
        reading { reader in
            let isTaken = reader.takes("nx")
            #expect(!isTaken && !reader.isAt("nx") && reader.takesExistence() == nil)
            #expect(reader.takesExpireForm() == nil && reader.takesDeadlineCondition() == nil)
        }
    }

    @Test func theFirstLetterIsInLowerCase() {
        reading("NX", "nx", "", "-1") { reader in
            var letters: [UInt8] = []
            while !reader.isAtEnd {
                letters.append(reader.initial)
                reader.skip()
            }
            #expect(letters == [UInt8(ascii: "n"), UInt8(ascii: "n"), 0, UInt8(ascii: "-") | 0x20])
        }
    }

    // MARK: words

    @Test(arguments: [
        ("NX", true), ("nX", true), ("NX\0tail", true), ("NXX", false), ("N", false), ("", false), ("\0", false),
    ])
    func aWordIsTakenInAnyLetterCaseUpToAZeroByte(word: String, isTaken: Bool) {
        reading(word) { reader in
            #expect(reader.isAt("nx") == isTaken)
            let result = reader.takes("nx")
            #expect(result == isTaken && reader.index == (isTaken ? 1 : 0))
        }
    }

    @Test(arguments: 0...3)
    func aWordIsTakenOnlyWithItsOperands(operands: Int) {
        reading("LIMIT", "1", "2") { reader in
            let isTaken = reader.takes("limit", with: operands)
            #expect(isTaken == (operands <= 2))
            #expect(reader.left == (operands <= 2 ? 2 : 3))
        }
    }

    @Test func oneOfTwoWordsMustCome() {
        reading("LEFT", "right", "up") { reader in
            let found = [
                told { try reader.either("left", or: "right") }, told { try reader.either("left", or: "right") },
                told { try reader.either("left", or: "right") },
                told { try reader.either("left", or: "right", otherwise: .notInteger) },
            ]
            #expect(found == ["true", "false", "ERR syntax error", Self.notInteger])
            reader.skip()
            let behind = told { try reader.either("left", or: "right") }
            #expect(behind == "ERR syntax error")
        }
    }

    @Test func existenceIsTakenWithItsOwnWordsOrOthers() {
        reading("NX", "xx", "FNX", "fxx", "gt") { reader in
            let found = [
                reader.takesExistence(), reader.takesExistence(), reader.takesExistence("fnx", "fxx"),
                reader.takesExistence("fnx", "fxx"), reader.takesExistence(),
            ]
            #expect(found == [false, true, false, true, nil])
        }
    }

    @Test func nothingMayBeLeftOver() {
        reading("a") { reader in
            let found = [told { try reader.end() }, told { try reader.end(otherwise: .wrongArity("x")) }]
            #expect(found == ["ERR syntax error", "ERR wrong number of arguments for 'x' command"])
            reader.skip()
            let atEnd = told { try reader.end() }
            #expect(atEnd == "()")
        }
    }

    // MARK: numbers

    @Test func integersAreReadWithTheirBounds() {
        reading("7", "x", "0", "1", "-1", "9223372036854775807", "9223372036854775808") { reader in
            let small = CommandError.message("ERR small")
            let found = [
                told { try reader.integer() }, told { try reader.integer() },
                told { try reader.integer(atLeast: 1, otherwise: small) },
                told { try reader.integer(atLeast: 1, otherwise: small) },
                told { try reader.integer(in: 0...5, otherwise: small) },
                told { try reader.integer(atLeast: 0, otherwise: small) },
                told { try reader.integer(atLeast: 0, otherwise: small) },
            ]
            #expect(
                found == ["7", Self.notInteger, "ERR small", "1", "ERR small", "9223372036854775807", "ERR small"])
            #expect(reader.isAtEnd)
        }
    }

    @Test func anIntegerMayNeedAnOpposite() {
        reading("-9223372036854775807", "-9223372036854775808", "x") { reader in
            let found = [
                told { try reader.signedCount() }, told { try reader.signedCount() }, told { try reader.signedCount() },
            ]
            #expect(
                found == [
                    "-9223372036854775807",
                    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
                    Self.notInteger,
                ])
        }
    }

    @Test func floatingPointNumbersAreRead() {
        reading("1.5", "inf", "x", "nan") { reader in
            let found = [
                told { try reader.double() }, told { try reader.double() }, told { try reader.double() },
                told { try reader.double(otherwise: .message("ERR weight")) },
            ]
            #expect(found == ["1.5", "inf", "ERR value is not a valid float", "ERR weight"])
        }
    }

    @Test func databasesAreNumbered() {
        reading("15", "16", "-1", "4294967296") { reader in
            let found = (0..<4).map { _ in told { try reader.databaseIndex(of: 16) } }
            #expect(
                found == [
                    "15", "ERR DB index is out of range", "ERR DB index is out of range",
                    "ERR value is out of range, value must between -2147483648 and 2147483647",
                ])
        }
    }

    // MARK: several arguments

    @Test(arguments: [
        (0, 0, true), (3, 0, true), (4, 0, false), (2, 1, true), (3, 1, false), (Int.max, 0, false),
        (Int.max, 3, false),
    ])
    func argumentsArePassedOverIfThereAreEnough(count: Int, rest: Int, isEnough: Bool) {
        reading("a", "b", "c") { reader in
            let found = told { try reader.take(count, leaving: rest) }
            #expect(found == (isEnough ? "0..<\(count)" : "ERR syntax error"))
            #expect(reader.index == (isEnough ? count : 0))
        }
    }

    @Test func keysAreCounted() {
        reading("2", "a", "b", "LEFT") { reader in
            let keys = told { try reader.keys(leaving: 1) }
            #expect(keys == "1..<3" && reader.isAt("left"))
        }
        for number in ["0", "-1", "x", "9223372036854775808", ""] {
            reading(number, "a") { reader in
                let keys = told { try reader.keys() }
                #expect(keys == "ERR numkeys should be greater than 0")
            }
        }
        reading("2", "a", "b") { reader in
            let keys = told { try reader.keys(leaving: 1) }
            #expect(keys == "ERR syntax error")
        }
        reading("9223372036854775807", "a") { reader in
            let keys = told { try reader.keys(tooMany: .message("ERR many")) }
            #expect(keys == "ERR many")
        }
    }

    // MARK: options that several commands have

    @Test func limitsAreTakenWithBothNumbers() throws {
        try reading("LIMIT", "1", "-1", "limit", "1") { reader in
            let limits = try #require(try reader.takesLimits())
            #expect(limits == (1, -1))
            let more = try reader.takesLimits()
            #expect(more == nil && reader.isAt("limit"))
        }
        reading("LIMIT", "x", "1") { reader in
            let limits = told { try reader.takesLimits() }
            #expect(limits == Self.notInteger)
        }
    }

    @Test func aCountingLimitIsNotNegative() {
        reading("LIMIT", "0", "LIMIT", "-1", "LIMIT") { reader in
            let found = (0..<3).map { _ in told { try reader.takesCountingLimit() } }
            #expect(found == ["Optional(0)", "ERR LIMIT can't be negative", "nil"])
        }
    }

    @Test(arguments: ["0", "-1", "x", ""])
    func anAmountIsAtLeastOne(word: String) {
        reading(word, "1") { reader in
            let found = [told { try reader.amount() }, told { try reader.amount() }]
            #expect(found == ["ERR count should be greater than 0", "1"])
        }
    }

    @Test func popRequestsEndWithTheirCount() {
        func request(_ words: String...) -> String {
            let owned = OwnedArguments((["LMPOP"] + words).map { Array($0.utf8) })
            defer { withExtendedLifetime(owned) {} }
            return told {
                let found = try PopRequest(owned.view, from: 1, ListCommands.readEnd)
                return "\(found.keys) \(found.end) \(found.count)"
            }
        }
        #expect(request("2", "a", "b", "LEFT") == "2..<4 head 1")
        #expect(request("1", "a", "right", "count", "3") == "2..<3 tail 3")
        #expect(request("1", "a") == "ERR syntax error")
        #expect(request("1", "a", "up") == "ERR syntax error")
        #expect(request("1", "a", "LEFT", "COUNT") == "ERR syntax error")
        #expect(request("1", "a", "LEFT", "COUNT", "1", "COUNT", "0") == "ERR syntax error")
        #expect(request("1", "a", "LEFT", "COUNT", "0", "left") == "ERR count should be greater than 0")
    }

    @Test func drawsAreCountedWithTheirWord() {
        func draw(_ words: String...) -> String {
            let owned = OwnedArguments((["HRANDFIELD", "key"] + words).map { Array($0.utf8) })
            defer { withExtendedLifetime(owned) {} }
            return told {
                let found = try DrawRequest(owned.view, withValues: "withvalues")
                return "\(found.count) \(found.withValues)"
            }
        }
        #expect(draw("3") == "3 false")
        #expect(draw("-3", "WITHVALUES") == "-3 true")
        #expect(draw("3", "WITHSCORES") == "ERR syntax error")
        #expect(draw("3", "WITHVALUES", "WITHVALUES") == "ERR syntax error")
        #expect(draw("4611686018427387904", "WITHVALUES") == "ERR value is out of range")
        #expect(draw("4611686018427387904") == "4611686018427387904 false")
    }
}
