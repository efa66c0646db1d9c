// Writes all keys as a snapshot: see RDBOpcode.swift for its form.
//
// Values are written in the forms that Redis 7.0 reads. What has no such form raises the version of the file, which is known at its end.
//
// A snapshot is written at once (`saveAll`), or in slices, while commands run (`begin`, then `slice` until it is over). Then it still is what
// there was when it began:
//
//   - Each table of keys gets a ticket, and is walked segment by segment, in the order of a scan. A segment that was written bears the
//     ticket. Before an entry of another one changes, it is written first, and marked: the order of keys in a file does not matter.
//   - With a segment go the small values in it. Of a larger one, everything but the value is taken down (`UnwrittenValue`), and the value
//     is written soon; or at once, before it changes.
//   - A very large one is written some elements at a time. When it is about to change before that is over, it is opened: its count is
//     written, and from then on its elements are what is walked. A table of members or fields is walked as tables of keys are. What a node
//     of a list or a stream holds is kept before it changes (`UnwrittenList`, `UnwrittenStream`), and so are the pages of a long string,
//     which need not be opened for that (`UnwrittenText`).
//   - As a record must be in one piece, one that is opened goes to a part of its own, which follows when it is whole.
//   - What is dropped while something of it is still to be written is freed afterwards.
//
// The same way commands are written that make the data (`CommandWriter`, `KeyMaking`), for the base of an append-only file that is to be text.
//
// `SnapshotSaver+Changes.swift` has what the data says of its changes.

import Glibc
import RespCodec

public final class SnapshotSaver {
    /// What a file has besides keys.
    public struct Contents {
        /// What it says of the server that saved it: names and texts.
        public var information: [(name: String, text: String)] = []
        /// The codes of the libraries of functions.
        public var libraries: [[UInt8]] = []
        /// Whether it is all commands that make the same data, and no snapshot. They say nothing of the server.
        public var isCommands = false
        /// With commands: the time to be noted, in seconds since 1970.
        public var time: Int64?

        public init() {}
    }

    /// A table of keys that is walked.
    final class Walk {
        enum Source {
            case database(Database)
            /// Of a database that was dropped since.
            case dropped(SegmentedTable<EntryLayout>)
        }

        var source: Source
        let ticket: UInt32
        /// The number that the database had.
        let index: Int
        /// The prefix of the next segment; past the last one when all were written.
        var position: UInt64 = 0

        init(_ database: Database, ticket: UInt32) {
            source = .database(database)
            self.ticket = ticket
            index = database.index
        }

        var isOver: Bool { position > UInt64(UInt32.max) }

        var table: SegmentedTable<EntryLayout> {
            switch source {
            case .database(let database): database.table
            case .dropped(let table): table
            }
        }
    }

    /// The version of the format that a file has as long as nothing needs a later one: that of Redis 7.0.
    public static let leastVersion: UInt16 = 10
    /// When this many larger values wait, they are written with their segments.
    private static let mostWaiting = 1 << 16

    unowned let engine: Engine
    let destination: any SnapshotDestination
    let stream: SnapshotStream
    private let records: RecordWriter<SnapshotStream>
    private let isCommands: Bool
    let quiet = ReplyWriter(capacity: 64)
    /// The version that the file needs by what was written so far.
    public private(set) var version = SnapshotSaver.leastVersion
    public private(set) var keyCount = 0
    /// How many steps the slices had.
    public private(set) var stepCount = 0
    /// How many keys there were.
    public private(set) var totalCount = 0
    private var selected = -1

    // MARK: in slices

    private(set) var isInSlices = false
    /// Of tables that there was nothing of when it began.
    private(set) var ticketOfNewTables: UInt32 = 0
    var walks: [Walk] = []
    private var walkIndex = 0
    /// By where they lie.
    var unwritten: [UInt: UnwrittenValue] = [:]
    /// In the order in which they are written, those included that were written since.
    private var waiting: [UnwrittenValue] = []
    private var waitingIndex = 0
    private var large: [UnwrittenValue] = []
    private var largeIndex = 0
    /// Those that have been opened because they were about to change.
    private var opened: [UnwrittenValue] = []
    /// By the tickets of their tables.
    var openTables: [UInt32: UnwrittenValue] = [:]
    /// What was cut off lists that are open, by the addresses of its chains.
    var cutRuns: [UInt: UnwrittenList.Run] = [:]
    /// The groups of streams that are still to be written, by their addresses.
    var unwrittenGroups: [UInt: UnwrittenGroup] = [:]
    /// What goes when it is over.
    var heldTables: [SegmentedTable<EntryLayout>] = []
    var heldTableBytes = 0
    var heldAllocators: [SlabAllocator] = []
    private var lastPart = 0
    /// Parts that were written to their ends, and have no place yet.
    private var wholeParts: [Int] = []
    /// Whether the record that part 0 ends with is not whole.
    private var isMidRecord = false

    public init(_ engine: Engine, _ contents: Contents, to destination: any SnapshotDestination) {
        self.engine = engine
        self.destination = destination
        isCommands = contents.isCommands
        stream = SnapshotStream(destination)
        records = RecordWriter(sink: stream, compresses: engine.settings.compressesRecords)
        for database in engine.databasesInUse { totalCount += database.count }
        writeHead(contents)
    }

    deinit {
        precondition(!isInSlices, "a snapshot is ended before it is forgotten")
        unsafe quiet.deallocate()
        unsafe stream.deallocate()
    }

    var context: KeyspaceContext { KeyspaceContext(engine, database: engine.database(0), reply: quiet) }

    // MARK: all at once

    /// Writes everything at once.
    /// - Parameter pause: is called after each key.
    /// - Complexity: O(bytes of all keys and values).
    public func saveAll(pause: (() -> Void)? = nil) {
        for database in engine.databasesInUse where database.count > 0 {
            describe(database)
            let context = KeyspaceContext(engine, database: database, reply: quiet)
            database.table.forEachSegment { segment in
                segment.forEachWord { word in
                    write(unsafe Entry(SlotWord.entry(word)), context)
                    keyCount &+= 1
                    pause?()
                }
            }
        }
        stream.flush()
    }

    private func writeHead(_ contents: Contents) {
        if isCommands {
            let commands = CommandWriter(sink: stream)
            if let time = contents.time { commands.note(time: time) }
            for code in contents.libraries { commands.load(library: code) }
            return
        }
        RDBOpcode.head(version: Self.leastVersion).withByteSlice { stream.append($0) }
        for (name, text) in contents.information {
            write(.information)
            Array(name.utf8).withByteSlice { records.write(string: $0) }
            Array(text.utf8).withByteSlice { records.write(string: $0) }
        }
        for code in contents.libraries {
            write(.function)
            code.withByteSlice { records.write(string: $0) }
        }
    }

    /// Tells how many keys a database has.
    private func describe(_ database: Database) {
        select(database.index)
        if isCommands { return }
        write(.size)
        records.write(length: database.count)
        records.write(length: database.deadlineCount)
    }

    private func select(_ index: Int) {
        guard index != selected else { return }
        selected = index
        write(selectionOf: index, to: stream)
    }

    private func write(selectionOf index: Int, to stream: SnapshotStream) {
        if isCommands { return CommandWriter(sink: stream).select(index) }
        stream.append(byte: RDBOpcode.database.rawValue)
        RecordWriter(sink: stream, compresses: false).write(length: index)
    }

    // MARK: entries

    private func write(_ entry: Entry, _ context: KeyspaceContext) {
        if isCommands { return CommandWriter(sink: stream).write(entry, context) }
        let type = RecordType(of: entry, version: Self.leastVersion)
        writeHead(of: entry, as: type, to: records, context)
        records.write(valueOf: entry, as: type, context)
    }

    /// Writes everything of a key but its value.
    private func writeHead<Sink: ByteSink>(
        of entry: Entry, as type: RecordType, to records: RecordWriter<Sink>, _ context: KeyspaceContext
    ) {
        let needed = type.version(of: entry)
        if needed > version { version = needed }
        if entry.encoding == .stream, let times = ConsumerTimes.text(of: entry, as: type) {
            records.sink.append(byte: RDBOpcode.information.rawValue)
            records.write(string: ConsumerTimes.name)
            times.withByteSlice { records.write(string: $0) }
        }
        if let deadline = context.database.deadline(of: entry) {
            records.sink.append(byte: RDBOpcode.deadline.rawValue)
            records.write(time: deadline)
        }
        if context.engine.accessClock.tracksFrequency {
            records.sink.append(byte: RDBOpcode.frequency.rawValue)
            records.sink.append(byte: UInt8(truncatingIfNeeded: entry.accessClock))
        } else if context.settings.evictionOrder == .leastRecentlyUsed
            || context.settings.evictionOrder == .leastRecentlyModified
        {
            records.sink.append(byte: RDBOpcode.idleSeconds.rawValue)
            records.write(length: context.engine.accessClock.idleSeconds(entry))
        }
        records.write(type: type)
        records.write(string: entry.key)
    }

    private func write(_ mark: RDBOpcode) { stream.append(byte: mark.rawValue) }

    // MARK: slices

    /// Has everything that there is now written, in slices.
    public func begin() {
        isInSlices = true
        engine.state.snapshot = self
        engine.state.allocator.snapshot = self
        ticketOfNewTables = newTicket()
        for database in engine.databasesInUse {
            guard database.count > 0 else {
                database.table.ticket = ticketOfNewTables
                continue
            }
            describe(database)
            let walk = Walk(database, ticket: newTicket())
            database.table.ticket = walk.ticket
            walks.append(walk)
        }
    }

    func newTicket() -> UInt32 {
        engine.state.lastTicket &+= 1
        // Fresh segments have none.
        if engine.state.lastTicket == 0 { engine.state.lastTicket = 1 }
        return engine.state.lastTicket
    }

    /// Writes some of what is left, until `isOver` says that the time is over, or there is no room for more.
    /// - Returns: whether everything was written: then `end` is to be called.
    public func slice(_ isOver: () -> Bool) -> Bool {
        while !isOver() && destination.hasRoom {
            if step() { return true }
        }
        return false
    }

    /// Writes a little; true when there is nothing left.
    private func step() -> Bool {
        stepCount &+= 1
        if waitingIndex < waiting.count {
            let value = waiting[waitingIndex]
            waitingIndex += 1
            if waitingIndex == waiting.count {
                waiting.removeAll(keepingCapacity: waiting.count < 1024)
                waitingIndex = 0
            }
            if value.state == .unwritten { writeWhole(value) }
        } else if let value = opened.last {
            if value.slice(self) {
                opened.removeLast()
                close(value)
            }
        } else if walkIndex < walks.count {
            step(walks[walkIndex])
            if walks[walkIndex].isOver { walkIndex += 1 }
        } else if largeIndex < large.count {
            step(large[largeIndex])
            if large[largeIndex].state == .written { largeIndex += 1 }
        } else {
            stream.flush()
            return true
        }
        return false
    }

    private func step(_ walk: Walk) {
        walk.position = walk.table.writeSnapshot(at: walk.position)
    }

    /// One that was not opened before goes to part 0, as nothing else does any more.
    private func step(_ value: UnwrittenValue) {
        switch value.state {
        case .unwritten:
            select(value.databaseIndex)
            isMidRecord = true
            value.open(self, stream, part: 0)
        case .open:
            guard value.slice(self) else { return }
            isMidRecord = false
            close(value)
        case .written: break
        }
    }

    /// Writes the keys of a segment, but those that are marked.
    func write(_ segment: Segment, of walk: Walk) {
        let context = context
        select(walk.index)
        segment.forEachWord(marked: false) { write($0, of: walk, context) }
    }

    /// Writes the key of an entry that is about to change.
    func write(_ word: UInt64, of walk: Walk) {
        select(walk.index)
        write(word, of: walk, context)
    }

    @inline(__always)
    private func write(_ word: UInt64, of walk: Walk, _ context: KeyspaceContext) {
        let entry = unsafe Entry(SlotWord.entry(word))
        keyCount &+= 1
        switch UnwrittenValue.Weight(of: entry) {
        case .light: write(entry, context)
        case .medium where waiting.count - waitingIndex >= Self.mostWaiting: write(entry, context)
        case let weight: takeDown(entry, weight, walk, context)
        }
    }

    /// Has a value written later.
    private func takeDown(
        _ entry: Entry, _ weight: UnwrittenValue.Weight, _ walk: Walk, _ context: KeyspaceContext
    ) {
        let type = RecordType(of: entry, version: Self.leastVersion)
        quiet.removeAll()
        if !isCommands {
            writeHead(of: entry, as: type, to: RecordWriter(sink: quiet, compresses: records.compresses), context)
        }
        let value = UnwrittenValue(
            entry, type, head: quiet.written(0..<quiet.count).array,
            making: isCommands ? KeyMaking(entry, deadline: context.database.deadline(of: entry)) : nil,
            databaseIndex: walk.index, engine.state.allocator)
        quiet.removeAll()
        unwritten[value.address] = value
        if weight == .medium { waiting.append(value) } else { large.append(value) }
    }

    /// Writes a value that waits, in one piece.
    func writeWhole(_ value: UnwrittenValue) {
        precondition(!isMidRecord, "a value of medium size has waited for too long")
        select(value.databaseIndex)
        value.head.withByteSlice { stream.append($0) }
        value.writeWhole(records)
        value.state = .written
        unwritten[value.address] = nil
        value.release(self)
    }

    /// Opens a large value that is about to change, in a part of its own.
    func openInPart(_ value: UnwrittenValue) {
        lastPart += 1
        let part = SnapshotStream(destination, part: lastPart)
        write(selectionOf: value.databaseIndex, to: part)
        value.open(self, part, part: lastPart)
        opened.append(value)
    }

    /// A value was written to its end.
    private func close(_ value: UnwrittenValue) {
        value.close(self)
        unwritten[value.address] = nil
        if let part = value.stream {
            value.stream = nil
            if !isMidRecord && part.isInOneBlock {
                // Straight to its place.
                stream.flush()
                part.flush(toPart: 0)
                selected = -1
            } else {
                part.flush()
                wholeParts.append(value.part)
            }
            unsafe part.deallocate()
        }
        // They wait while the record at the end of part 0 is not whole.
        if !isMidRecord { appendParts() }
    }

    private func appendParts() {
        guard !wholeParts.isEmpty else { return }
        stream.flush()
        for part in wholeParts { destination.append(part: part) }
        wholeParts.removeAll()
        // Each has selected a database of its own.
        selected = -1
    }

    /// Ends it, whether everything was written or not.
    public func end() {
        guard isInSlices else { return }
        isInSlices = false
        for value in unwritten.values {
            if value.state == .open {
                value.close(self)
                unsafe value.stream?.deallocate()
                value.stream = nil
            } else {
                value.release(self)
            }
        }
        unwritten.removeAll()
        for database in engine.databasesInUse { database.table.ticket = 0 }
        let state = engine.state
        state.snapshot = nil
        state.allocator.snapshot = nil
        for table in heldTables { unsafe state.freeing.free(table) }
        for allocator in heldAllocators {
            allocator.snapshot = nil
            unsafe state.freeing.release(allocator)
        }
        heldTables = []
        heldAllocators = []
        state.eviction.heldBytes = 0
        walks = []
    }
}

extension RecordType {
    /// The version of the format that a reader of the value must know. Pending entries of streams that were released have no consumer: older
    /// readers would accept them and fail later.
    func version(of entry: Entry) -> UInt16 {
        guard entry.encoding == .stream else { return version }
        let stream = unsafe StreamValue(at: entry.pointer)
        let hasReleased = (0..<stream.groupCount).contains { stream.group(at: $0).releasedCount > 0 }
        return hasReleased ? Self.newestVersion : version
    }
}
