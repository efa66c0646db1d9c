// A stream as a whole: building it from the nodes of a snapshot, its size, copying it, freeing it in slices, checking it.

import RespCodec

extension StreamValue: LargeValue {
    // MARK: building

    /// Appends a node of a snapshot: the bytes of a list that was validated with its entries.
    func appendNode(_ id: StreamID, _ bytes: ByteSlice) {
        let block = unsafe allocator.allocate(bytes.count)
        unsafe block.copyMemory(from: bytes.rawBytes.baseAddress!, byteCount: bytes.count)
        _ = nodes.insert(id, UInt64(UInt(bitPattern: block)), allocator)
        tailChanged()
    }

    /// Counts the entries of the appended nodes, and finds the first.
    func finishBuilding() {
        var empty: [StreamID] = []
        length = 0
        forEachNode { node in
            length += node.liveCount
            if node.liveCount == 0 { empty.append(node.id) }
        }
        for id in empty { removeNode(id) }
        updateFirst()
    }

    // MARK: as a large value

    /// Entries and pending entries.
    var count: Int {
        var total = length
        forEachGroup { total += 1 + $0.pendingCount + $0.consumerCount }
        return total
    }

    func byteCount(samples: Int) -> Int {
        var bytes = unsafe allocator.capacity(of: pointer) + nodes.byteCount(allocator)
        var (measured, sum) = (0, 0)
        var place = nodes.first
        while let current = place, measured < samples || samples == 0 {
            sum += unsafe allocator.capacity(of: Self.block(current))
            measured += 1
            place = current.next
        }
        if measured > 0 { bytes += Int(Double(sum) / Double(measured) * Double(nodeCount)) }
        forEachGroup { bytes += $0.byteCount }
        return bytes
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = StreamValue(allocator)
        forEachNode { node in copy.appendNode(node.id, node.list.bytes) }
        copy.length = length
        copy.lastID = lastID
        copy.firstID = firstID
        copy.maximumDeletedID = maximumDeletedID
        copy.entriesAdded = entriesAdded
        copy.headOffset = headOffset
        forEachGroup { group in
            unsafe copy.groups.insert(group.copied(to: allocator).address, allocator)
        }
        return copy
    }

    /// Moves the nodes, pending entries and trees. The few blocks of groups and consumers themselves, which many entries refer to, stay.
    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool {
        while place.stage == 0 && !mover.isOver {
            let next = nodes.moveNodes(from: place.id, &mover) { node, mover in
                guard let block = unsafe mover.move(Self.block(node)) else { return }
                node.value = UInt64(UInt(bitPattern: block))
                if unsafe node.id == pointer.pointee.tailID { unsafe pointer.pointee.tail = block }
            }
            place.id = next ?? .zero
            if next == nil { place.stage = 1 }
        }
        while place.stage > 0 && !mover.isOver {
            guard place.index < groupCount else { return true }
            guard group(at: place.index).defragment(&place, &mover) else { continue }
            place.index += 1
            place.stage = 1
        }
        return false
    }

    @unsafe func deallocateSlice(from place: Int, budget: Int) -> Int? {
        let allocator = allocator
        var left = budget
        while groupCount > 0 {
            guard left > 0 else { return 1 }
            let group = group(at: groupCount - 1)
            guard unsafe group.deallocateSlice(&left) else { return 1 }
            unsafe groups.remove(group.address, allocator)
            unsafe group.deallocate()
        }
        while !nodes.isEmpty {
            guard left > 0 else { return 1 }
            nodes.removeFirstLeaf(allocator) { value in
                unsafe allocator.deallocate(UnsafeMutableRawPointer(bitPattern: UInt(value))!)
                left -= 1
            }
        }
        unsafe groups.deallocate(allocator)
        unsafe allocator.deallocate(pointer)
        return nil
    }

    // MARK: checking

    /// Traps when an invariant does not hold. For tests.
    func checkInvariants() {
        nodes.checkInvariants()
        var total = 0
        var first: StreamID?
        var last = StreamID.zero
        forEachNode { node in
            let fields = node.master.fields
            var (live, deleted) = (0, 0)
            var offset = node.firstEntry
            while offset < node.list.end {
                let entry = node.entry(at: offset, masterFields: fields)
                precondition(entry.id > last, "ids out of order")
                last = entry.id
                if entry.isDeleted {
                    deleted += 1
                } else {
                    live += 1
                    if first == nil {
                        first = entry.id
                        precondition(headOffset == 0 || headOffset == offset, "a wrong offset of the first entry")
                    }
                }
                let next = node.next(after: entry)
                precondition(node.previous(before: next) == offset, "a wrong way back")
                offset = next
            }
            precondition(live == node.liveCount && deleted == node.deletedCount, "wrong counts in a node")
            precondition(live > 0, "a node without a living entry")
            total += live
        }
        precondition(total == length && (first ?? .zero) == firstID && last <= lastID, "wrong counts in a stream")
        precondition(unsafe (nodes.last?.id ?? .zero) == pointer.pointee.tailID, "a wrong last node")
        groups.checkInvariants()
        forEachGroup { $0.checkInvariants() }
    }
}
