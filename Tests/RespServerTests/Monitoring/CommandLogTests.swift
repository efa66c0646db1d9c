// Goal: the logs keep the newest of what they should, and their words never hold secrets or more than a little. Method: small logs and
// requests; servers without sockets for what is found where.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct CommandLogTests {
    private func words(_ arguments: [String], hiding secrets: SecretArguments = .none) -> [String] {
        let owned = OwnedArguments(arguments.map { Array($0.utf8) })
        return withExtendedLifetime(owned) {
            LoggedWords(owned.view, hiding: secrets).words.map { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test func theNewestAreKept() {
        var log = CommandLog()
        let nothing = OwnedArguments([[UInt8]]())
        func add(_ value: Int) {
            log.append(value, LoggedWords(nothing.view, hiding: .none), address: "a", name: "n", now: 5999)
        }
        add(1)
        #expect(log.count == 0 && !log.accepts(100))
        for maxCount in [1, 2, 3, 7, 50] {
            log.follow(threshold: 10, maxCount: maxCount)
            #expect(log.accepts(10) && !log.accepts(9) && log.count <= maxCount)
            for value in 0..<500 {
                add(value)
                #expect(log.count == min(maxCount, log.newest(10000).count))
                #expect(log.newest(1).map(\.value) == [value])
                #expect(log.newest(2).first!.id == log.newest(1).first!.id)
            }
            #expect(log.newest(maxCount).map(\.value) == (0..<500).suffix(maxCount).reversed())
            #expect(log.newest(1).first!.time == 5)
        }
        log.follow(threshold: -1, maxCount: 1)
        #expect(log.count == 50 && !log.accepts(100))
        log.follow(threshold: 0, maxCount: 0)
        #expect(log.count == 0 && !log.isOn)
        log.follow(threshold: 0, maxCount: 5)
        add(1)
        let id = log.newest(1).first!.id
        log.removeAll()
        #expect(log.count == 0)
        add(1)
        #expect(log.newest(1).first!.id == id + 1)
    }

    /// What has been dropped takes nothing, and a name that is that of the entry before is there once.
    @Test func memoryIsThatOfTheEntries() {
        var log = CommandLog()
        log.follow(threshold: 0, maxCount: 100)
        let request = OwnedArguments([Array("SET".utf8), [UInt8](repeating: 1, count: 100)])
        func add(_ name: String) {
            log.append(1, LoggedWords(request.view, hiding: .none), address: "127.0.0.1:1", name: name, now: 0)
        }
        add("short")
        let entry = log.byteCount
        #expect((250..<450).contains(entry))
        for _ in 0..<1000 { add("short") }
        #expect(log.count == 100 && log.byteCount == 100 * entry)
        let long = String(repeating: "n", count: 5000)
        for _ in 0..<50 { add(long) }
        #expect((100 * entry + 5000..<100 * entry + 5100).contains(log.byteCount))
        for number in 0..<150 { add(long + "\(number % 2)") }
        #expect((100 * entry + 500_000..<100 * entry + 510_000).contains(log.byteCount))
        log.follow(threshold: 0, maxCount: 10)
        #expect((10 * entry + 50_000..<10 * entry + 51_000).contains(log.byteCount))
        log.removeAll()
        #expect(log.byteCount == 0)
    }

    @Test func wordsAreShort() {
        let long = String(repeating: "x", count: 130)
        #expect(words(["SET", long]) == ["SET", long.dropLast(2) + "... (2 more bytes)"])
        #expect(words([String(long.dropLast(2))]) == [String(long.dropLast(2))])
        let many = (0..<40).map(String.init)
        #expect(words(many) == Array(many.prefix(31)) + ["... (9 more arguments)"])
        #expect(words(Array(many.prefix(32))) == Array(many.prefix(32)))
    }

    @Test func secretsAreHidden() {
        let hidden = "(redacted)"
        #expect(words(["AUTH", "a", "b"], hiding: .all) == ["AUTH", hidden, hidden])
        let hello = SecretArguments.options(
            from: 2,
            [
                SecretArguments.Option("AUTH", operands: 2, isSecret: true),
                SecretArguments.Option("SETNAME", operands: 1, isSecret: false),
            ])
        #expect(
            words(["HELLO", "3", "auth", "u", "p", "SETNAME", "n"], hiding: hello)
                == ["HELLO", "3", "auth", hidden, hidden, "SETNAME", "n"])
        #expect(
            words(["HELLO", "3", "SETNAME", "AUTH", "AUTH", "u", "p", "AUTH", "x"], hiding: hello)
                == ["HELLO", "3", "SETNAME", "AUTH", "AUTH", hidden, hidden, "AUTH", hidden])
        #expect(
            words(
                ["CONFIG", "SET", "timeout", "1", "requirepass", "x", "MASTERAUTH", "y", "port"],
                hiding: .valuesOfSettings)
                == ["CONFIG", "SET", "timeout", "1", "requirepass", hidden, "MASTERAUTH", hidden, "port"])
        #expect(words(["AUTH"], hiding: .all) == ["AUTH"])
        #expect(words(["CONFIG", "SET"], hiding: .valuesOfSettings) == ["CONFIG", "SET"])
    }

    /// Where everything is slow, every command that ran is in the log, in its order, and no other.
    @Test func whatRanIsLogged() {
        let one = ScriptedServer("slowlog-log-slower-than 0\n")
        _ = one.answer([requests("SET k v\nNOSUCH\nGET\nMULTI\nGET k\nEXEC\nCONFIG GET port")])
        let log = one.server.observer.logs[.slow]
        let found = log.newest(100).reversed().map { entry in
            entry.words.words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        }
        #expect(found == ["SET k v", "MULTI", "GET k", "CONFIG GET port"])
        #expect(log.newest(1).first!.address == "test:0")
    }

    /// The gate stays open unless sizes must be measured one by one.
    @Test func theGate() {
        #expect(ScriptedServer().server.gate.isEmpty)
        #expect(ScriptedServer("commandlog-request-larger-than 1000\n").server.gate == .any)
        #expect(ScriptedServer("commandlog-reply-larger-than 1000\n").server.gate == .any)
        #expect(
            ScriptedServer("commandlog-reply-larger-than 1000\ncommandlog-large-reply-max-len 0\n").server.gate.isEmpty)
        #expect(ScriptedServer("commandlog-request-larger-than -1\n").server.gate.isEmpty)
    }

    /// Large replies are found though nothing is measured on the request path.
    @Test func largeReplies() {
        let one = ScriptedServer("commandlog-reply-larger-than 300000\n")
        #expect(one.server.gate.isEmpty)
        _ = one.answer([
            requests("SETRANGE k 299990 x\nGET k\nSETRANGE k 299000 y\nGET k\nSETRANGE k 500000 z\nGET k\nMGET k k")
        ])
        let found = one.server.observer.logs[.largeReply].newest(100).reversed()
        #expect(found.map(\.value) == [300_002, 300_002, 500_012, 1_000_028])
    }

    /// Large requests, in however small pieces they come.
    @Test func largeRequests() {
        let one = ScriptedServer("commandlog-request-larger-than 70000\n")
        #expect(one.server.gate.isEmpty)
        for size in [10, 69_000, 69_969, 69_970, 200_000] {
            let request = requests("SET k \(String(repeating: "x", count: size))\nGET k")
            _ = one.answer([request])
            _ = one.answer(
                stride(from: 0, to: request.count, by: 30_000).map {
                    Array(request[$0..<min($0 + 30_000, request.count)])
                })
        }
        let found = one.server.observer.logs[.largeRequest].newest(100).reversed()
        #expect(found.map(\.value) == [70_000, 70_000, 200_031, 200_031], "\(found.map(\.value))")
        #expect(found.allSatisfy { $0.words.words[0] == Array("SET".utf8) && $0.words.words[2].count < 200 })
    }
}
