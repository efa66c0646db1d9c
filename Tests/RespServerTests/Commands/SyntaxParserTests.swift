// The syntax of commands as COMMAND DOCS lists it: each form of the notation, and every command of the table.

import StoreEngine
import Testing

@testable import RespServer

@Suite struct SyntaxParserTests {
    private func parts(_ syntax: String, keys: [KeySpec] = []) -> [SyntaxPart] {
        let command = Command<SessionContext>(
            "TEST", group: .generic, since: "1.0.0", arity: -1, flags: [], keys: keys, syntax: syntax, summary: "",
            complexity: "")
        return SyntaxParser.arguments(of: CommandInfo(command))
    }

    /// A part in one line: name:type, its token, flags, versions and parts.
    private func described(_ part: SyntaxPart) -> String {
        var text = part.name + ":" + part.type.rawValue
        if let token = part.token { text += "=\(token)" }
        if part.isOptional { text += "?" }
        if part.isMultiple { text += "*" }
        if part.repeatsToken { text += "+" }
        if let spec = part.keySpec { text += "#\(spec)" }
        if let since = part.since { text += "@\(since)" }
        if let version = part.deprecatedSince { text += "@-\(version)" }
        if !part.parts.isEmpty { text += "(" + part.parts.map(described).joined(separator: " ") + ")" }
        return text
    }

    private func described(_ syntax: String, keys: [KeySpec] = []) -> String {
        parts(syntax, keys: keys).map(described).joined(separator: " ")
    }

    @Test(
        arguments: [
            ("", ""),
            ("word", "word:string"),
            ("count", "count:integer"),
            ("[KEEPTTL]", "keepttl:pure-token=KEEPTTL?"),
            ("which=<key | none=\"\">", "which:oneof(key:key none:pure-token=)"),
            ("[EX seconds]", "seconds:integer=EX?"),
            ("[NX | XX]", "choice:oneof?(nx:pure-token=NX xx:pure-token=XX)"),
            ("condition=[NX | XX]", "condition:oneof?(nx:pure-token=NX xx:pure-token=XX)"),
            ("<M | KM>", "choice:oneof(m:pure-token=M km:pure-token=KM)"),
            ("value [value ...]", "value:string*"),
            ("field value [field value ...]", "data:block*(field:string value:string)"),
            ("[LIMIT offset count]", "limit:block=LIMIT?(offset:integer count:integer)"),
            ("[GET pattern [GET pattern ...]]", "pattern:pattern=GET?*+"),
            ("min:double", "min:double"),
            ("change=CH", "change:pure-token=CH"),
            ("unix-time-seconds", "unix-time-seconds:unix-time"),
            ("word@6.2.0", "word:string@6.2.0"),
            ("min:double@10.0.11", "min:double@10.0.11"),
            ("old=ip:port@-2.8.12", "old:string@-2.8.12"),
            ("word@2.0.0@-3.0.0", "word:string@2.0.0@-3.0.0"),
            ("[KEEPTTL]@6.0.0", "keepttl:pure-token=KEEPTTL?@6.0.0"),
            ("[EX seconds]@6.2.0", "seconds:integer=EX?@6.2.0"),
            ("[EX@6.2.0 seconds]", "seconds:integer=EX?@6.2.0"),
            (
                "unit=[BYTE | BIT@8.0.0]@7.0.0 key",
                "unit:oneof?@7.0.0(byte:pure-token=BYTE bit:pure-token=BIT@8.0.0) key:key"
            ),
            ("[LIMIT offset count]@6.2.0", "limit:block=LIMIT?@6.2.0(offset:integer count:integer)"),
            ("<A x | B@6.0.0 y z>", "choice:oneof(x:string=A b:block=B@6.0.0(y:string z:string))"),
            ("[ID id [id ...]]@6.2.0", "id:string=ID?*@6.2.0"),
        ] as [(String, String)])
    func notation(syntax: String, expected: String) { #expect(described(syntax) == expected) }

    @Test(
        arguments: [
            "word@", "word@6", "word@6.2", "word@6.2.x", "word@6.2.0.1", "word@6..0", "word@-", "word@6.2.0@7.0.0",
            "word@-6.2.0@-7.0.0", "@6.2.0", "word @6.2.0", "[word @6.2.0]", "[@6.2.0 word]", "<A |@6.2.0 B>",
            "[A] @6.2.0",
            "word [word ...]@6.2.0", "name=", "[word", "<A | B", "[A>", "<A]", "word]", "A | B>", "unit=<A",
            "word ...@6.2.0",
        ])
    func whatIsMalformedIsRefused(syntax: String) {
        #expect(throws: SyntaxParser.Malformed.self) { try SyntaxParser.parts(syntax) }
    }

    @Test func versionsAreNotShown() {
        #expect(!CommandPage.ofAllCommands.contains("@"))
    }

    @Test func keysGetTheirSpecs() {
        let specs = [KeySpec.first(.ro), KeySpec([.ow], begin: .index(2))]
        #expect(described("source destination", keys: specs) == "source:key#0 destination:key#1")
        #expect(described("key key key", keys: specs) == "key:key#0 key:key#1 key:key#1")
        #expect(described("destination#1 source#0", keys: specs) == "destination:key#1 source:key#0")
    }

    /// Nothing of any command's syntax is lost: each word of it is somewhere among the parts.
    @Test func everyCommandOfTheTable() {
        var count = 0
        func check(_ record: CommandRecord) {
            let found = names(SyntaxParser.arguments(of: record.info))
            for word in record.info.syntax.split(whereSeparator: { " []<>|".contains($0) })
            where word != "..." && word.first != "@" {
                // What is behind @ are versions.
                var text = word.split(separator: "@")[0].split(separator: "#")[0]
                if let mark = text.lastIndex(of: ":"), mark > text.startIndex { text = text[..<mark] }
                // `name=` names what is after it.
                let pieces = text.split(separator: "=")
                #expect(
                    !pieces.isEmpty && pieces.allSatisfy { found.contains($0 == "\"\"" ? "" : String($0)) },
                    "\(word) of \(record.fullName)"
                )
                count += 1
            }
            record.subcommands.forEach(check)
        }
        for command in Engine.allCommands { check(CommandRecord(command)) }
        for command in SessionCommands.all { check(CommandRecord(command)) }
        #expect(count > 700)
    }

    private func names(_ parts: [SyntaxPart]) -> Set<String> {
        parts.reduce(into: []) { names, part in
            names.formUnion([part.name, part.displayText] + (part.token.map { [$0] } ?? []))
            names.formUnion(self.names(part.parts))
        }
    }
}
