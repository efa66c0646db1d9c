// A value whose key a snapshot has come to and that is still to be written: at once if it is of medium size, some elements at a time if it
// is large.

import RespCodec

/// The bytes of a long string that no key has any more.
@safe struct HeldBlock {
    let start: UnsafeMutableRawPointer
    let allocator: SlabAllocator
}

final class UnwrittenValue {
    enum State {
        case unwritten
        /// Its count was written, and some of its elements.
        case open
        case written
    }

    enum Weight {
        /// To be written with its key.
        case light
        /// Well under a millisecond's work.
        case medium
        case large
    }

    enum Body {
        case fields(HashTable, earliestDeadline: Int64?)
        case members(SetTable)
        case scores(SortedSetTable)
        case list(ListChain)
        case stream(StreamValue)
        case text(UnwrittenText)
    }

    /// About how many bytes of nodes are written at once.
    private static let sliceSize = 32 << 10
    /// How many nodes are looked at at once: not all are written.
    private static let nodesOfSlice = 512
    private static let textSliceSize = 256 << 10

    private(set) var address: UInt
    /// The record up to the value; nothing of what is written as commands.
    let head: [UInt8]
    /// The number that the database had.
    let databaseIndex: Int
    let isLarge: Bool
    private let type: RecordType
    let body: Body
    /// If it is written as commands.
    var making: KeyMaking?
    var state = State.unwritten
    var stream: SnapshotStream?
    private(set) var part = 0
    /// What is freed when it was written, because no key has it any more.
    enum Dropped {
        case value(any LargeValue)
        case block(HeldBlock)
    }

    var dropped: Dropped?
    /// The bytes of that.
    var heldBytes = 0

    // MARK: while it is open

    private var records: RecordWriter<SnapshotStream>?
    private var ticket: UInt32 = 0
    /// The prefix of the next segment of a table.
    private var position: UInt64 = 0
    private(set) var list: UnwrittenList?
    private(set) var entries: UnwrittenStream?
    /// What stands between the nodes of a stream and its groups, and these.
    private var facts: [UInt8] = []
    private var groups: [UnwrittenGroup] = []
    private var nextGroup = 0

    init(
        _ entry: Entry, _ type: RecordType, head: [UInt8], making: KeyMaking?, databaseIndex: Int,
        _ allocator: SlabAllocator
    ) {
        self.head = head
        self.making = making
        self.type = type
        self.databaseIndex = databaseIndex
        isLarge = Weight(of: entry) == .large
        body =
            switch entry.encoding {
            case .external: .text(UnwrittenText(entry, allocator))
            case .chain: unsafe .list(ListChain(at: entry.pointer))
            case .stream: unsafe .stream(StreamValue(at: entry.pointer))
            case .tree: unsafe .scores(SortedSetTable(at: entry.pointer))
            case .table where entry.isType(.set): unsafe .members(SetTable(at: entry.pointer))
            case .table:
                unsafe .fields(HashTable(at: entry.pointer), earliestDeadline: entry.earliestFieldDeadline)
            default: preconditionFailure("a value that lies in its entry is written with it")
            }
        guard let address = Self.address(of: entry) else { preconditionFailure("a value without an address") }
        self.address = address
    }

    /// Where a value lies that does not lie in its entry.
    static func address(of entry: Entry) -> UInt? {
        switch entry.encoding {
        case .external: unsafe UInt(bitPattern: entry.external.block)
        case .table, .chain, .tree, .stream: unsafe UInt(bitPattern: entry.pointer)
        default: nil
        }
    }

    /// The bytes of a long string are somewhere else.
    @unsafe func hasMoved(to block: UnsafeMutableRawPointer) {
        guard case .text(let text) = body else { preconditionFailure("only bytes of strings move") }
        unsafe text.hasMoved(to: block)
        address = UInt(bitPattern: block)
    }

    /// If it is a long string, its bytes.
    var text: UnwrittenText? { if case .text(let text) = body { text } else { nil } }

    // MARK: in one piece

    func writeWhole(_ records: RecordWriter<SnapshotStream>) {
        if let making { return making.writeWhole(body, to: CommandWriter(sink: records.sink)) }
        switch body {
        case .fields(let table, let earliest): records.writeFields(table, earliestDeadline: earliest)
        case .members(let table):
            records.write(length: table.count)
            _ = table.visit { member in
                records.write(string: member)
                return true
            }
        case .scores(let table): records.write(members: table)
        case .list(let chain): records.write(nodesOf: chain)
        case .stream(let stream): records.write(stream: stream, as: type)
        case .text(let text): records.write(string: text.whole)
        }
    }

    // MARK: in slices

    /// Writes everything but the elements. From now on, changes of it are told of.
    func open(_ saver: SnapshotSaver, _ stream: SnapshotStream, part: Int) {
        let records = RecordWriter(sink: stream, compresses: saver.engine.settings.compressesRecords)
        self.records = records
        self.stream = part > 0 ? stream : nil
        self.part = part
        state = .open
        head.withByteSlice { stream.append($0) }
        making?.begin(body, to: CommandWriter(sink: stream))
        switch body {
        case .fields(let table, let earliest):
            if let earliest, making == nil { records.write(time: earliest) }
            write(count: table.count, records)
            table.table.ticket = takeTicket(saver)
        case .members(let table):
            write(count: table.count, records)
            table.table.ticket = takeTicket(saver)
        case .scores(let table):
            write(count: table.count, records)
            table.table.ticket = takeTicket(saver)
        case .list(let chain):
            write(count: chain.nodeCount, records)
            list = UnwrittenList(chain)
        case .stream(let stream): open(stream, saver, records)
        case .text(let text): write(count: text.count, records)
        }
    }

    /// Commands count for themselves.
    private func write(count: Int, _ records: RecordWriter<SnapshotStream>) {
        if making == nil { records.write(length: count) }
    }

    private func takeTicket(_ saver: SnapshotSaver) -> UInt32 {
        ticket = saver.newTicket()
        saver.openTables[ticket] = self
        return ticket
    }

    private func open(_ stream: StreamValue, _ saver: SnapshotSaver, _ records: RecordWriter<SnapshotStream>) {
        write(count: stream.nodeCount, records)
        let entries = UnwrittenStream(stream)
        self.entries = entries
        guard making == nil else { return }
        let writer = ReplyWriter()
        defer { unsafe writer.deallocate() }
        RecordWriter(sink: writer, compresses: false).writeFacts(of: stream)
        facts = writer.written(0..<writer.count).array
        stream.forEachGroup { group in
            let unwritten = UnwrittenGroup(group)
            group.isFrozen = true
            unsafe saver.unwrittenGroups[UInt(bitPattern: group.address)] = unwritten
            groups.append(unwritten)
        }
    }

    /// Writes some elements; true when there are no more.
    func slice(_ saver: SnapshotSaver) -> Bool {
        guard sliceElements(saver) else { return false }
        if let records { making?.end(body, to: CommandWriter(sink: records.sink)) }
        return true
    }

    private func sliceElements(_ saver: SnapshotSaver) -> Bool {
        switch body {
        case .fields(let table, _): return walk(table.table)
        case .members(let table): return walk(table.table)
        case .scores(let table): return walk(table.table)
        case .list: return list.map { writeNodes(of: $0, saver) } ?? true
        case .stream:
            return (entries.map { writeNodes(of: $0) } ?? true) && writeGroups(saver)
        case .text(let text):
            let before = text.heldBytes
            text.slice(most: Self.textSliceSize) { records?.sink.append($0) }
            saver.engine.state.eviction.heldBytes -= before - text.heldBytes
            return text.isWritten
        }
    }

    private func walk<Layout>(_ table: SegmentedTable<Layout>) -> Bool {
        position = table.writeSnapshot(at: position)
        return position > UInt64(UInt32.max)
    }

    /// Writes the entries of a segment of its table, but those that are marked.
    func write(_ segment: Segment) {
        guard let records else { return }
        segment.forEachWord(marked: false) { write($0, records) }
    }

    /// Writes an entry of its table.
    func write(_ word: UInt64) {
        if let records { write(word, records) }
    }

    @inline(__always)
    private func write(_ word: UInt64, _ records: RecordWriter<SnapshotStream>) {
        switch body {
        case .fields(_, let earliest):
            let entry = unsafe FieldEntry(SlotWord.entry(word))
            let deadline = SlotWord.hasDeadline(word) ? entry.deadline : nil
            if making != nil {
                making?.add(
                    .bytes(entry.field), .bytes(entry.value), deadline: deadline, CommandWriter(sink: records.sink))
            } else {
                records.write(field: entry.field, entry.value, deadline: deadline, earliest: earliest)
            }
        case .members:
            let member = unsafe MemberEntry(SlotWord.entry(word)).member
            if making != nil {
                making?.add(.bytes(member), CommandWriter(sink: records.sink))
            } else {
                records.write(string: member)
            }
        case .scores:
            let block = unsafe MemberBlock(SlotWord.entry(word))
            if making != nil {
                making?.add(.bytes(block.member), score: block.score, CommandWriter(sink: records.sink))
                return
            }
            records.write(string: block.member)
            records.write(double: block.score)
        case .list, .stream, .text: break
        }
    }

    private func writeNodes(of list: UnwrittenList, _ saver: SnapshotSaver) -> Bool {
        guard let records else { return true }
        let end = records.sink.position + Self.sliceSize
        var left = Self.nodesOfSlice
        while list.nodesLeft > 0 && left > 0 && records.sink.position < end {
            left -= 1
            let run = list.step { content in
                switch content {
                case .node(let node): write(node, records)
                case .kept(let node): write(node, records)
                }
            }
            if let run { saver.release(run) }
        }
        return list.nodesLeft == 0
    }

    private func writeNodes(of entries: UnwrittenStream) -> Bool {
        guard let records else { return true }
        let end = records.sink.position + Self.sliceSize
        entries.slice(
            most: Self.nodesOfSlice, isOver: { records.sink.position >= end },
            write: { id, bytes in write(nodeOfStream: id, bytes, records) })
        return entries.nodesLeft == 0
    }

    private func writeGroups(_ saver: SnapshotSaver) -> Bool {
        guard let records else { return true }
        facts.withByteSlice { records.sink.append($0) }
        facts = []
        let end = records.sink.position + Self.sliceSize
        while nextGroup < groups.count {
            guard groups[nextGroup].slice(records, as: type, end: end) else { return false }
            close(groups[nextGroup], saver)
            nextGroup += 1
        }
        return true
    }

    private func close(_ group: UnwrittenGroup, _ saver: SnapshotSaver) {
        group.group.isFrozen = false
        unsafe saver.unwrittenGroups[UInt(bitPattern: group.group.address)] = nil
        guard let dropped = group.dropped else { return }
        group.dropped = nil
        unsafe saver.engine.state.freeing.free(dropped)
    }

    private func write(_ node: ListNode, _ records: RecordWriter<SnapshotStream>) {
        guard making != nil else { return records.write(node: node) }
        _ = node.visit(from: 0, backwards: false) {
            making?.add($0, CommandWriter(sink: records.sink))
            return true
        }
    }

    private func write(_ kept: KeptNode, _ records: RecordWriter<SnapshotStream>) {
        guard making != nil else { return kept.write(to: records) }
        kept.forEachElement { making?.add($0, CommandWriter(sink: records.sink)) }
    }

    private func write(nodeOfStream id: StreamID, _ bytes: ByteSlice, _ records: RecordWriter<SnapshotStream>) {
        guard making != nil else { return records.write(nodeOfStream: id, bytes) }
        making?.add(unsafe StreamNode(list: Listpack(lookingAt: bytes), id: id), CommandWriter(sink: records.sink))
    }

    /// Ends its being open, whether it was written to its end or not, and frees it if no key has it any more.
    func close(_ saver: SnapshotSaver) {
        state = .written
        records = nil
        if ticket != 0 { saver.openTables[ticket] = nil }
        switch body {
        case .fields(let table, _): table.table.ticket = 0
        case .members(let table): table.table.ticket = 0
        case .scores(let table): table.table.ticket = 0
        case .list: for run in list?.close() ?? [] { saver.release(run) }
        case .stream: closeStream(saver)
        case .text: break
        }
        list = nil
        entries = nil
        groups = []
        release(saver)
    }

    /// Frees it if no key has it any more.
    func release(_ saver: SnapshotSaver) {
        let state = saver.engine.state
        if let text {
            state.eviction.heldBytes -= text.heldBytes
            text.release()
        }
        guard let dropped else { return }
        self.dropped = nil
        saver.unwritten[address] = nil
        state.eviction.heldBytes -= heldBytes
        switch dropped {
        case .value(let value): unsafe state.freeing.free(value)
        case .block(let block): unsafe block.allocator.deallocate(block.start)
        }
    }

    private func closeStream(_ saver: SnapshotSaver) {
        for group in groups[nextGroup...] { close(group, saver) }
        entries?.close()
    }

    /// What is dropped goes with its allocator.
    func forgetDropped() {
        dropped = nil
        text?.forgetHeld()
        for run in list?.runs.values ?? [:].values { run.heldBytes = nil }
    }
}

extension UnwrittenValue.Weight {
    private static let fewElements = 64
    private static let fewBytes = 16 << 10
    private static let someElements = 4096
    private static let someBytes = 256 << 10

    init(of entry: Entry) {
        let (count, bytes): (Int, Int)
        switch entry.encoding {
        case .external: (count, bytes) = unsafe (1, entry.external.length)
        case .table, .chain, .tree, .stream:
            guard let value = entry.large else { preconditionFailure("a large value lies outside its entry") }
            count = value.count
            // What has many elements is not measured.
            bytes = count > Self.someElements ? Int.max : value.byteCount(samples: 4)
        default:
            self = .light
            return
        }
        if count <= Self.fewElements && bytes <= Self.fewBytes {
            self = .light
        } else {
            self = count <= Self.someElements && bytes <= Self.someBytes ? .medium : .large
        }
    }
}
