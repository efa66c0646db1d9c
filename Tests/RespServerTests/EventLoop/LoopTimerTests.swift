// Timers: when they are done, in which order, and what happens when they are put off, or the clock is put back.

import Testing

@testable import RespServer

@Suite struct LoopTimerTests {
    private final class Record { var done: [String] = [] }

    @Test func nothingIsDoneBeforeItsTime() {
        let (timers, record) = (LoopTimers(), Record())
        let a = timers.add { record.done.append("a") }
        let b = timers.add { record.done.append("b") }
        #expect(timers.earliest == Int64.max)
        timers.run(now: 100)
        b.set(for: 150)
        a.set(for: 200)
        #expect(timers.earliest == 150)
        timers.run(now: 149)
        #expect(record.done.isEmpty)
        timers.run(now: 150)
        #expect(record.done == ["b"] && timers.earliest == 200 && b.time == Int64.max)
        timers.run(now: 199)
        timers.run(now: 500)
        timers.run(now: 600)
        #expect(record.done == ["b", "a"] && timers.earliest == Int64.max)
    }

    /// However many timers are set, a turn before the earliest looks at none.
    @Test func turnsWithNothingToDoLookAtNoTimer() {
        let (timers, record) = (LoopTimers(), Record())
        let all = (0..<1000).map { _ in timers.add { record.done.append("x") } }
        for (number, timer) in all.enumerated() { timer.set(for: Int64(500 + number / 2)) }
        for now in 0..<500 { timers.run(now: Int64(now)) }
        #expect(timers.steps.count == 0 && record.done.isEmpty)
        timers.run(now: 500)
        #expect(timers.steps.count == 1000 && record.done.count == 2)
    }

    /// What is done at the same time is done in the order in which it was registered, once.
    @Test func theOrder() {
        let (timers, record) = (LoopTimers(), Record())
        let all = (0..<5).map { number in timers.add { record.done.append("\(number)") } }
        for timer in all.reversed() { timer.set(for: 10) }
        timers.run(now: 20)
        timers.run(now: 21)
        #expect(record.done == ["0", "1", "2", "3", "4"])
    }

    /// The earliest time may be that of a timer that was put off: then a turn looks, and does nothing.
    @Test func putOffAndCancelled() {
        let (timers, record) = (LoopTimers(), Record())
        let (a, b) = (timers.add { record.done.append("a") }, timers.add { record.done.append("b") })
        a.set(for: 10)
        a.set(for: 30)
        b.set(for: 20)
        b.set(for: nil)
        #expect(timers.earliest == 10)
        timers.run(now: 25)
        #expect(record.done.isEmpty && timers.earliest == 30)
        timers.run(now: 30)
        #expect(record.done == ["a"])
    }

    /// An action sets its timer anew, and others', also for times that have passed.
    @Test func actionsThatSetTimers() {
        let (timers, record) = (LoopTimers(), Record())
        var periodic: LoopTimer?
        var other: LoopTimer?
        periodic = timers.add {
            record.done.append("periodic")
            periodic?.set(for: 200)
            other?.set(for: 50)
        }
        other = timers.add { record.done.append("other") }
        periodic?.set(for: 100)
        timers.run(now: 100)
        #expect(record.done == ["periodic", "other"] && timers.earliest == 200)
        timers.run(now: 200)
        #expect(record.done.count == 4)
        periodic = nil
        other = nil
    }

    /// When the clock is put back everybody looks, who has set a timer, and once.
    @Test func aClockThatIsPutBack() {
        let (timers, record) = (LoopTimers(), Record())
        let a = timers.add { record.done.append("a") }
        _ = timers.add { record.done.append("never set") }
        timers.run(now: 1_000_000)
        a.set(for: 1_000_100)
        timers.run(now: 500)
        #expect(record.done == ["a"])
        a.set(for: 600)
        timers.run(now: 501)
        #expect(record.done == ["a"])
        timers.run(now: 600)
        #expect(record.done == ["a", "a"])
    }
}
