// Waiters by alarm: a binary heap whose first is never stale. An entry is, once its waiter is over or has another alarm.

struct AlarmHeap {
    private struct Entry {
        let time: Int64
        let waiter: Waiter
        var isStale: Bool { waiter.alarm != time }
    }

    private var entries: [Entry] = []
    let steps = StepCounter()

    /// How many entries there are, stale ones among them.
    var entryCount: Int { entries.count }

    /// The one whose time comes first.
    var first: (time: Int64, waiter: Waiter)? { entries.first.map { ($0.time, $0.waiter) } }

    /// - Complexity: O(log n).
    mutating func insert(_ time: Int64, _ waiter: Waiter) {
        entries.append(Entry(time: time, waiter: waiter))
        var index = entries.count - 1
        while index > 0, entries[index].time < entries[(index - 1) / 2].time {
            steps.step()
            entries.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Drops entries that are stale: those that come up, and all once they are the larger part.
    /// - Parameter alive: how many are not stale.
    /// - Complexity: O(log n) for each entry dropped.
    mutating func dropStale(alive: Int) {
        if entries.count > 64 && alive < entries.count / 2 {
            steps.step(entries.count)
            // A sorted array is a heap.
            entries = entries.filter { !$0.isStale }.sorted { $0.time < $1.time }
        }
        while let first = entries.first, first.isStale { removeFirst() }
    }

    private mutating func removeFirst() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var index = 0
        while true {
            steps.step()
            var least = index
            for child in 2 * index + 1...2 * index + 2
            where child < entries.count && entries[child].time < entries[least].time {
                least = child
            }
            if least == index { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
