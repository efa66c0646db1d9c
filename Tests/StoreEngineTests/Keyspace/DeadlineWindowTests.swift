// Goal: a deadline is read as it was written, whatever it is, however it is changed and wherever the window of those that are written
// short has gone meanwhile.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct DeadlineWindowTests {
    private static let day: Int64 = 24 * 60 * 60 * 1000
    private static let now: Int64 = 1_750_000_000_000

    /// Deadlines at the edges of the window, those with the bits of the marks, and those that no window has.
    private static var edges: [Int64] {
        let start = now - day
        let marks = (start..<start + 1 << 32).lowerBound | 0xFFFF_FFFF
        return [
            start - 1, start, start + 1, now, start + 1 << 32 - 1, start + 1 << 32, start + 1 << 32 + 1, marks - 2,
            marks - 1, marks,
            marks + 1, 0, -1, 1, Int64.max, Int64.max - 1, Int64.max - day / 2, Int64.min + 1, 1 << 32 - 1, 1 << 32 - 2,
        ]
    }

    @Test func everyDeadlineIsReadAsItWasWritten() {
        // The last is that of a clock which nobody has set.
        for now in [Self.now, 0, Self.day / 2] { check(DeadlineWindow(at: now)) }
        let window = DeadlineWindow(at: Self.now)
        #expect(DeadlineField.size(Self.now + 48 * Self.day, window) == 4)
        #expect(DeadlineField.size(Self.now + 49 * Self.day, window) == 12)
    }

    private func check(_ window: DeadlineWindow) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 1)
        defer { memory.deallocate() }
        let field = DeadlineField(memory)
        for first in Self.edges {
            let size = DeadlineField.size(first, window)
            field.write(first, window)
            #expect(field.size == size && field.deadline(window) == first)
            #expect(field.replace(nil, window) && field.size == size && field.deadline(window) == nil)
            for second in Self.edges {
                field.write(first, window)
                let fits = size == 12 || DeadlineField.size(second, window) == 4
                #expect(field.replace(second, window) == fits && field.size == size)
                #expect(field.deadline(window) == (fits ? second : first))
            }
        }
    }

    @Test func theWindowMovesOnWithTheTimeButNeverPastADeadline() {
        var window = DeadlineWindow(at: Self.now)
        window.move(to: Self.now + 10 * Self.day, earliest: Int64.max)
        #expect(window.start == Self.now + 9 * Self.day)
        window.move(to: Self.now, earliest: Self.now + 100 * Self.day)
        window.move(to: Self.now + 20 * Self.day, earliest: Self.now)
        window.move(to: Self.now + 10 * Self.day + 1000, earliest: Int64.max)
        window.move(to: Int64.min, earliest: Int64.min)
        #expect(window.start == Self.now + 9 * Self.day)
        window.move(to: Self.now + 20 * Self.day, earliest: Self.now + 12 * Self.day)
        #expect(window.start == Self.now + 11 * Self.day)
        // Nothing is there that it could be read wrongly by.
        window.move(to: Self.now, earliest: Int64.max)
        #expect(window.start == Self.now - Self.day)
    }

    /// The engine against a model, while the time goes on by milliseconds, hours and weeks, and sometimes back.
    @Test(arguments: [1, 2, 3]) func keysKeepTheirDeadlinesForYears(seed: UInt64) {
        let engine = Engine(databases: 2, seed: 1)
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var now = Self.now
        var model: [String: Int64] = [:]
        func isThere(_ key: String) -> Bool { model[key].map { $0 >= now } ?? false }
        func run(_ words: String...) -> String {
            String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
        }
        let spans: [Int64] = [
            1, 1000, 3_600_000, Self.day, 30 * Self.day, 50 * Self.day, 400 * Self.day, 1 << 32, 9_000_000_000_000,
        ]
        for step in 0..<30_000 {
            if step % 7 == 0 {
                let by = random.below(40) == 0 ? random.below(9 * Int(Self.day)) : random.below(100_000)
                now += Int64(random.below(60) == 0 ? -by : by)
                engine.setTime(now)
                engine.removesExpiredKeys = random.below(8) > 0
                #expect(engine.expireCycle(budget: 1000))
                if engine.removesExpiredKeys { model = model.filter { isThere($0.key) } }
            }
            let key = "k\(random.below(300))"
            let deadline = now + 1 + Int64(random.below(Int(spans[random.below(spans.count)])))
            // While keys that have expired are kept, nobody writes.
            switch engine.removesExpiredKeys ? random.below(6) : 5 {
            case 0:
                #expect(run("SET", key, "value", "PXAT", "\(deadline)") == "+OK\r\n")
                model[key] = deadline
            case 1:
                #expect(run("PEXPIREAT", key, "\(deadline)") == (isThere(key) ? ":1\r\n" : ":0\r\n"))
                if isThere(key) { model[key] = deadline }
            case 2:
                #expect(run("PERSIST", key) == (isThere(key) && model[key] != Int64.max ? ":1\r\n" : ":0\r\n"))
                if isThere(key) { model[key] = Int64.max }
            case 3:
                if isThere(key) { _ = run("APPEND", key, "more") }
            case 4:
                let other = "k\(random.below(300))"
                if isThere(key), other != key {
                    #expect(run("RENAME", key, other) == "+OK\r\n")
                    model[other] = model.removeValue(forKey: key)
                }
            default:
                let expected = !isThere(key) ? ":-2\r\n" : model[key] == Int64.max ? ":-1\r\n" : ":\(model[key]!)\r\n"
                #expect(run("PEXPIRETIME", key) == expected, "\(key) at \(now), step \(step)")
            }
        }
    }
}
