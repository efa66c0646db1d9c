// The engine as a whole: time, values that change, random deadlines, and giving everything back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct EngineTests {
    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    @Test func keysGoAtTheirDeadlineAndNotBefore() {
        let engine = Engine(seed: 1)
        engine.setTime(1_000_000)
        for number in 0..<5000 {
            #expect(run(engine, "SET", "key:\(number)", "v", "PX", "\(1 + number % 1000)") == "+OK\r\n")
        }
        for elapsed in stride(from: Int64(0), through: 1001, by: 7) {
            engine.setTime(1_000_000 + elapsed)
            while !engine.expireCycle(budget: 100) {}
            let left = (0..<5000).filter { 1 + Int64($0 % 1000) >= elapsed }.count
            #expect(engine.database(0).count == left)
        }
    }

    @Test func stringsChangeInPlace() {
        let engine = Engine(seed: 1)
        #expect(run(engine, "APPEND", "k", "12") == ":2\r\n")
        #expect(run(engine, "INCRBY", "k", "30") == ":42\r\n")
        #expect(run(engine, "APPEND", "k", "x") == ":3\r\n")
        #expect(run(engine, "SETRANGE", "k", "300", "end") == ":303\r\n")
        #expect(run(engine, "GETRANGE", "k", "0", "3") == "$4\r\n42x\0\r\n")
        #expect(run(engine, "SETRANGE", "k", "20000", "far") == ":20003\r\n")
        #expect(run(engine, "GETRANGE", "k", "-3", "-1") == "$3\r\nfar\r\n")
        #expect(run(engine, "INCR", "k") == "-ERR value is not an integer or out of range\r\n")
    }

    @Test func flushingGivesEverythingBack() {
        let engine = Engine(seed: 1)
        let empty = engine.dataBytes
        for number in 0..<20_000 {
            _ = run(engine, "SET", "key:\(number)", String(repeating: "v", count: number % 300))
        }
        #expect(run(engine, "FLUSHALL") == "+OK\r\n")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes == empty)
        #expect(run(engine, "DBSIZE") == ":0\r\n")
    }

    /// Keys with deadlines that are set, moved, taken away and met, at random, against a dictionary of what should be left.
    @Test(arguments: [1, 2, 3]) func deadlinesAgreeWithADictionary(seed: UInt64) {
        let engine = Engine(databases: 2, seed: seed)
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var now: Int64 = 1_000_000
        engine.setTime(now)
        // A deadline by key; the last moment for keys without one.
        var model: [String: Int64] = [:]
        for step in 0..<10_000 {
            let key = "key:\(random.below(1500))"
            let wait = 1 + random.below(5000)
            switch random.below(10) {
            case 0...3:
                _ = run(engine, "SET", key, "value", "PX", "\(wait)")
                model[key] = now + Int64(wait)
            case 4:
                _ = run(engine, "SET", key, "value")
                model[key] = .max
            case 5:
                let isThere = model[key] != nil
                #expect(run(engine, "PEXPIRE", key, "\(wait)") == ":\(isThere ? 1 : 0)\r\n")
                if isThere { model[key] = now + Int64(wait) }
            case 6:
                let had = model[key].map { $0 != .max } ?? false
                #expect(run(engine, "PERSIST", key) == ":\(had ? 1 : 0)\r\n")
                if had { model[key] = .max }
            case 7:
                #expect(run(engine, "DEL", key) == ":\(model.removeValue(forKey: key) == nil ? 0 : 1)\r\n")
            case 8:
                let deadline = model[key]
                let left = deadline.map { $0 == .max ? -1 : $0 - now } ?? -2
                #expect(run(engine, "PTTL", key) == ":\(left)\r\n")
            default:
                now += Int64(random.below(200))
                engine.setTime(now)
                if let earliest = model.values.min(), earliest != .max {
                    #expect(engine.nextDeadline.map { $0 <= earliest } == true, "a deadline is not known of")
                }
                while !engine.expireCycle(budget: 7) {}
                model = model.filter { $0.value >= now }
                #expect(run(engine, "DBSIZE") == ":\(model.count)\r\n")
            }
            if step % 1000 == 0 { engine.database(0).checkInvariants() }
        }
        engine.setTime(now + 10_000)
        while !engine.expireCycle(budget: 100) {}
        #expect(engine.nextDeadline == nil)
        #expect(run(engine, "DBSIZE") == ":\(model.values.count { $0 == .max })\r\n")
        engine.database(0).checkInvariants()
        engine.database(0).allocator.checkInvariants()
    }

    /// The keys of a batch are hashed before the first of its commands runs; then each command finds its key by that hash, whatever the
    /// ones before have done with it.
    @Test func keysFoundByABatchAreThoseFoundAlone() throws {
        let engine = Engine(databases: 1, seed: 5)
        for number in 0..<1000 { _ = run(engine, "SET", "key:\(number)", "\(number)") }
        let names = ["GET", "SET", "DEL", "INCR"]
        var commands: [String: (run: Command<KeyspaceContext>.Run, keys: KeySpecs, effect: CommandEffect)] = [:]
        for command in Engine.allCommands where names.contains(command.name) {
            commands[command.name] = (try #require(command.run), KeySpecs(command.keys), command.effect)
        }
        defer { for command in commands.values { command.keys.deallocate() } }
        let reply = ReplyWriter()
        defer { reply.deallocate() }
        var random = RandomSource(seed: TestSeed.fixed(5))
        var model: [Int: Int] = [:]
        for number in 0..<1000 { model[number] = number }
        let keys = UnsafeMutableBufferPointer<HashedKey>.allocate(capacity: 32)
        defer { keys.deallocate() }
        for _ in 0..<200 {
            // Few keys, so that a batch has the same one several times, also one after the other.
            let numbers = (0..<32).map { _ in 990 + random.below(20) }
            let requests = numbers.map { number in
                let name = names[random.below(4)]
                let words = [name, "key:\(number)"] + (name == "SET" ? ["7"] : [])
                return (name: name, arguments: OwnedArguments(words.map { Array($0.utf8) }))
            }
            for index in 0..<32 { keys.initializeElement(at: index, to: HashedKey(requests[index].arguments.view[1])) }
            engine.prepare(keys, UnsafeMutableBufferPointer(start: nil, count: 0), database: 0)
            for (index, request) in requests.enumerated() {
                let number = numbers[index]
                #expect(keys[index].hash == engine.hash(request.arguments.view[1]))
                let expected: String
                switch request.name {
                case "GET":
                    let text = model[number].map { "\($0)" }
                    expected = text.map { "$\($0.utf8.count)\r\n\($0)\r\n" } ?? "$-1\r\n"
                case "SET":
                    model[number] = 7
                    expected = "+OK\r\n"
                case "DEL": expected = ":\(model.removeValue(forKey: number) == nil ? 0 : 1)\r\n"
                default:
                    model[number, default: 0] += 1
                    expected = ":\(model[number]!)\r\n"
                }
                let command = try #require(commands[request.name])
                reply.removeAll()
                engine.run(
                    command.run, keys: command.keys, request.arguments.view, database: 0, reply: reply,
                    key: keys[index],
                    effect: command.effect)
                #expect(reply.written(0..<reply.count).description == expected, "\(request.name) key:\(number)")
            }
        }
        #expect(run(engine, "DBSIZE") == ":\(model.count)\r\n")
        engine.database(0).checkInvariants()
    }

    /// What MEMORY USAGE says of the only key is what the allocator has given out for it, and the key's slot.
    @Test func memoryUsageIsWhatTheAllocatorGave() {
        let engine = Engine(databases: 1, seed: 6)
        let before = engine.dataBytes
        for number in 0..<20_000 { _ = run(engine, "HSET", "h", "field:\(number)", "value \(number * 7)") }
        let slot = MemoryLayout<UInt64>.size
        #expect(run(engine, "MEMORY", "USAGE", "h", "SAMPLES", "0") == ":\(engine.dataBytes - before + slot)\r\n")
    }
}
