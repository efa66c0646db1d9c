// Libraries of functions as bytes that another server can read: what FUNCTION DUMP returns and FUNCTION RESTORE reads.
//
//     mark (1), code as a string; the next library ... | version of the format (2) | CRC-64 of everything before (8)
//
// Source: Redis 7.0, functions.c, functionDumpCommand and functionRestoreCommand.

import RespCodec

public enum FunctionPayload {
    /// What is wrong with a payload.
    public enum Mistake: Error {
        case checksum
        case type
        case preview
        case library
    }

    /// What Redis 7.0 reads.
    private static let version: UInt16 = 10
    private static let longestCode = 512 << 20

    /// Writes the codes of libraries as a bulk string.
    public static func write(_ codes: [[UInt8]], to reply: ReplyWriter, compresses: Bool) {
        let payload = reply.beginDeferred()
        let start = reply.count
        let writer = RecordWriter(sink: reply, compresses: compresses)
        for code in codes {
            reply.append(byte: RDBOpcode.function.rawValue)
            code.withByteSlice { writer.write(string: $0) }
        }
        reply.append(littleEndian: version)
        guard !reply.isOverfull else { return }
        reply.append(littleEndian: CRC64.of(reply.written(start..<reply.count)))
        reply.endBulkString(payload)
    }

    /// The codes of the libraries in a payload.
    public static func read(_ payload: ByteSlice) throws(Mistake) -> [[UInt8]] {
        guard let (records, _) = DumpPayload.verified(payload) else { throw .checksum }
        var reader = RecordReader(MemorySource(records), longestString: longestCode)
        var codes: [[UInt8]] = []
        while reader.remaining > 0 {
            switch try mark(&reader) {
            case .function: codes.append(try code(&reader))
            case .functionOfPreview: throw .preview
            default: throw .type
            }
            reader.release()
        }
        return codes
    }

    private static func mark(_ reader: inout RecordReader<MemorySource>) throws(Mistake) -> RDBOpcode? {
        do throws(FormatError) { return RDBOpcode(rawValue: try reader.byte()) } catch { throw .library }
    }

    private static func code(_ reader: inout RecordReader<MemorySource>) throws(Mistake) -> [UInt8] {
        do throws(FormatError) { return try reader.string().array } catch { throw .library }
    }
}
