// Waiters by alarm: a heap whose first is never stale. An entry is, once its waiter is over or has another alarm.

import StoreEngine

struct AlarmHeap {
    private struct Entry: HeapElement {
        let time: Int64
        let waiter: Waiter
        var isStale: Bool { waiter.alarm != time }

        func precedes(_ other: Entry) -> Bool { time < other.time }
    }

    private var entries = BinaryHeap<Entry>()
    let steps = StepCounter()

    /// How many entries there are, stale ones among them.
    var entryCount: Int { entries.count }

    /// The one whose time comes first.
    var first: (time: Int64, waiter: Waiter)? { entries.first.map { ($0.time, $0.waiter) } }

    /// - Complexity: O(log n).
    mutating func insert(_ time: Int64, _ waiter: Waiter) {
        steps.step(entries.insert(Entry(time: time, waiter: waiter)))
    }

    /// Drops entries that are stale: those that come up, and all once they are the larger part.
    /// - Parameter alive: how many are not stale.
    /// - Complexity: O(log n) for each entry dropped.
    mutating func dropStale(alive: Int) {
        if entries.count > 64 && alive < entries.count / 2 {
            steps.step(entries.count)
            entries.removeAll { $0.isStale }
        }
        while let first = entries.first, first.isStale { steps.step(1 + entries.removeFirst()) }
    }
}
