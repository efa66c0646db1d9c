// Goal: alarms come up in the order of their times, stale ones never, and each costs the logarithm of how many there are.

import StoreEngine
import TestSupport
import Testing

@testable import RespServer

@Suite struct AlarmHeapTests {
    private let room = WaitingRoom()

    private func waiters(_ count: Int) -> [Waiter] { (0..<count).map { room.wait($0, "BLPOP k 0") } }

    @Test func alarmsComeUpInOrder() {
        var generator = SeededRandom(seed: TestSeed.ofRun)
        var heap = AlarmHeap()
        let waiters = waiters(1000)
        for waiter in waiters {
            waiter.setAlarm(Int64.random(in: 0..<300, using: &generator))
            heap.insert(waiter.alarm ?? 0, waiter)
        }
        // Some get another alarm, some none.
        for waiter in waiters where Bool.random(using: &generator) {
            waiter.setAlarm(Bool.random(using: &generator) ? nil : 300 + Int64(waiter.number))
            if let time = waiter.alarm { heap.insert(time, waiter) }
        }
        var alive = waiters.filter { $0.alarm != nil }.count
        let expected = waiters.compactMap { $0.alarm }.sorted()
        var times: [Int64] = []
        heap.dropStale(alive: alive)
        while let (time, waiter) = heap.first {
            #expect(waiter.alarm == time)
            times.append(time)
            waiter.setAlarm(nil)
            alive -= 1
            heap.dropStale(alive: alive)
        }
        #expect(times == expected && heap.entryCount == 0)
    }

    /// Setting and ending an alarm costs no more than the logarithm, whichever way the times come.
    @Test(arguments: [1, -1], [100, 10_000]) func costsTheLogarithm(direction: Int64, count: Int) {
        var heap = AlarmHeap()
        let waiters = waiters(count)
        for (index, waiter) in waiters.enumerated() {
            waiter.setAlarm(direction * Int64(index))
            heap.insert(direction * Int64(index), waiter)
        }
        for (index, waiter) in waiters.enumerated() {
            waiter.setAlarm(nil)
            heap.dropStale(alive: count - index - 1)
            #expect(heap.entryCount <= max(64, 2 * (count - index)))
        }
        #expect(heap.entryCount == 0)
        #expect(heap.steps.count <= count * 40)
    }
}
