import RespCodec
import Testing

@testable import respcli

@Suite struct CommandHelpTests {
    private static func text(_ text: String) -> Reply { .bulkString(Bytes(text.utf8)) }

    private static func map(_ pairs: (String, Reply)..., flat: Bool = false) -> Reply {
        flat
            ? .array(pairs.flatMap { [text($0.0), $0.1] })
            : .map(pairs.map { .init(key: text($0.0), value: $0.1) })
    }

    private static func flags(_ names: String...) -> Reply { .set(names.map { .simpleString(Bytes($0.utf8)) }) }

    private static func help(_ arguments: [Reply], flat: Bool = false) -> CommandHelp? {
        let command = map(
            ("summary", text("Does it")), ("since", text("1.0.0")), ("group", text("generic")),
            ("arguments", .array(arguments)),
            flat: flat)
        return CommandHelp.entries(of: map(("do", command), flat: flat)).first
    }

    @Test func syntaxOfArguments() {
        let choice = Self.map(
            ("name", Self.text("condition")), ("type", Self.text("oneof")), ("flags", Self.flags("optional")),
            (
                "arguments",
                .array([
                    Self.map(("name", Self.text("nx")), ("type", Self.text("pure-token")), ("token", Self.text("NX"))),
                    Self.map(
                        ("name", Self.text("seconds")), ("type", Self.text("integer")), ("token", Self.text("EX"))),
                ])
            ))
        let block = Self.map(
            ("name", Self.text("pair")), ("type", Self.text("block")), ("flags", Self.flags("multiple")),
            (
                "arguments",
                .array([
                    Self.map(("name", Self.text("field")), ("type", Self.text("string"))),
                    Self.map(
                        ("name", Self.text("value")), ("display_text", Self.text("text")), ("type", Self.text("string"))
                    ),
                ])
            ))
        let weights = Self.map(
            ("name", Self.text("weight")), ("type", Self.text("integer")), ("token", Self.text("W")),
            ("flags", Self.flags("optional", "multiple", "multiple_token")))
        let expected = "[NX|EX seconds] field text [field text ...] [W weight [W weight ...]]"
        for flat in [false, true] {
            let help = Self.help([choice, block, weights], flat: flat)
            #expect(help?.name == Bytes("DO".utf8))
            #expect(help.map { String(decoding: $0.syntax, as: UTF8.self) } == expected)
        }
    }

    @Test func subcommandsAreEntriesByName() {
        let inner = Self.map(("summary", Self.text("Inner")))
        let reply = Self.map(
            ("zeta", Self.map(("summary", Self.text("Z")))),
            ("config", Self.map(("subcommands", Self.map(("config|set", inner), ("config|get", inner))))))
        let entries = CommandHelp.entries(of: reply)
        #expect(
            entries.map { String(decoding: $0.name, as: UTF8.self) } == ["CONFIG", "CONFIG GET", "CONFIG SET", "ZETA"])
        #expect(entries[0].begins(with: [Bytes("config".utf8)]) && entries[1].begins(with: [Bytes("Config".utf8)]))
        #expect(!entries[0].begins(with: [Bytes("config".utf8), Bytes("get".utf8)]))
    }

    @Test func anyOtherReplyIsNoHelp() {
        #expect(CommandHelp.entries(of: .integer(1)).isEmpty)
        #expect(CommandHelp.entries(of: .array([.integer(1)])).isEmpty)
        #expect(CommandHelp.entries(of: .array([.integer(1), .array([.null])])).isEmpty)
        #expect(Self.help([.integer(1), .array([])])?.syntax == Bytes(#""" """#.utf8))
    }
}
