// What the clock says without regard to how fast the machine is.

import CLinux
import Testing

@testable import RespServer

@Suite struct TurnClockTests {
    /// Before it is corrected, a millisecond has 2^20 cycles.
    @Test func cyclesAsNanoseconds() {
        let clock = TurnClock()
        #expect(clock.millisecond == 1 << 20)
        #expect(clock.nanoseconds(short: 1 << 20) == 1_000_000 && clock.nanoseconds(short: 1 << 10) == 976)
        #expect(clock.nanoseconds(short: 0) == 0)
    }

    @Test func whatIsNoticed() {
        let clock = TurnClock()
        #expect(clock.noticed == clock.millisecond)
        clock.noticedMicroseconds = 500
        #expect(clock.noticed == 499 * (1 << 20) / 1000)
        clock.noticedMicroseconds = 0
        #expect(clock.noticed == 0)
        clock.noticedMicroseconds = 1000
        #expect(clock.noticed == clock.millisecond)
    }

    /// A turn and a slice that have just begun are not over, however long the one before took.
    @Test func turnsAndSlicesBeginAnew() {
        let clock = TurnClock()
        for turn in 1...3 {
            clock.beginTurn()
            #expect(clock.turn == turn && clock.last == clock.turnStart && !clock.isTurnOver)
            clock.beginSlice()
            #expect(!clock.isSliceOver)
            let before = clock.last
            let taken = clock.lap()
            #expect(clock.last == before + taken)
            clock.restart()
            #expect(clock.last >= before + taken)
        }
    }

    /// Of two clocks that are read one after the other, something may come in between; not five times.
    @Test func aMillisecondIsMeasured() {
        var isMeasured = false
        for _ in 0..<5 {
            let clock = TurnClock()
            clock.correctMillisecond()
            #expect(clock.millisecond == 1 << 20, "it is too early to tell")
            let (cycles, start) = (clinux_cycle_counter(), Syscall.monotonicMicroseconds())
            while Syscall.monotonicMicroseconds() - start < 20_000 {}
            let millisecond =
                Double(clinux_cycle_counter() - cycles) * 1000
                / Double(Syscall.monotonicMicroseconds() - start)
            clock.correctMillisecond()
            #expect(clock.noticed == clock.millisecond && clock.microseconds(cycles: 0) == 0)
            isMeasured = isMeasured || abs(Double(clock.millisecond) / millisecond - 1) < 0.2
        }
        #expect(isMeasured)
    }
}
