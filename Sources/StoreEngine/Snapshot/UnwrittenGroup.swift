// A group of a stream whose pending entries a snapshot writes some at a time.
//
// In a file all pending entries of a group follow each other, then each consumer with the ids that it has, both by id, behind their
// number. So these numbers and what the consumers are called are taken down when the stream is opened, and then the group's tree is
// walked, and after it those of its consumers. Before a pending entry changes that the walk has not come to, what it was is noted, to be
// written at its place; and from then on its id is left out wherever it turns up, as are those of entries that are new.

import RespCodec

final class UnwrittenGroup {
    private struct Consumer {
        let address: UInt
        let name: [UInt8]
        let seenTime: Int64
        let activeTime: Int64
        let pendingCount: Int
        var isRemoved = false
        /// What it had that has changed before it was written.
        var earlier = BinaryHeap<EarlierEntry>()
    }

    private enum Stage {
        case head
        case entries
        case consumerHead
        case consumerEntries
        case written
    }

    let group: StreamGroup
    /// The stream of its own in which the group is since it was destroyed, and which is freed when it was written.
    var dropped: StreamValue?
    private let head: (name: [UInt8], lastID: StreamID, entriesRead: Int, pendingCount: Int)
    private var consumers: [Consumer] = []
    /// Of those that are still there, by their addresses.
    private var consumerPlaces: [UInt: Int] = [:]

    private var stage = Stage.head
    /// From where on the tree is still to be walked that is being walked.
    private var position = StreamID.zero
    private var consumer = 0
    /// What is not as it was.
    private var changed: Set<StreamID> = []
    /// What of that is to be written as it was.
    private var earlier = BinaryHeap<EarlierEntry>()

    init(_ group: StreamGroup) {
        self.group = group
        head = (group.name.array, group.lastID, group.entriesRead, group.pendingCount)
        consumers.reserveCapacity(group.consumerCount)
        group.forEachConsumer { consumer in
            let address = unsafe UInt(bitPattern: consumer.address)
            consumerPlaces[address] = consumers.count
            consumers.append(
                Consumer(
                    address: address, name: consumer.name.array, seenTime: consumer.seenTime,
                    activeTime: consumer.activeTime, pendingCount: consumer.pendingCount))
        }
    }

    // MARK: changes

    /// An entry is about to change, or to be removed.
    func willChange(_ entry: PendingEntry) {
        let id = entry.id
        guard stage != .written, changed.insert(id).inserted else { return }
        if stage == .head || stage == .entries && id >= position {
            earlier.insert(EarlierEntry(entry))
        }
        guard let address = unsafe entry.consumer,
            let place = consumerPlaces[UInt(bitPattern: address)], isUnwritten(id, ofConsumer: place)
        else { return }
        consumers[place].earlier.insert(EarlierEntry(entry))
    }

    private func isUnwritten(_ id: StreamID, ofConsumer place: Int) -> Bool {
        switch stage {
        case .head, .entries: true
        case .consumerHead: place >= consumer
        case .consumerEntries: place > consumer || place == consumer && id >= position
        case .written: false
        }
    }

    /// An entry was added.
    func hasAdded(_ id: StreamID) { if stage != .written { changed.insert(id) } }

    /// A consumer is about to be removed, of whose entries the changes were told.
    @unsafe func willRemove(consumerAt address: UnsafeMutableRawPointer) {
        guard let place = consumerPlaces.removeValue(forKey: UInt(bitPattern: address)) else { return }
        consumers[place].isRemoved = true
    }

    // MARK: writing

    /// Writes some of it, up to about the position `end` of the sink; true when it was written.
    func slice(_ records: RecordWriter<SnapshotStream>, as type: RecordType, end: Int) -> Bool {
        while stage != .written {
            guard records.sink.position < end, step(records, type, end: end) else { return false }
        }
        changed = []
        return true
    }

    /// False when the slice is over.
    private func step(_ records: RecordWriter<SnapshotStream>, _ type: RecordType, end: Int) -> Bool {
        switch stage {
        case .head:
            head.name.withByteSlice { records.write(string: $0) }
            records.write(id: head.lastID)
            records.write(number: UInt64(bitPattern: Int64(head.entriesRead)))
            records.write(length: head.pendingCount)
            stage = .entries
        case .entries:
            let isDone = walk(group.pending(from: position), &earlier, records, end: end) { entry in
                records.write(pending: entry.id, deliveryTime: entry.deliveryTime, deliveryCount: entry.deliveryCount)
            }
            guard isDone else { return false }
            records.write(length: consumers.count)
            begin(consumers.isEmpty ? .written : .consumerHead)
        case .consumerHead:
            let consumer = consumers[consumer]
            consumer.name.withByteSlice { records.write(string: $0) }
            records.write(time: consumer.seenTime)
            if type == .stream { records.write(time: consumer.activeTime) }
            records.write(length: consumer.pendingCount)
            begin(.consumerEntries)
        case .consumerEntries:
            let isDone = walk(
                entries(of: consumers[consumer]), &consumers[consumer].earlier, records, end: end
            ) { records.write(plainID: $0.id) }
            guard isDone else { return false }
            consumer += 1
            begin(consumer < consumers.count ? .consumerHead : .written)
        case .written: break
        }
        return true
    }

    private func begin(_ next: Stage) {
        stage = next
        position = .zero
    }

    /// What a consumer has now, from the position on; nothing if it was removed.
    private func entries(of consumer: Consumer) -> PendingEntries {
        guard !consumer.isRemoved, let address = unsafe UnsafeMutableRawPointer(bitPattern: consumer.address) else {
            return PendingEntries(nil)
        }
        return unsafe StreamConsumer(at: address).pending(from: position)
    }

    /// Writes entries that are as they were, and between them what others were; false if the slice was over before the end.
    private func walk(
        _ entries: PendingEntries, _ earlier: inout BinaryHeap<EarlierEntry>, _ records: RecordWriter<SnapshotStream>,
        end: Int,
        _ write: (EarlierEntry) -> Void
    ) -> Bool {
        var walked = 0
        for entry in entries {
            let id = entry.id
            while let other = earlier.first, other.id < id {
                write(other)
                earlier.removeFirst()
                walked += 1
            }
            // Where nearly all have changed, little is written.
            guard records.sink.position < end && walked < Self.entriesOfSlice else {
                position = id
                return false
            }
            walked += 1
            if changed.isEmpty || !changed.contains(id) { write(EarlierEntry(entry)) }
        }
        while let other = earlier.first {
            guard records.sink.position < end && walked < Self.entriesOfSlice else {
                position = other.id
                return false
            }
            write(other)
            earlier.removeFirst()
            walked += 1
        }
        return true
    }

    private static let entriesOfSlice = 1024
}

/// What a pending entry was.
private struct EarlierEntry: HeapElement {
    let id: StreamID
    let deliveryTime: Int64
    let deliveryCount: Int

    init(_ entry: PendingEntry) {
        id = entry.id
        deliveryTime = entry.deliveryTime
        deliveryCount = entry.deliveryCount
    }

    /// The one of the least id comes first.
    func precedes(_ other: EarlierEntry) -> Bool { id < other.id }
}
