// Goal: hints and completions are those of a person who knows the syntax. Method: syntaxes as servers document them.

import RespCodec
import TerminalKit
import Testing

@testable import respcli

@Suite struct CommandGuideTests {
    private static func value(_ name: String, _ kind: ArgumentSyntax.Kind = .text, token: String? = nil)
        -> ArgumentSyntax
    {
        ArgumentSyntax(name: Bytes(name.utf8), kind: kind, token: token.map { Bytes($0.utf8) })
    }

    private static func optional(_ argument: ArgumentSyntax) -> ArgumentSyntax {
        var argument = argument
        argument.isOptional = true
        return argument
    }

    private static func repeated(_ argument: ArgumentSyntax) -> ArgumentSyntax {
        var argument = argument
        argument.isRepeated = true
        return argument
    }

    private static func token(_ token: String) -> ArgumentSyntax { value(token.lowercased(), .token, token: token) }

    private static let guide: CommandGuide = {
        func entry(_ name: String, _ arguments: [ArgumentSyntax], subcommands: [String] = []) -> CommandHelp {
            var entry = CommandHelp(name: Bytes(name.utf8))
            entry.group = Bytes("string".utf8)
            entry.arguments = arguments
            entry.subcommands = subcommands.map { Bytes($0.utf8) }
            return entry
        }
        let whole = ArgumentSyntax.Kind.number(isWhole: true)
        var gets = value("get-block", .block([value("encoding"), value("offset", whole)]), token: "GET")
        gets.repeatsToken = true
        return CommandGuide([
            entry("GET", [value("key")]), entry("GETEX", [value("key")]), entry("PING", [optional(value("message"))]),
            entry(
                "SET",
                [
                    value("key"), value("value"),
                    optional(value("condition", .choice([token("NX"), token("XX")]))), optional(token("GET")),
                    optional(
                        value("expiration", .choice([value("seconds", whole, token: "EX"), token("KEEPTTL")]))),
                ]),
            entry("MSET", [repeated(value("data", .block([value("key"), value("value")])))]),
            entry("DEL", [repeated(value("key"))]),
            entry("BITFIELD_RO", [value("key"), optional(repeated(gets))]),
            entry("LPOP", [value("key"), optional(value("count", whole))]),
            entry(
                "SORT",
                [
                    value("key"),
                    optional(value("limit", .block([value("offset", whole), value("count", whole)]), token: "LIMIT")),
                    optional(token("ALPHA")),
                ]),
            entry("CONFIG", [], subcommands: ["GET", "SET", "RESETSTAT"]),
            entry("CONFIG GET", [repeated(value("parameter"))]), entry("CONFIG RESETSTAT", []),
        ])
    }()

    @Test(arguments: [
        ("GET", " key"), ("get ", "key"), ("get a", ""), ("get a ", ""), ("get a b", ""), ("nosuch ", ""), ("", ""),
        ("ge", ""),
        ("SET", " key value [NX|XX] [GET] [EX seconds|KEEPTTL]"),
        ("set k ", "value [NX|XX] [GET] [EX seconds|KEEPTTL]"),
        ("set k v ", "[NX|XX] [GET] [EX seconds|KEEPTTL]"), ("set k v nx ", "[GET] [EX seconds|KEEPTTL]"),
        ("set k v GET ", "[NX|XX] [EX seconds|KEEPTTL]"), ("set k v ex ", "seconds [NX|XX] [GET]"),
        ("set k v ex 10", " [NX|XX] [GET]"), ("set k v get xx ex 10", ""), ("set k v nosuch ", ""),
        ("mset", " key value [key value ...]"), ("mset a ", "value [key value ...]"), ("mset a 1 ", "[key value ...]"),
        ("mset a 1 b ", "value [key value ...]"), ("del a", " [key ...]"), ("lpop k ", "[count]"), ("lpop k x ", ""),
        ("sort k limit ", "offset count [ALPHA]"), ("sort k limit 1 ", "count [ALPHA]"),
        ("sort k limit 1 2 ", "[ALPHA]"),
        ("bitfield_ro k ", "[GET encoding offset [GET encoding offset ...]]"),
        ("bitfield_ro k get ", "encoding offset [GET encoding offset ...]"),
        ("bitfield_ro k get u8 ", "offset [GET encoding offset ...]"),
        ("bitfield_ro k get u8 0 get ", "encoding offset [GET encoding offset ...]"),
        ("config ", "GET|RESETSTAT|SET"), ("config get ", "parameter [parameter ...]"), ("config resetstat", ""),
        ("help", " [COMMAND|@GROUP]"), ("connect ", "HOST PORT"), ("3 get ", "key"), ("get \"open", ""),
        ("ping ", "[message]"),
    ])
    func hints(line: String, hint: String) {
        #expect(Text.string(Self.guide.hint(Bytes(line.utf8))) == hint)
    }

    @Test(arguments: [
        ("SET", "key value [NX|XX] [GET] [EX seconds|KEEPTTL]"),
        ("SET ", "key value [NX|XX] [GET] [EX seconds|KEEPTTL]"),
        ("SET k", "key value [NX|XX] [GET] [EX seconds|KEEPTTL]"), ("SET k v ex", "[NX|XX] [GET] [EX seconds|KEEPTTL]"),
        ("SET k v ex ", "seconds [NX|XX] [GET]"), ("GET a", "key"), ("GET a ", ""), ("set k v nosuch ", ""),
    ])
    func hintsWithoutTheUnfinishedWord(line: String, hint: String) {
        let found = Text.string(Self.guide.hint(Bytes(line.utf8), countsUnfinishedWord: false))
        #expect(found == hint)
    }

    @Test(arguments: [
        ("ge", ["get", "getex"]), ("GE", ["GET", "GETEX"]), ("config ", ["GET", "RESETSTAT", "SET"]),
        ("config r", ["resetstat"]),
        ("set k v ", ["EX", "GET", "KEEPTTL", "NX", "XX"]), ("set k v n", ["nx"]),
        ("set k v nx ", ["EX", "GET", "KEEPTTL"]),
        ("set k v ex ", []), ("set ", []), ("help @", ["@string"]), ("help ge", ["get", "getex"]),
        (":set no", ["nocolor", "nohints", "nopager"]),
        ("nosuch ", []), ("3 ge", ["get", "getex"]), ("sort k ", ["ALPHA", "LIMIT"]), ("q", ["quit"]),
    ])
    func completions(line: String, candidates: [String]) {
        let completion = Self.guide.complete(Bytes(line.utf8), line.utf8.count)
        #expect(completion.candidates == candidates)
    }

    @Test func completionTakesTheWordBeforeTheCursor() {
        let completion = Self.guide.complete(Bytes("ge rest".utf8), 2)
        #expect(completion.range == 0..<2 && completion.candidates == ["get", "getex"])
    }
}
