// Effects: what each command that tells its own says, that nothing is told of what changed nothing, groups, and that a second engine comes
// to the same data by them, whatever time it is there.

import RespCodec
import Testing

@testable import StoreEngine

struct EffectTests {
    static let start: Int64 = 1_700_000_000_000

    /// An engine and what it tells.
    private final class Recorded {
        let engine = Engine(seed: 7)
        private(set) var log = EffectLog()

        init() {
            engine.setTime(EffectTests.start)
            engine.effectSink = log
        }

        @discardableResult
        func run(_ line: String, database: Int = 0) -> String {
            let words = line.split(separator: " ").map { $0 == "''" ? [] : Array($0.utf8) }
            return String(decoding: engine.execute(words, database: database), as: UTF8.self)
        }

        /// Runs a command and returns its effects, SELECT left out.
        func effects(_ line: String, database: Int = 0) -> [String] {
            let before = log.bytes.count
            run(line, database: database)
            return told(from: before)
        }

        func told(from start: Int) -> [String] {
            var found: [String] = []
            Array(log.bytes[start...]).withByteSlice { bytes in
                try? Engine.forEachRequest(in: bytes) { words in
                    found.append((0..<words.count).map { words[$0].description }.joined(separator: " "))
                }
            }
            return found.filter { !$0.hasPrefix("SELECT") }
        }

        /// What is wrong in an engine that has run the effects at another time; nil if nothing is.
        func problem(at time: Int64) -> String? {
            let other = Engine(seed: 99)
            other.setTime(time)
            do throws(ReplayError) {
                let failures = try log.bytes.withByteSlice { bytes throws(ReplayError) in try other.replay(bytes) }
                guard failures.isEmpty else { return failures.joined(separator: "; ") }
            } catch {
                return error.description
            }
            return other.exactDigest() == engine.exactDigest() ? nil : "other data"
        }
    }

    private static func all(_ commands: [Command<KeyspaceContext>]) -> [Command<KeyspaceContext>] {
        commands.flatMap { [$0] + all($0.subcommands) }
    }

    @Test func everyCommandThatWritesDeclaresItsEffectAndNoOtherDoes() {
        for command in Self.all(Engine.allCommands) {
            let writes = !command.flags.isDisjoint(with: [.write, .mayWrite])
            #expect(writes == (command.effect != .none), "\(command.name)")
            // What it waited for is no part of what it did.
            if writes && command.flags.contains(.blocking) { #expect(command.effect == .explicit, "\(command.name)") }
        }
    }

    /// Lines that prepare, a command, and its effects. "T" stands for the time at the start.
    private static let told: [(String, [String])] = [
        ("SET k v", ["SET k v"]),
        ("SET k v EX 10", ["SET k v PXAT T+10000"]),
        ("SET k v XX PX 10 GET; SET k v; SET k w XX PX 10 GET", ["SET k w PXAT T+10"]),
        ("SET k v NX GET", ["SET k v"]),
        ("SET k v; SET k v IFEQ v KEEPTTL", ["SET k v KEEPTTL"]),
        ("SETEX k 10 v", ["SET k v PXAT T+10000"]),
        ("PSETEX k 10 v", ["SET k v PXAT T+10"]),
        ("SET k 1; GETSET k v", ["SET k v"]),
        ("SET k v; GETDEL k", ["DEL k"]),
        ("SET k v; GETEX k EX 1", ["PEXPIREAT k T+1000"]),
        ("SET k v EX 5; GETEX k PERSIST", ["PERSIST k"]),
        ("SET k v; GETEX k PXAT 1", ["DEL k"]),
        ("SET k v; GETEX k", []),
        ("SET k v; EXPIRE k 2 NX", ["PEXPIREAT k T+2000"]),
        ("SET k v; EXPIRE k -1", ["DEL k"]),
        ("SET k v EX 5; EXPIRE k 2 NX", []),
        ("SET k v EX 5; PERSIST k", ["PERSIST k"]),
        ("INCRBYFLOAT k 1.5", ["SET k 1.5 KEEPTTL"]),
        ("INCREX k BYINT 3 EX 1", ["SET k 3 PXAT T+1000"]),
        ("INCREX k BYFLOAT 0.5", ["SET k 0.5"]),
        ("INCREX k BYINT 3 UBOUND 1", []),
        ("MSETEX 2 a 1 b 2 EX 1", ["MULTI", "SET a 1 PXAT T+1000", "SET b 2 PXAT T+1000", "EXEC"]),
        ("MSETEX 2 a 1 b 2 NX", ["MSET a 1 b 2"]),
        ("MSETEX 1 a 1 KEEPTTL", ["SET a 1 KEEPTTL"]),
        ("SET k v; DELEX k IFEQ v", ["DEL k"]),
        ("SET k v; DELIFEQ k w", []),
        ("SET k v; SETNX k w", []),
        ("DEL a b", []),
        ("SET a 1; DEL a b", ["DEL a b"]),
        ("SADD s a; SPOP s", ["SREM s a"]),
        ("SADD s a; SPOP s 5", ["DEL s"]),
        ("SADD s a b; SMOVE s t a", ["SMOVE s t a"]),
        ("RPUSH l a b c; BLPOP x l 0", ["LPOP l"]),
        ("RPUSH l a b c; BRPOP l 0", ["RPOP l"]),
        ("RPUSH l a b c; BLMOVE l m LEFT RIGHT 0", ["LMOVE l m LEFT RIGHT"]),
        ("RPUSH l a b c; BRPOPLPUSH l m 0", ["RPOPLPUSH l m"]),
        ("RPUSH l a b c; BLMPOP 0 2 x l LEFT COUNT 9", ["LPOP l 3"]),
        ("RPUSH l a b c; LMPOP 2 x l RIGHT", ["RPOP l 1"]),
        ("RPUSH l a b c; BLMOVEM l m LEFT RIGHT 0 COUNT 2 BULK", ["LMOVEM l m LEFT RIGHT COUNT 2 BULK"]),
        ("RPUSH l a b c; LMOVEM l m LEFT RIGHT COUNT 2 OBO", ["LMOVEM l m LEFT RIGHT COUNT 2 OBO"]),
        ("BLPOP l 0", []),
        ("ZADD z 1 a 2 b; BZPOPMIN z 0", ["ZPOPMIN z"]),
        ("ZADD z 1 a 2 b; BZPOPMAX z 0", ["ZPOPMAX z"]),
        ("ZADD z 1 a 2 b; BZMPOP 0 1 z MAX COUNT 5", ["ZPOPMAX z 2"]),
        ("ZADD z 1 a 2 b; ZMPOP 1 z MIN", ["ZPOPMIN z 1"]),
        ("GEOADD g NX 13.3 38.1 a", ["ZADD g NX 3479076843417631 a"]),
        ("HSET h a 1; HINCRBYFLOAT h a 0.5", ["HSET h a 1.5"]),
        ("HSETEX h EX 5 FIELDS 1 a 1; HINCRBYFLOAT h a 0.5", ["HSETEX h KEEPTTL FIELDS 1 a 1.5"]),
        ("HSET h a 1 b 2; HEXPIRE h 5 FIELDS 2 a x", ["HPEXPIREAT h T+5000 FIELDS 1 a"]),
        ("HSET h a 1 b 2; HPEXPIREAT h 1 FIELDS 2 a b", ["HDEL h a b"]),
        ("HSETEX h EX 5 FIELDS 1 a 1; HPERSIST h FIELDS 2 a b", ["HPERSIST h FIELDS 1 a"]),
        ("HSET h a 1; HGETEX h PX 5 FIELDS 2 a b", ["HPEXPIREAT h T+5 FIELDS 1 a"]),
        ("HSETEX h EX 5 FIELDS 1 a 1; HGETEX h PERSIST FIELDS 1 a", ["HPERSIST h FIELDS 1 a"]),
        ("HSET h a 1; HGETEX h PXAT 1 FIELDS 1 a", ["HDEL h a"]),
        ("HSET h a 1; HGETEX h FIELDS 1 a", []),
        ("HSETEX h FNX EX 5 FIELDS 1 a 1", ["HSETEX h PXAT T+5000 FIELDS 1 a 1"]),
        ("HSETEX h FIELDS 1 a 1", ["HSET h a 1"]),
        ("HSETEX h KEEPTTL FIELDS 1 a 1", ["HSETEX h KEEPTTL FIELDS 1 a 1"]),
        ("HSET h a 1; HSETEX h PXAT 1 FIELDS 1 a 2", ["HDEL h a"]),
        ("HSET h a 1; HGETDEL h FIELDS 2 a b", ["HDEL h a"]),
        ("XADD x * a 1", ["XADD x T-0 a 1"]),
        ("XADD x 5-* a 1", ["XADD x 5-0 a 1"]),
        ("XADD x 1 a 1; XADD x MAXLEN 1 2 a 1", ["XADD x MAXLEN 1 2 a 1"]),
        ("XADD x 1 a 1; XADD x NOMKSTREAM MAXLEN ~ 1 * a 1", ["XADD x MAXLEN = 2 T-0 a 1"]),
        ("XADD x 1 a 1; XTRIM x MAXLEN 0", ["XTRIM x MAXLEN 0"]),
        ("XADD x 1 a 1; XTRIM x MINID ~ 5", ["XTRIM x MAXLEN = 0"]),
        ("XADD x 1 a 1; XTRIM x MAXLEN ~ 1", []),
        (
            "XADD x 1 a 1; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >",
            [
                "MULTI", "XGROUP CREATECONSUMER x g c",
                "XCLAIM x g c 0 1-0 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
                "XGROUP SETID x g 1-0 ENTRIESREAD 1", "EXEC",
            ]
        ),
        (
            "XADD x 1 a 1; XGROUP CREATE x g 0; XREADGROUP GROUP g c NOACK STREAMS x >",
            ["MULTI", "XGROUP CREATECONSUMER x g c", "XGROUP SETID x g 1-0 ENTRIESREAD 1", "EXEC"]
        ),
        (
            "XADD x 1 a 1; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XREADGROUP GROUP g c STREAMS x 0",
            ["XCLAIM x g c 0 1-0 TIME T RETRYCOUNT 2 FORCE JUSTID LASTID 1-0"]
        ),
        ("XADD x 1 a 1; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XREADGROUP GROUP g c STREAMS x >", []),
        (
            "XADD x 1 a 1; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XCLAIM x g c 0 1 IDLE 7 RETRYCOUNT 5",
            ["XCLAIM x g c 0 1-0 TIME T-7 RETRYCOUNT 5 FORCE JUSTID LASTID 1-0"]
        ),
        (
            "XADD x 1 a 1; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XDEL x 1; XAUTOCLAIM x g c 0 0",
            ["XACK x g 1-0"]
        ),
        (
            "XADD x 1 a 1; XGROUP CREATE x g 0; XGROUP CREATECONSUMER x g c; XCLAIM x g c 0 9 LASTID 1",
            ["XGROUP SETID x g 1-0 ENTRIESREAD -1"]
        ),
        ("SET k v; COPY k l", ["COPY k l"]),
        ("SET k v; MOVE k 3", ["MOVE k 3"]),
        ("RPUSH l b a; SORT l ALPHA STORE d", ["SORT l ALPHA STORE d"]),
        ("RPUSH l b a; SORT l ALPHA GET v* STORE d", ["RPUSH d '' ''"]),
        ("RPUSH d x; SORT nothing BY w* STORE d", ["DEL d"]),
        ("PFADD p a; PFCOUNT p; PFCOUNT p", []),
        ("PFADD p a; PFCOUNT p", ["PFCOUNT p"]),
        ("SET k v; FLUSHALL", ["FLUSHALL"]),
        ("FLUSHALL", ["FLUSHALL"]),
        ("GET k", []),
        ("LPUSH k", []),
    ]

    @Test(arguments: told.indices)
    func commandsTellWhatTheyDid(_ index: Int) {
        let (line, expected) = Self.told[index]
        let recorded = Recorded()
        let lines = line.split(separator: ";").map { $0.trimmingPrefix(while: { $0 == " " }) }
        for line in lines.dropLast() { recorded.run(String(line)) }
        let effects = recorded.effects(String(lines[lines.count - 1]))
        let meant = expected.map { effect in
            effect.split(separator: " ").map { Self.timed(String($0)) }.joined(separator: " ")
        }
        #expect(effects == meant, "\(line)")
        for time in [Self.start, Self.start + 1_000_000_000_000, 1] where time != 1 || !line.contains("CLAIM") {
            // A time of delivery that is still to come is taken for now.
            guard time != 1 || !line.contains("XREADGROUP") else { continue }
            #expect(recorded.problem(at: time) == nil, "\(line)")
        }
    }

    /// A word of the table with the time put in.
    private static func timed(_ word: String) -> String {
        guard word.first == "T" else { return word == "''" ? "" : word }
        let rest = word.dropFirst()
        if rest.isEmpty { return "\(start)" }
        if rest == "-0" { return "\(start)-0" }
        return rest.allSatisfy { "+-0123456789".contains($0) } ? "\(start + Int64(rest)!)" : word
    }

    // MARK: expiry

    @Test func whatIsExpiredIsToldOfWhereverItIsMet() {
        let recorded = Recorded()
        recorded.run("SET lazy 1 PX 10")
        recorded.run("SET active 1 PX 10")
        recorded.run("HSETEX h PX 10 FIELDS 2 a 1 b 2")
        recorded.run("HSETEX whole PX 10 FIELDS 1 a 1")
        recorded.run("HSET h c 3")
        recorded.engine.setTime(Self.start + 11)
        #expect(recorded.effects("GET lazy") == ["DEL lazy"])
        #expect(recorded.effects("HGET h a") == ["HDEL h a"])
        let before = recorded.log.bytes.count
        while !recorded.engine.expireCycle(budget: 1) {}
        #expect(Set(recorded.told(from: before)) == ["DEL active", "HDEL h b", "HDEL whole a"])
        #expect(recorded.problem(at: Self.start) == nil && recorded.problem(at: Self.start * 2) == nil)
    }

    @Test func aWriteOnWhatIsExpiredIsPrecededByItsEnd() {
        let recorded = Recorded()
        recorded.run("RPUSH l old")
        recorded.run("PEXPIRE l 10")
        recorded.run("HSETEX h PX 10 FIELDS 1 n 5")
        recorded.run("SET k v PX 10")
        recorded.run("SET k v", database: 1)
        recorded.engine.setTime(Self.start + 11)
        #expect(recorded.effects("RPUSH l new") == ["MULTI", "DEL l", "RPUSH l new", "EXEC"])
        #expect(recorded.effects("HINCRBY h n 1") == ["MULTI", "HDEL h n", "HINCRBY h n 1", "EXEC"])
        #expect(recorded.effects("MOVE k 0", database: 1) == ["MULTI", "DEL k", "MOVE k 0", "EXEC"])
        // What only looks at something expired has no effect but that.
        recorded.run("SET s v PX 1")
        recorded.engine.setTime(Self.start + 20)
        #expect(recorded.effects("LPUSHX s v") == ["DEL s"])
        #expect(recorded.problem(at: Self.start * 2) == nil)
    }

    /// HSETEX finds the only field expired, and keeps the key and its deadline.
    @Test func aHashThatIsFilledAgainKeepsItsDeadline() {
        let recorded = Recorded()
        recorded.run("HSETEX h PX 10 FIELDS 1 a 1")
        recorded.run("PEXPIRE h 1000")
        recorded.engine.setTime(Self.start + 11)
        recorded.run("HSETEX h FIELDS 1 a 2")
        #expect(recorded.run("PEXPIRETIME h") == ":\(Self.start + 1000)\r\n")
        #expect(recorded.problem(at: Self.start * 2) == nil)
    }

    @Test func keysThatAreExpiredWhereEffectsAreRunStayUntilTheyAreRemoved() {
        let recorded = Recorded()
        recorded.run("SET k 1 PX 10")
        recorded.run("INCR k")
        recorded.run("HSETEX h PX 10 FIELDS 1 a 1")
        recorded.run("HINCRBY h a 1")
        let other = Engine(seed: 3)
        other.setTime(Self.start * 2)
        #expect(throws: Never.self) { try recorded.log.bytes.withByteSlice { _ = try other.replay($0) } }
        #expect(other.database(0).count == 2 && other.exactDigest() == recorded.engine.exactDigest())
        // Whoever asks there finds nothing.
        #expect(other.execute([Array("GET".utf8), Array("k".utf8)]) == Array("_\r\n".utf8))
    }

    // MARK: groups and listening

    @Test(arguments: 1...3, 1...3)
    func aSaveIsNoChange(saved: Int, then: Int) {
        func push(_ count: Int) -> String { "RPUSH l" + String(repeating: " x", count: count) }
        let recorded = Recorded()
        #expect(recorded.effects(push(saved)) == [push(saved)])
        recorded.engine.changesSaved(upTo: recorded.engine.changeCount)
        #expect(recorded.engine.unsavedChangeCount == 0)
        #expect(recorded.effects("DEL nokey") == [] && recorded.effects("SADD l x") == [])
        recorded.engine.changesSaved(upTo: recorded.engine.changeCount)
        #expect(recorded.effects(push(then)) == [push(then)])
        #expect(recorded.engine.unsavedChangeCount == then)
        #expect(recorded.problem(at: EffectTests.start) == nil)
    }

    @Test func effectsOfOneCallAreAGroup() {
        let recorded = Recorded()
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        for line in [["SET", "a", "1"], ["GET", "a"], ["SET", "b", "2"]] {
            let request = OwnedArguments(line.map { Array($0.utf8) })
            recorded.engine.run(request.view, database: 3, reply: writer)
        }
        #expect(recorded.log.bytes.isEmpty)
        recorded.engine.endEffects()
        let group =
            "*1\r\n$5\r\nMULTI\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
            + "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n"
        #expect(String(decoding: recorded.log.bytes, as: UTF8.self) == group)
        recorded.engine.endEffects()
        #expect(recorded.log.bytes.count == group.utf8.count)
    }

    @Test func nobodyIsToldOnceNobodyListens() {
        let recorded = Recorded()
        recorded.run("SET a 1")
        recorded.engine.effectSink = nil
        #expect(!recorded.engine.isHeard)
        #expect(recorded.effects("SET a 2") == [] && recorded.effects("SET a 3 EX 5") == [])
        recorded.engine.effectSink = recorded.log
        // What was changed meanwhile is not told of with what comes.
        #expect(recorded.effects("SETNX a 4") == [] && recorded.effects("APPEND a 4") == ["APPEND a 4"])
    }

    @Test func damagedEffectsAreRefused() {
        let engine = Engine(seed: 1)
        func problem(_ text: String) -> String? {
            do throws(ReplayError) {
                let failures = try Array(text.utf8).withByteSlice { bytes throws(ReplayError) in
                    try engine.replay(bytes)
                }
                return failures.first
            } catch {
                return error.description
            }
        }
        #expect(problem("") == nil)
        #expect(problem("*1\r\n$5\r\nMULTI\r\n") == "EXEC is missing")
        #expect(problem("*1\r\n$4\r\nEXEC\r\n") == "MULTI and EXEC do not match")
        #expect(problem("*2\r\n$6\r\nSELECT\r\n$2\r\n16\r\n") == "SELECT of a database that is not there")
        #expect(problem("*1\r\n$4\r\nPING") == "what begins at byte 0 is no whole request")
        #expect(problem("*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n*1\r\n$") == "what begins at byte 21 is no whole request")
        #expect(problem("*1\r\n$5\r\nNOSUC\r\n") == "NOSUC: ERR unknown command 'NOSUC'")
        #expect(engine.now == 0 && !engine.state.isReplaying)
    }

    /// Whatever holds them back otherwise: what is written down and read again would go without a word.
    @Test func whatIsRemovedBecauseItHasExpiredIsToldOf() {
        let recorded = Recorded()
        for line in ["SET a 1 PX 5", "SET b 1 PX 5000", "HSET h f 1 g 2", "HPEXPIRE h 5 FIELDS 1 f"] {
            recorded.run(line)
        }
        recorded.engine.removesExpiredKeys = false
        recorded.engine.setTime(Self.start + 10)
        let before = recorded.log.bytes.count
        recorded.engine.removeExpired()
        #expect(recorded.told(from: before).sorted() == ["DEL a", "HDEL h f"])
        #expect(recorded.engine.database(0).count == 2 && !recorded.engine.removesExpiredKeys)
        #expect(recorded.problem(at: Self.start) == nil)
    }

    // MARK: the digest by which it is proved

    @Test func theExactDigestSeesWhatTheOtherDoesNot() {
        let differing: [(String, String)] = [
            ("SET k v PXAT \(start + 5)", "SET k v PXAT \(start + 6)"),
            ("HSETEX h PXAT \(start + 5) FIELDS 1 a 1", "HSETEX h PXAT \(start + 6) FIELDS 1 a 1"),
            ("XADD x 1 a 1; XSETID x 5", "XADD x 1 a 1; XSETID x 6"),
            ("XADD x 1 a 1; XGROUP CREATE x g 0", "XADD x 1 a 1; XGROUP CREATE x g 1"),
            ("XADD x 1 a 1; XGROUP CREATE x g 0 ENTRIESREAD 0", "XADD x 1 a 1; XGROUP CREATE x g 0 ENTRIESREAD 1"),
            (
                "XADD x 1 a 1; XGROUP CREATE x g 0; XGROUP CREATECONSUMER x g c",
                "XADD x 1 a 1; XGROUP CREATE x g 0; XGROUP CREATECONSUMER x g d"
            ),
            (
                "XADD x 1 a 1; XGROUP CREATE x g 0; XCLAIM x g c 0 1 FORCE RETRYCOUNT 3",
                "XADD x 1 a 1; XGROUP CREATE x g 0; XCLAIM x g c 0 1 FORCE RETRYCOUNT 4"
            ),
            (
                "XADD x 1 a 1; XGROUP CREATE x g 0; XCLAIM x g c 0 1 FORCE IDLE 3",
                "XADD x 1 a 1; XGROUP CREATE x g 0; XCLAIM x g c 0 1 FORCE IDLE 4"
            ),
        ]
        for (one, other) in differing {
            let digests = [one, other].map { text in
                let recorded = Recorded()
                for line in text.split(separator: ";") { recorded.run(String(line)) }
                return (recorded.engine.exactDigest(), recorded.engine.dataDigest())
            }
            #expect(digests[0].0 != digests[1].0, "\(one) | \(other)")
        }
    }

    private let start = Self.start
}
