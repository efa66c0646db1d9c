// Deadlines of hash fields: at random against a naive model, in each encoding and across them; on time; and every byte given back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct HashValueFieldExpiryTests {
    private struct Field: Equatable {
        var value: String
        var deadline: Int64?
    }

    /// Every field of every hash, those that have expired and are not yet removed included.
    private struct Model {
        var hashes: [String: [String: Field]] = [:]
        var now: Int64 = 1_000_000

        func isExpired(_ field: Field) -> Bool { field.deadline.map { $0 < now } ?? false }

        func live(_ key: String) -> [String: Field] { (hashes[key] ?? [:]).filter { !isExpired($0.value) } }

        /// What most commands do with a field that they find to have expired.
        mutating func expire(_ key: String, _ field: String) {
            if let old = hashes[key]?[field], isExpired(old) { remove(key, field) }
        }

        mutating func remove(_ key: String, _ field: String) {
            hashes[key]?[field] = nil
            if hashes[key]?.isEmpty == true { hashes[key] = nil }
        }

        mutating func expireAll() {
            for key in hashes.keys { hashes[key] = live(key) }
            hashes = hashes.filter { !$0.value.isEmpty }
        }

        var earliest: Int64? { hashes.values.flatMap(\.values).compactMap(\.deadline).min() }
    }

    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, version: .resp2), as: UTF8.self)
    }

    private func bulk(_ text: String?) -> String { text.map { "$\($0.utf8.count)\r\n\($0)\r\n" } ?? "$-1\r\n" }

    /// The strings of a flat array reply.
    private func strings(_ reply: String) -> [String] {
        reply.split(separator: "\r\n", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset > 0 && $0.offset % 2 == 0 }.map { String($0.element) }
    }

    private func check(_ engine: Engine) {
        let database = engine.database(0)
        database.checkInvariants()
        var withDeadlines = 0
        database.forEachEntry { entry in
            if entry.nextFieldDeadline != nil { withDeadlines += 1 }
            if entry.encoding == .table { unsafe HashTable(at: entry.pointer).table.checkInvariants() }
            guard entry.encoding == .packedWithDeadlines else { return }
            var last: Int64 = 0
            entry.forEachFieldWithDeadline { _, _, deadline in
                #expect((deadline ?? .max) >= last, "the deadlines of a packed hash are out of order")
                last = deadline ?? .max
            }
        }
        #expect(database.fieldDeadlineCount == withDeadlines)
    }

    /// - Parameters:
    ///   - limit: up to how many fields hashes stay packed; there are 24 to choose from.
    ///   - isActive: whether what is expired goes as time passes, or only when it is met.
    @Test(arguments: [0, 6, 512], [true, false]) func commandsAgreeWithAModel(limit: Int, isActive: Bool) {
        for seed: UInt64 in 1...3 { compare(seed: seed, limit: limit, isActive: isActive) }
    }

    private func compare(seed: UInt64, limit: Int, isActive: Bool) {
        let engine = Engine(databases: 1, seed: seed)
        engine.settings.hashMaxPackedEntries = limit
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var model = Model()
        engine.setTime(model.now)
        for step in 0..<3000 {
            let key = "h\(random.below(3))"
            let field = "f\(random.below(24))"
            let value =
                random.below(12) == 0 ? String(repeating: "long", count: 1 + random.below(60)) : "\(random.below(1000))"
            let wait = Int64(1 + random.below(400))
            let deadline = model.now + wait
            let note = "seed \(seed), limit \(limit), active \(isActive), step \(step)"
            let isExpired = model.hashes[key]?[field].map(model.isExpired) ?? false
            func expect(_ reply: String, _ wanted: String) { #expect(reply == wanted, "\(note)") }
            switch random.below(24) {
            case 0...2:
                let isNew = model.hashes[key]?[field] == nil
                expect(run(engine, "HSET", key, field, value), ":\(isNew ? 1 : 0)\r\n")
                model.hashes[key, default: [:]][field] = Field(value: value)
            case 3:
                model.expire(key, field)
                let isNew = model.hashes[key]?[field] == nil
                expect(run(engine, "HSETNX", key, field, value), ":\(isNew ? 1 : 0)\r\n")
                if isNew { model.hashes[key, default: [:]][field] = Field(value: value) }
            case 4...8:
                let words = ["", "NX", "XX", "GT", "LT"]
                let condition = words[random.below(words.count)]
                let current = isExpired ? nil : model.hashes[key]?[field]
                var answer = -2
                if let current {
                    let allowed =
                        switch condition {
                        case "NX": current.deadline == nil
                        case "XX": current.deadline != nil
                        case "GT": current.deadline.map { deadline > $0 } ?? false
                        case "LT": current.deadline.map { deadline < $0 } ?? true
                        default: true
                        }
                    answer = allowed ? 1 : 0
                    if allowed { model.hashes[key]?[field]?.deadline = deadline }
                }
                let words2 =
                    ["HPEXPIRE", key, "\(wait)"] + (condition.isEmpty ? [] : [condition]) + ["FIELDS", "1", field]
                let reply = engine.execute(words2.map { Array($0.utf8) }, version: .resp2)
                expect(String(decoding: reply, as: UTF8.self), "*1\r\n:\(answer)\r\n")
            case 9:
                let current = isExpired ? nil : model.hashes[key]?[field]
                expect(
                    run(engine, "HPERSIST", key, "FIELDS", "1", field),
                    "*1\r\n:\(current == nil ? -2 : current?.deadline == nil ? -1 : 1)\r\n")
                if current != nil { model.hashes[key]?[field]?.deadline = nil }
            case 10:
                let removed = model.hashes[key]?[field] != nil
                expect(run(engine, "HDEL", key, field), ":\(removed ? 1 : 0)\r\n")
                model.remove(key, field)
            case 11, 12:
                model.expire(key, field)
                expect(run(engine, "HGET", key, field), bulk(model.hashes[key]?[field]?.value))
            case 13:
                let current = isExpired ? nil : model.hashes[key]?[field]
                let left = current.map { $0.deadline.map { $0 - model.now } ?? -1 } ?? -2
                expect(run(engine, "HPTTL", key, "FIELDS", "1", field), "*1\r\n:\(left)\r\n")
            case 14:
                model.expire(key, field)
                expect(
                    run(engine, "HGETDEL", key, "FIELDS", "1", field), "*1\r\n" + bulk(model.hashes[key]?[field]?.value)
                )
                model.remove(key, field)
            case 15:
                model.expire(key, field)
                let current = model.hashes[key]?[field]
                expect(
                    run(engine, "HGETEX", key, "PX", "\(wait)", "FIELDS", "1", field), "*1\r\n" + bulk(current?.value))
                if current != nil { model.hashes[key]?[field]?.deadline = deadline }
            case 16:
                model.expire(key, field)
                expect(run(engine, "HSETEX", key, "PX", "\(wait)", "FIELDS", "1", field, value), ":1\r\n")
                model.hashes[key, default: [:]][field] = Field(value: value, deadline: deadline)
            case 17:
                model.expire(key, field)
                expect(run(engine, "HSETEX", key, "KEEPTTL", "FIELDS", "1", field, value), ":1\r\n")
                let kept = model.hashes[key]?[field]?.deadline
                model.hashes[key, default: [:]][field] = Field(value: value, deadline: kept)
            case 18:
                model.expire(key, field)
                let old = model.hashes[key]?[field]
                guard let number = old.map({ Int($0.value) }) ?? 0 else { continue }
                expect(run(engine, "HINCRBY", key, field, "7"), ":\(number + 7)\r\n")
                model.hashes[key, default: [:]][field] = Field(value: "\(number + 7)", deadline: old?.deadline)
            case 19:
                expect(run(engine, "HLEN", key), ":\(model.hashes[key]?.count ?? 0)\r\n")
            case 20:
                let other = "h\(random.below(3))"
                guard model.hashes[key] != nil, key != other else { continue }
                if random.below(2) == 0 {
                    expect(run(engine, "RENAME", key, other), "+OK\r\n")
                    model.hashes[other] = model.hashes.removeValue(forKey: key)
                } else {
                    expect(run(engine, "COPY", key, other, "REPLACE"), ":1\r\n")
                    model.hashes[other] = model.hashes[key]
                }
            case 21:
                let reply = strings(run(engine, "HRANDFIELD", key, "100"))
                let live = model.live(key)
                #expect(Set(reply) == Set(live.keys) && reply.count == live.count, "\(note)")
                if model.hashes[key] != nil { model.hashes[key] = live.isEmpty ? nil : live }
            default:
                model.now += Int64(random.below(60))
                engine.setTime(model.now)
                if let earliest = model.earliest {
                    #expect(engine.nextDeadline.map { $0 <= earliest } == true, "a deadline is not known of: \(note)")
                }
                if isActive {
                    while !engine.expireCycle(budget: 2) {}
                    model.expireAll()
                }
            }
            let all = strings(run(engine, "HGETALL", key))
            var found: [String: String] = [:]
            for index in stride(from: 0, to: all.count - 1, by: 2) { found[all[index]] = all[index + 1] }
            #expect(found == model.live(key).mapValues(\.value), "\(note)")
            #expect(engine.database(0).count == model.hashes.count, "\(note)")
            if step % 50 == 0 { check(engine) }
        }
        engine.setTime(model.now + 1_000_000)
        while !engine.expireCycle(budget: 3) {}
        for (key, fields) in model.hashes {
            #expect(run(engine, "HLEN", key) == ":\(fields.values.count { $0.deadline == nil })\r\n")
        }
        #expect(engine.nextDeadline == nil)
        check(engine)
        #expect(engine.database(0).fieldDeadlineCount == 0)
        engine.database(0).allocator.checkInvariants()
    }

    @Test(arguments: [0, 10_000]) func fieldsGoAtTheirDeadlineAndNotBefore(limit: Int) {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.hashMaxPackedEntries = limit
        engine.setTime(1_000_000)
        for number in 0..<2000 {
            let key = "h\(number % 10)"
            #expect(
                run(engine, "HSETEX", key, "PX", "\(1 + number % 500)", "FIELDS", "1", "f\(number)", "v") == ":1\r\n")
        }
        for elapsed in stride(from: Int64(0), through: 504, by: 7) {
            engine.setTime(1_000_000 + elapsed)
            while !engine.expireCycle(budget: 10) {}
            var left = 0
            engine.database(0).forEachEntry { $0.forEachField { _, _ in left += 1 } }
            #expect(left == (0..<2000).filter { 1 + Int64($0 % 500) >= elapsed }.count)
        }
        #expect(engine.database(0).count == 0)
        #expect(engine.statistics.expiredFields == 2000)
        #expect(engine.statistics.expiredKeys == 0)
        #expect(engine.nextDeadline == nil)
    }

    /// A turn removes no more than it is told to, however many have expired in one hash.
    @Test(arguments: [0, 10_000]) func theWorkOfATurnIsBounded(limit: Int) {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.hashMaxPackedEntries = limit
        engine.setTime(1_000_000)
        for number in 0..<1000 { _ = run(engine, "HSETEX", "h", "PX", "5", "FIELDS", "1", "f\(number)", "v") }
        engine.setTime(1_000_006)
        var turns = 0
        var before = 1000
        while !engine.expireCycle(budget: 64) {
            turns += 1
            var left = 0
            engine.database(0).forEachEntry { $0.forEachField { _, _ in left += 1 } }
            #expect(before - left <= 64)
            before = left
        }
        #expect(turns >= 15)
        #expect(engine.database(0).count == 0)
    }

    /// A few fields expire in hashes of few and of many; before that, counting those that are left looks at none.
    @Test(arguments: [100, 20_000]) func expiringFieldsCostsAsManyStepsAsThereAreThatExpire(count: Int) throws {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.hashMaxPackedEntries = 0
        engine.setTime(1_000_000)
        for number in 0..<count { _ = run(engine, "HSET", "h", "f\(number)", "v") }
        for number in 0..<20 { _ = run(engine, "HPEXPIRE", "h", "5", "FIELDS", "1", "f\(number)") }
        let database = engine.database(0)
        let slot = try #require(Array("h".utf8).withByteSlice { database.table.find($0, hash: database.hash($0)) })
        let counting = StepCount.of {
            #expect(HashValue(database, slot, settings: engine.settings, now: 1_000_000).liveCount == count)
        }
        #expect(counting == 0, "\(counting) fields looked at")
        engine.setTime(1_000_006)
        let expiring = StepCount.of { while !engine.expireCycle(budget: 64) {} }
        #expect(run(engine, "HLEN", "h") == ":\(count - 20)\r\n")
        #expect(expiring > 0 && expiring < 20 * 64, "\(expiring) steps for 20 fields")
    }

    /// A key goes at its own time, whatever its fields say, and a field at its own.
    @Test(arguments: [0, 512]) func keysAndFieldsHaveDeadlinesOfTheirOwn(limit: Int) {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.hashMaxPackedEntries = limit
        engine.setTime(1_000_000)
        for key in ["first", "second", "third"] {
            _ = run(engine, "HSET", key, "a", "1", "b", "2")
            _ = run(engine, "HPEXPIRE", key, "100", "FIELDS", "1", "a")
        }
        _ = run(engine, "PEXPIRE", "first", "50")
        _ = run(engine, "PEXPIRE", "second", "200")
        _ = run(engine, "PEXPIRE", "third", "200")
        _ = run(engine, "PERSIST", "third")
        #expect(engine.database(0).deadlineCount == 2)
        #expect(engine.database(0).fieldDeadlineCount == 3)
        engine.setTime(1_000_051)
        #expect(engine.expireCycle(budget: 100))
        #expect(run(engine, "DBSIZE") == ":2\r\n")
        #expect(engine.database(0).fieldDeadlineCount == 2)
        engine.setTime(1_000_101)
        #expect(engine.expireCycle(budget: 100))
        #expect(run(engine, "HKEYS", "second") == "*1\r\n$1\r\nb\r\n")
        #expect(run(engine, "PTTL", "second") == ":99\r\n")
        #expect(run(engine, "PTTL", "third") == ":-1\r\n")
        engine.setTime(1_000_201)
        #expect(engine.expireCycle(budget: 100))
        #expect(run(engine, "KEYS", "*") == "*1\r\n$5\r\nthird\r\n")
        #expect(engine.database(0).deadlineCount == 0)
        #expect(engine.nextDeadline == nil)
    }

    /// While removal is suspended, what is expired is not seen but stays.
    @Test func nothingIsRemovedWhileRemovalIsSuspended() {
        let engine = Engine(databases: 1, seed: 1)
        engine.setTime(1_000_000)
        _ = run(engine, "HSETEX", "h", "PX", "5", "FIELDS", "2", "a", "1", "b", "2")
        engine.setTime(1_000_006)
        engine.removesExpiredKeys = false
        #expect(engine.expireCycle(budget: 100))
        #expect(run(engine, "HGET", "h", "a") == "$-1\r\n")
        #expect(run(engine, "HLEN", "h") == ":2\r\n")
        engine.removesExpiredKeys = true
        #expect(engine.expireCycle(budget: 100))
        #expect(run(engine, "EXISTS", "h") == ":0\r\n")
    }

    @Test(arguments: [0, 10_000]) func everyByteIsGivenBack(limit: Int) {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.hashMaxPackedEntries = limit
        // The keyspace's own table grows once.
        func fill(_ now: Int64) {
            engine.setTime(now)
            for number in 0..<3000 {
                let key = "h\(number % 7)"
                _ = run(engine, "HSETEX", key, "PX", "\(10 + number % 90)", "FIELDS", "1", "f\(number)", "v\(number)")
                if number % 3 == 0 {
                    _ = run(engine, "HSETEX", key, "KEEPTTL", "FIELDS", "1", "f\(number / 2)", "longer value")
                }
                if number % 5 == 0 { _ = run(engine, "HPERSIST", key, "FIELDS", "1", "f\(number / 3)") }
            }
        }
        fill(1_000_000)
        _ = run(engine, "DEL", "h0", "h1", "h2", "h3", "h4", "h5", "h6")
        while engine.hasGarbage { engine.freeSlice() }
        let empty = engine.dataBytes
        #expect(engine.database(0).fieldDeadlineCount == 0)
        fill(2_000_000)
        engine.setTime(2_001_000)
        while !engine.expireCycle(budget: 100) {}
        _ = run(engine, "DEL", "h0", "h1", "h2", "h3", "h4", "h5", "h6")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes <= empty)
        #expect(run(engine, "DBSIZE") == ":0\r\n")
    }

    /// What MEMORY USAGE says of the only key is what the allocator has given out for it, its deadlines included.
    @Test func memoryUsageCountsDeadlines() {
        let engine = Engine(databases: 1, seed: 6)
        engine.setTime(1_000_000)
        // The keyspace's own table keeps its heap and the deadlines of a bucket.
        _ = run(engine, "HSETEX", "h", "EX", "100", "FIELDS", "1", "f", "v")
        _ = run(engine, "DEL", "h")
        let before = engine.dataBytes
        for number in 0..<5000 {
            _ = run(
                engine, "HSETEX", "h", "EX", "\(100 + number)", "FIELDS", "1", "field:\(number)", "value \(number * 7)")
        }
        let slot = MemoryLayout<UInt64>.size
        #expect(run(engine, "MEMORY", "USAGE", "h", "SAMPLES", "0") == ":\(engine.dataBytes - before + slot)\r\n")
    }

    /// A hash without deadlines takes what it took before there were any.
    @Test func plainHashesPayNothing() {
        let engine = Engine(databases: 1, seed: 6)
        engine.settings.hashMaxPackedEntries = 0
        for number in 0..<1000 { _ = run(engine, "HSET", "h", "field:\(number)", "value") }
        let table = engine.database(0).table
        var entries = 0
        table.forEachWord { word in
            #expect(!SlotWord.hasDeadline(word))
            unsafe HashTable(at: Entry(SlotWord.entry(word)).pointer).table.forEachWord { field in
                #expect(!SlotWord.hasDeadline(field))
                let entry = unsafe FieldEntry(SlotWord.entry(field))
                let size = FieldEntry.size(field: entry.field, value: entry.value)
                #expect(unsafe engine.database(0).allocator.capacity(of: entry.address) - size < 4)
                entries += 1
            }
        }
        #expect(entries == 1000)
    }

    // MARK: DUMP and RESTORE

    /// A hash as DUMP answers it, its type, version and checksum included.
    private func dump(_ engine: Engine, _ key: String) -> [UInt8] {
        let reply = engine.execute(["DUMP", key].map { Array($0.utf8) })
        let start = reply.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return Array(reply[start..<reply.count - 2])
    }

    private func restore(_ engine: Engine, _ key: String, _ payload: [UInt8]) -> String {
        String(
            decoding: engine.execute([
                Array("RESTORE".utf8), Array(key.utf8), Array("0".utf8), payload, Array("REPLACE".utf8),
            ]),
            as: UTF8.self)
    }

    private func hash(_ random: inout RandomSource, _ engine: Engine, _ key: String, count: Int) {
        for number in 0..<count {
            let value = random.below(9) == 0 ? String(repeating: "v", count: random.below(100)) : "\(random.below(99))"
            _ = run(engine, "HSET", key, "f\(number)", value)
            guard random.below(3) > 0 else { continue }
            _ = run(engine, "HPEXPIREAT", key, "\(2_000_000 + random.below(1 << 40))", "FIELDS", "1", "f\(number)")
        }
    }

    @Test(arguments: [0, 20, 512], [0, 20, 512]) func whatIsDumpedCanBeRestored(limit: Int, otherLimit: Int) {
        var random = RandomSource(seed: TestSeed.fixed(5))
        let engine = Engine(databases: 1, seed: 1)
        let other = Engine(databases: 1, seed: 2)
        engine.setTime(1_000_000)
        other.setTime(1_000_000)
        engine.settings.hashMaxPackedEntries = limit
        other.settings.hashMaxPackedEntries = otherLimit
        for count in 1...40 {
            _ = run(engine, "DEL", "h")
            hash(&random, engine, "h", count: count)
            #expect(restore(other, "h", dump(engine, "h")) == "+OK\r\n")
            #expect(digest(other, "h") == digest(engine, "h"))
            check(other)
            for number in 0..<count {
                #expect(
                    run(other, "HPEXPIRETIME", "h", "FIELDS", "1", "f\(number)")
                        == run(engine, "HPEXPIRETIME", "h", "FIELDS", "1", "f\(number)"))
            }
        }
    }

    private func digest(_ engine: Engine, _ key: String) -> String {
        Array(key.utf8).withByteSlice { engine.valueDigest(of: $0, database: 0) }
    }

    /// Payloads with random bytes changed and a right checksum are refused or restored whole; nothing stays behind.
    @Test(arguments: [0, 512]) func damagedPayloadsDoNoHarm(limit: Int) {
        for seed: UInt64 in 1...4 {
            var random = RandomSource(seed: TestSeed.fixed(seed))
            let engine = Engine(databases: 1, seed: 1)
            engine.setTime(1_000_000)
            engine.settings.hashMaxPackedEntries = limit
            hash(&random, engine, "h", count: 1 + random.below(12))
            let sound = dump(engine, "h")
            engine.settings.hashMaxPackedEntries = random.below(2) * 512
            _ = restore(engine, "h", sound)
            _ = run(engine, "DEL", "h")
            let empty = engine.dataBytes
            for _ in 0..<2000 {
                var payload = Array(sound.dropLast(8))
                for _ in 0...random.below(3) {
                    payload[1 + random.below(payload.count - 3)] = UInt8(truncatingIfNeeded: random.below(256))
                }
                let checksum = payload.withByteSlice { CRC64.of($0) }
                for byte in 0..<8 { payload.append(UInt8(truncatingIfNeeded: checksum >> UInt64(8 * byte))) }
                let reply = restore(engine, "h", payload)
                #expect(reply == "+OK\r\n" || reply == "-ERR Bad data format\r\n", "seed \(seed)")
                if reply == "+OK\r\n" {
                    check(engine)
                    _ = run(engine, "HGETALL", "h")
                    _ = run(engine, "HSETEX", "h", "EX", "100", "FIELDS", "2", "f0", "v", "f1", "v")
                    check(engine)
                    _ = run(engine, "DEL", "h")
                }
                while engine.hasGarbage { engine.freeSlice() }
                #expect(engine.database(0).fieldDeadlineCount == 0)
                #expect(engine.dataBytes <= empty + 1024, "seed \(seed)")
            }
        }
    }
}
