// The segments of a table that have deadlines, the earliest first: a binary heap in the allocator's memory. Each segment knows its
// place, so that no search is needed when its deadline changes.

@safe struct SegmentHeap {
    private let allocator: SlabAllocator
    private var segments: UnsafeMutablePointer<Segment>?
    private var capacity = 0
    private(set) var count = 0
    #if DEBUG
    /// How often two segments changed places: tests ask.
    private(set) var swaps = 0
    #endif

    init(allocator: SlabAllocator) {
        self.allocator = allocator
        unsafe segments = nil
    }

    @unsafe mutating func deallocate() {
        if let segments = unsafe segments { unsafe allocator.deallocate(segments) }
        unsafe segments = nil
        capacity = 0
        count = 0
    }

    mutating func removeAll() { count = 0 }

    /// Bytes in use.
    var byteCount: Int { unsafe segments.map { unsafe allocator.capacity(of: $0) } ?? 0 }

    /// The segment with the earliest deadline.
    var first: Segment? { count > 0 ? self[0] : nil }

    subscript(index: Int) -> Segment {
        precondition(index >= 0 && index < count, "a place outside the heap")
        return unsafe segments.unsafelyUnwrapped[index]
    }

    /// Adds a segment, or restores the order after its deadline has changed.
    /// - Complexity: O(log segments).
    mutating func update(_ segment: Segment) {
        if segment.heapIndex < 0 {
            if count == capacity { grow() }
            count += 1
            place(segment, at: count - 1)
        }
        siftDown(siftUp(segment.heapIndex))
    }

    /// Removes a segment, if it is in the heap.
    /// - Complexity: O(log segments).
    mutating func remove(_ segment: Segment) {
        let index = segment.heapIndex
        guard index >= 0 else { return }
        segment.heapIndex = -1
        let last = self[count - 1]
        count -= 1
        guard index < count else { return }
        place(last, at: index)
        siftDown(siftUp(index))
    }

    private mutating func grow() {
        let larger = max(8, capacity * 2)
        let block = unsafe allocator.allocate(larger * MemoryLayout<Segment>.stride).bindMemory(
            to: Segment.self, capacity: larger)
        if let segments = unsafe segments {
            unsafe block.update(from: segments, count: count)
            unsafe allocator.deallocate(segments)
        }
        unsafe segments = block
        capacity = larger
    }

    private func place(_ segment: Segment, at index: Int) {
        unsafe segments.unsafelyUnwrapped[index] = segment
        segment.heapIndex = index
    }

    private mutating func swap(_ left: Int, _ right: Int) {
        #if DEBUG
        swaps += 1
        #endif
        let moved = self[left]
        place(self[right], at: left)
        place(moved, at: right)
    }

    private mutating func siftUp(_ start: Int) -> Int {
        var index = start
        while index > 0, self[index].earliest < self[(index - 1) / 2].earliest {
            swap(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
        return index
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in 2 * index + 1...2 * index + 2
            where child < count && self[child].earliest < self[least].earliest {
                least = child
            }
            if least == index { return }
            swap(index, least)
            index = least
        }
    }

    // MARK: defragmentation

    /// Notes where a segment is whose memory has moved.
    func replace(at index: Int, with moved: Segment) {
        precondition(index >= 0 && index < count, "a place outside the heap")
        unsafe segments.unsafelyUnwrapped[index] = moved
    }

    mutating func move(_ mover: inout BlockMover) {
        guard let segments = unsafe segments, let moved = unsafe mover.move(segments) else { return }
        unsafe self.segments = moved.bindMemory(to: Segment.self, capacity: capacity)
    }

    func checkInvariants() {
        for index in 0..<count {
            precondition(self[index].heapIndex == index, "a segment does not know its place in the heap")
            precondition(
                index == 0 || self[(index - 1) / 2].earliest <= self[index].earliest, "the heap is out of order")
        }
    }
}
