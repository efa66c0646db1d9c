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
        let (user, word) = (Bytes("u".utf8), Bytes("x".utf8))
        #expect(Self.traits("AUTH x").effect == .authenticate(Credentials(password: word)))
        #expect(Self.traits("AUTH u x").effect == .authenticate(Credentials(user: user, password: word)))
        #expect(Self.traits("HELLO").effect == .greet(version: nil, nil))
        #expect(Self.traits("hello 3 setname auth").effect == .greet(version: Bytes("3".utf8), nil))
        #expect(
            Self.traits("hello 3 setname me auth u x").effect
                == .greet(version: Bytes("3".utf8), Credentials(user: user, password: word)))
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
