// Writes all keys of an engine as a snapshot: see RDBOpcode.swift for its form.

import RespCodec

struct SnapshotWriter<Sink: ByteSink> {
    private let records: RecordWriter<Sink>
    private let version: UInt16

    /// - Parameter version: of the RDB format: servers that know it can read the snapshot.
    init(sink: Sink, version: UInt16, compresses: Bool) {
        records = RecordWriter(sink: sink, compresses: compresses)
        self.version = version
    }

    /// Writes everything but the checksum, which the caller appends.
    /// - Parameter context: calls its second argument with the context of a database.
    /// - Complexity: O(bytes of all keys and values).
    func write(_ engine: Engine, _ context: (_ database: Int, (KeyspaceContext) -> Void) -> Void) {
        records.sink.append(RDBOpcode.magic)
        let digits = Decimal.text(Int(version))
        for _ in digits.count..<RDBOpcode.versionDigits { records.sink.append(byte: UInt8(ascii: "0")) }
        digits.withByteSlice { records.sink.append($0) }
        for database in engine.databasesInUse where database.count > 0 {
            context(database.index) { write($0) }
        }
        write(.end)
    }

    private func write(_ context: KeyspaceContext) {
        let database = context.database
        write(.database)
        records.write(length: database.index)
        write(.size)
        records.write(length: database.count)
        records.write(length: database.deadlineCount)
        database.forEachEntry { write($0, context) }
    }

    private func write(_ entry: Entry, _ context: KeyspaceContext) {
        if let deadline = entry.expireTime {
            write(.deadline)
            records.write(time: deadline)
        }
        if context.settings.tracksFrequency {
            write(.frequency)
            records.sink.append(byte: UInt8(truncatingIfNeeded: entry.accessClock))
        }
        let type = RecordType(of: entry, version: version)
        records.write(type: type)
        records.write(string: entry.key)
        records.write(valueOf: entry, as: type, context)
    }

    private func write(_ mark: RDBOpcode) { records.sink.append(byte: mark.rawValue) }
}
