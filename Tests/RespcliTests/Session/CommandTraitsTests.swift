import RespCodec
import Testing

@testable import respcli

@Suite struct CommandTraitsTests {
    private static func traits(_ line: String) -> CommandTraits {
        CommandTraits(line.split(separator: " ").map { Bytes($0.utf8) })
    }

    @Test func streams() {
        #expect(Self.traits("Monitor").pattern == .monitor)
        for line in ["subscribe a", "PSUBSCRIBE a", "ssubscribe a"] {
            #expect(Self.traits(line).pattern == .subscription)
        }
        #expect(Self.traits("UNSUBSCRIBE").pattern == .confirmations(count: 1))
        #expect(Self.traits("punsubscribe a b").pattern == .confirmations(count: 2))
        #expect(Self.traits("psync ? -1").pattern == .replication)
        #expect(Self.traits("GET subscribe").pattern == .single)
    }

    @Test func effects() {
        #expect(Self.traits("Select 3").effect == .select(Bytes("3".utf8)))
        #expect(Self.traits("AUTH x").effect == .authenticate && Self.traits("AUTH u x").effect == .authenticate)
        #expect(Self.traits("MULTI").effect == .beginTransaction)
        #expect(Self.traits("EXEC").effect == .endTransaction)
        #expect(Self.traits("DISCARD").effect == .discardTransaction)
        #expect(Self.traits("RESET").effect == .reset)
        #expect(Self.traits("SHUTDOWN NOSAVE").effect == .shutDown)
        for line in ["SELECT", "SELECT 1 2", "AUTH", "MULTI x", "EXEC x", "RESET x", "GET select"] {
            #expect(Self.traits(line).effect == .none, "\(line)")
        }
    }

    @Test func textsForPeople() {
        for line in [
            "INFO", "info server", "LOLWUT 5", "debug htstats 0", "DEBUG HTSTATS-KEY k", "debug client-eviction",
            "MEMORY DOCTOR", "memory malloc-stats", "cluster info", "CLUSTER NODES", "client list", "CLIENT INFO",
            "latency graph x", "LATENCY DOCTOR", "proxy info",
        ] { #expect(Self.traits(line).isPlainText, "\(line)") }
        for line in [
            "GET info", "DEBUG OBJECT k", "cluster nodes x", "CLIENT GETNAME", "latency graph", "latency latest",
            "memory",
        ] {
            #expect(!Self.traits(line).isPlainText, "\(line)")
        }
    }
}

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
