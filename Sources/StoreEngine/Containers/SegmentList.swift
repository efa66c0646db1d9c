// All segments of a table in one array, in no order, if there are several: random draws choose from it. The directory does not serve for
// that: if segments differ in depth, most of its places may refer to few of them. Each segment knows its place here.

@safe struct SegmentList {
    private var segments: UnsafeMutablePointer<Segment>?
    private var capacity: UInt32 = 0
    private var used: UInt32 = 0

    init() { unsafe segments = nil }

    /// How many segments there are; 0 for a table of only one.
    @inline(__always) var count: Int { Int(truncatingIfNeeded: used) }

    @inline(__always) subscript(index: Int) -> Segment {
        precondition(UInt(bitPattern: index) < UInt(used), "a place outside the list")
        return unsafe segments.unsafelyUnwrapped[index]
    }

    /// - Complexity: O(1), amortized.
    mutating func append(_ segment: Segment, _ allocator: SlabAllocator) {
        StepCount.step()
        if used == capacity { resize(to: max(4, capacity * 2), allocator) }
        segment.listIndex = count
        unsafe segments.unsafelyUnwrapped[count] = segment
        used += 1
    }

    /// Removes a segment, which must be in the list.
    /// - Complexity: O(1), amortized.
    mutating func remove(_ segment: Segment, _ allocator: SlabAllocator) {
        StepCount.step()
        let index = segment.listIndex
        precondition(self[index] == segment, "a segment's place in the list is wrong")
        used -= 1
        if index < count {
            let moved = unsafe segments.unsafelyUnwrapped[count]
            unsafe segments.unsafelyUnwrapped[index] = moved
            moved.listIndex = index
        }
        if used < capacity / 4 { resize(to: capacity / 2, allocator) }
    }

    /// Frees the array, not the segments.
    @unsafe mutating func deallocate(_ allocator: SlabAllocator) {
        if let segments = unsafe segments { unsafe allocator.deallocate(segments) }
        unsafe segments = nil
        capacity = 0
        used = 0
    }

    /// Notes where a segment is whose memory has moved.
    func replace(at index: Int, with moved: Segment) {
        precondition(UInt(bitPattern: index) < UInt(used), "a place outside the list")
        unsafe segments.unsafelyUnwrapped[index] = moved
    }

    mutating func move(_ mover: inout BlockMover) {
        guard let segments = unsafe segments, let moved = unsafe mover.move(segments) else { return }
        unsafe self.segments = moved.bindMemory(to: Segment.self, capacity: Int(capacity))
    }

    /// Bytes in use.
    func byteCount(_ allocator: SlabAllocator) -> Int { unsafe segments.map { unsafe allocator.capacity(of: $0) } ?? 0 }

    private mutating func resize(to newCapacity: UInt32, _ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(Int(newCapacity) * MemoryLayout<Segment>.stride).bindMemory(
            to: Segment.self, capacity: Int(newCapacity))
        if let segments = unsafe segments {
            StepCount.step(count)
            unsafe block.update(from: segments, count: count)
            unsafe allocator.deallocate(segments)
        }
        unsafe segments = block
        capacity = newCapacity
    }
}
