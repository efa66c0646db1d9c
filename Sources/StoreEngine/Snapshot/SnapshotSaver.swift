// Writes all keys as a snapshot: see RDBOpcode.swift for its form.
//
// Values are written in the forms that Redis 7.0 reads. What has no such form raises the version of the file, which is known at its end.

import Glibc
import RespCodec

public final class SnapshotSaver {
    /// What a file has besides keys.
    public struct Contents {
        /// What it says of the server that saved it: names and texts.
        public var information: [(name: String, text: String)] = []
        /// The codes of the libraries of functions.
        public var libraries: [[UInt8]] = []

        public init() {}
    }

    /// The version of the format that a file has as long as nothing needs a later one: that of Redis 7.0.
    public static let leastVersion: UInt16 = 10

    private let engine: Engine
    private let stream: SnapshotStream
    private let records: RecordWriter<SnapshotStream>
    private let quiet = ReplyWriter(capacity: 64)
    /// The version that the file needs by what was written so far.
    public private(set) var version = SnapshotSaver.leastVersion
    public private(set) var keyCount = 0
    private var selected = -1

    public init(_ engine: Engine, _ contents: Contents, to destination: any SnapshotDestination) {
        self.engine = engine
        stream = SnapshotStream(destination)
        records = RecordWriter(sink: stream, compresses: engine.settings.compressesRecords)
        writeHead(contents)
    }

    deinit {
        unsafe quiet.deallocate()
        stream.deallocate()
    }

    /// Writes everything at once.
    /// - Complexity: O(bytes of all keys and values).
    public func saveAll() {
        for database in engine.databasesInUse where database.count > 0 {
            begin(database)
            let context = KeyspaceContext(engine, database: database, reply: quiet)
            database.table.forEachSegment { write($0, of: database.index, context) }
        }
        stream.flush()
    }

    private func writeHead(_ contents: Contents) {
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

    private func begin(_ database: Database) {
        select(database.index)
        write(.size)
        records.write(length: database.count)
        records.write(length: database.deadlineCount)
    }

    private func select(_ index: Int) {
        guard index != selected else { return }
        selected = index
        write(.database)
        records.write(length: index)
    }

    // MARK: entries

    /// Writes the entries of a segment.
    private func write(_ segment: Segment, of index: Int, _ context: KeyspaceContext) {
        segment.prefetchEntries()
        for bucket in 0..<segment.bucketCount {
            let slots = unsafe segment.bucket(bucket)
            for place in 0..<Segment.slotsPerBucket {
                let word = unsafe slots[place]
                if word == 0 { break }
                unsafe write(Entry(SlotWord.entry(word)), context)
            }
        }
        keyCount += segment.used
    }

    private func write(_ entry: Entry, _ context: KeyspaceContext) {
        let type = RecordType(of: entry, version: Self.leastVersion)
        writeHead(of: entry, as: type, context)
        records.write(valueOf: entry, as: type, context)
    }

    /// Writes everything of a key but its value.
    private func writeHead(of entry: Entry, as type: RecordType, _ context: KeyspaceContext) {
        version = max(version, type.version(of: entry))
        if let deadline = entry.expireTime {
            write(.deadline)
            records.write(time: deadline)
        }
        if context.settings.tracksFrequency {
            write(.frequency)
            stream.append(byte: UInt8(truncatingIfNeeded: entry.accessClock))
        } else if context.settings.evictionOrder == .leastRecentlyUsed {
            write(.idleSeconds)
            records.write(length: context.engine.accessClock.idleSeconds(entry))
        }
        records.write(type: type)
        records.write(string: entry.key)
    }

    private func write(_ mark: RDBOpcode) { stream.append(byte: mark.rawValue) }
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
