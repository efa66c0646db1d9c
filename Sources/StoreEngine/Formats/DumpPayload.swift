// A value as bytes that another server can read: what DUMP returns and RESTORE reads.
//
//     type (1) | value | version of the format (2) | CRC-64 of everything before (8)
//
// Source: Redis 7.0, cluster.c, createDumpPayload and verifyDumpPayload.

import RespCodec

enum DumpPayload {
    private static let versionSize = 2
    private static let checksumSize = 8
    /// What Redis 7.0 reads.
    private static let usualVersion: UInt16 = 10

    /// Writes a value as a bulk string.
    static func write(_ entry: Entry, to reply: ReplyWriter, _ context: KeyspaceContext) {
        let payload = reply.beginDeferred()
        let start = reply.count
        let writer = RecordWriter(sink: reply, compresses: context.settings.compressesRecords)
        let type = RecordType(of: entry, version: targetVersion(of: entry))
        writer.write(type: type)
        writer.write(valueOf: entry, as: type, context)
        reply.append(littleEndian: type.version(of: entry))
        // A reply that exceeds its limit is not sent, so it needs no checksum.
        guard !reply.isOverfull else { return }
        reply.append(littleEndian: CRC64.of(reply.written(start..<reply.count)))
        reply.endBulkString(payload)
    }

    /// The version of the format that a value is written for. A stream with consumers needs Redis 7.2: older versions have one time for a
    /// consumer, not two. All other values are written in the forms of Redis 7.0, but hashes whose fields have deadlines, which have no
    /// older form.
    private static func targetVersion(of entry: Entry) -> UInt16 {
        guard entry.encoding == .stream else { return usualVersion }
        let stream = unsafe StreamValue(at: entry.pointer)
        let hasConsumers = (0..<stream.groupCount).contains { stream.group(at: $0).consumerCount > 0 }
        return hasConsumers ? RecordType.stream.version : usualVersion
    }

    /// The value of a payload with its type, and the version of its format; nil when the format is too new or the checksum wrong.
    static func verified(_ payload: ByteSlice, comparing: Bool = true) -> (value: ByteSlice, version: UInt16)? {
        let checked = payload.count - checksumSize
        guard checked >= versionSize else { return nil }
        let (version, checksum) = unsafe (
            payload.rawBytes.loadUnaligned(fromByteOffset: checked - versionSize, as: UInt16.self),
            payload.rawBytes.loadUnaligned(fromByteOffset: checked, as: UInt64.self)
        )
        guard RecordType.isRead(version: UInt16(littleEndian: version)),
            !comparing || UInt64(littleEndian: checksum) == CRC64.of(payload[0..<checked])
        else { return nil }
        return (payload[0..<checked - versionSize], UInt16(littleEndian: version))
    }

    /// How many bytes it takes to make a string of a payload in which it is compressed, else 0. It may be damaged.
    static func byteCountToRestore(_ payload: ByteSlice) -> Int {
        var reader = RecordReader(MemorySource(payload), longestString: Int.max)
        do throws(FormatError) {
            guard try reader.type(version: RecordType.newestVersion) == .string else { return 0 }
            return try reader.lengthOfCompressedString() ?? 0
        } catch {
            return 0
        }
    }

    /// Makes an entry, in no table yet, from the bytes of a value that begin with its type.
    static func entry(
        from value: ByteSlice, version: UInt16, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        var reader = RecordReader(MemorySource(value), longestString: context.settings.longestRestoredString)
        reader.version = version
        return try reader.value(try reader.type(version: version), key: key, deadline: deadline, context)
    }
}
