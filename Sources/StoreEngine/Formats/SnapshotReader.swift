// Reads a snapshot, of this server or of Redis 2.4 to 7.4: see RDBOpcode.swift for its form.
//
// Contents that cannot be stored, such as a module's values, are an error: nothing is skipped silently, except information about the
// server that saved.

import RespCodec

struct SnapshotReader: ~Copyable {
    private var records: RecordReader<MemorySource>

    /// The attributes of a key that precede it.
    private struct Traits {
        var deadline: Int64?
        var idleSeconds: Int?
        var frequency: UInt32?
    }

    /// What to do with a key that exists already.
    enum Collision {
        case refuse
        case replace
    }

    /// Checks the frame.
    /// - Throws: when this is no snapshot, one of a later version, or its checksum is wrong.
    init(_ snapshot: ByteSlice, longestString: Int) throws(FormatError) {
        let start = RDBOpcode.magic.count + RDBOpcode.versionDigits
        guard snapshot.count > start, snapshot[0..<RDBOpcode.magic.count] == RDBOpcode.magic,
            let version = Self.number(snapshot[RDBOpcode.magic.count..<start])
        else { throw .damaged("no snapshot") }
        guard 1...Int(RecordType.newestVersion) ~= version else { throw .unsupported("a later version of the format") }
        var end = snapshot.count
        // Redis before 2.6 wrote no checksum, and with rdbchecksum off it is zero.
        if version >= 5 {
            end -= RDBOpcode.checksumSize
            guard end > start else { throw .truncated }
            let checksum = unsafe UInt64(
                littleEndian: snapshot.rawBytes.loadUnaligned(fromByteOffset: end, as: UInt64.self))
            guard checksum == 0 || checksum == CRC64.of(snapshot[0..<end]) else { throw .damaged("a wrong checksum") }
        }
        records = RecordReader(MemorySource(snapshot[start..<end]), longestString: longestString)
    }

    /// The number that decimal digits spell.
    private static func number(_ digits: ByteSlice) -> Int? {
        var value = 0
        for index in 0..<digits.count {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digits[index] else { return nil }
            value = value * 10 + Int(digits[index] - UInt8(ascii: "0"))
        }
        return value
    }

    /// Adds all keys to an engine, except those that have expired.
    /// - Parameter context: returns the context of a database; nil for one that the engine does not have.
    /// - Throws: at the first part that cannot be read or stored. Keys that came before it stay.
    /// - Complexity: O(bytes of the snapshot), O(n log n) for what must be put in an order.
    mutating func read(
        whenThere collision: Collision, context: (_ database: UInt64) -> KeyspaceContext?
    ) throws(FormatError) {
        guard var target = context(0) else { throw .unsupported("a database that is not there") }
        var traits = Traits()
        while true {
            let byte = try records.byte()
            guard let mark = RDBOpcode(rawValue: byte) else {
                guard let type = RecordType(byte, version: RecordType.newestVersion) else { throw .unknownType(byte) }
                try readKey(type, traits, whenThere: collision, target)
                traits = Traits()
                continue
            }
            switch mark {
            case .end:
                guard records.remaining == 0 else { throw .damaged("something behind the end") }
                return
            case .database:
                guard let next = context(try records.number()) else {
                    throw .unsupported("a database that is not there")
                }
                target = next
            case .size: _ = (try records.number(), try records.number())
            case .slot: _ = (try records.number(), try records.number(), try records.number())
            case .information: _ = (try records.string(.first), try records.string(.second))
            case .deadline: traits.deadline = try records.time()
            case .deadlineInSeconds: traits.deadline = Int64(try records.littleEndian(as: Int32.self)) * 1000
            case .idleSeconds: traits.idleSeconds = Int(clamping: try records.number())
            case .frequency: traits.frequency = UInt32(try records.byte())
            case .function, .functionOfPreview: throw .unsupported("a library of functions")
            case .module: throw .unsupported("data of a module")
            }
        }
    }

    private mutating func readKey(
        _ type: RecordType, _ traits: Traits, whenThere collision: Collision, _ context: KeyspaceContext
    ) throws(FormatError) {
        // Reading the value may overwrite the key in the reader's memory.
        let key = try records.string().array
        let entry: Entry
        do throws(FormatError) {
            entry = try key.withByteSlice { key throws(FormatError) in
                try records.value(type, key: key, deadline: traits.deadline, context)
            }
        } catch .empty {
            // Old servers saved empty collections by mistake.
            return
        }
        if let deadline = traits.deadline, deadline <= context.now {
            return context.engine.freeing.free(entry, in: context.database)
        }
        context.expireIfNeeded(entry.key)
        let old = context.find(entry.key, .peek)
        guard old == nil || collision == .replace else {
            context.engine.freeing.free(entry, in: context.database)
            throw .damaged("a key that is there twice")
        }
        if let clock = context.accessClock(idleSeconds: traits.idleSeconds, frequency: traits.frequency) {
            entry.accessClock = clock
        }
        context.store(entry, key: entry.key, replacing: old, keepsFrequency: false)
    }
}
