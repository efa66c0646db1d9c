// Reads a snapshot, of this server, of Redis 2.4 to 8.2 or of Valkey: see RDBOpcode.swift for its form.
//
// Contents that cannot be stored, such as a module's values, are an error: nothing is skipped silently, except information about the
// server that saved.

import Glibc
import RespCodec

/// How a snapshot is loaded.
public struct SnapshotLoading {
    /// Whether keys that are there give way; else they are an error.
    public var replaces = false
    /// Whether a wrong checksum is an error.
    public var checksChecksum = true
    /// Is told what the file says of the server that saved it: a name and a text, and how many bytes were read.
    public var information: (ByteSlice, ByteSlice, Int) -> Void = { _, _, _ in }
    /// Whether what is read is kept. If not, it is only examined: there may be any number of databases, and no key is compared with others.
    public var keeps = true
    /// Is told the number of each database whose keys follow, and how many bytes were read.
    public var database: (UInt64, Int) -> Void = { _, _ in }
    /// Is told the key of each of the first collections of nothing that stay behind.
    public var emptyKey: (ByteSlice) -> Void = { _ in }
    /// Takes over the code of a library of functions, or returns why it cannot.
    public var library: (ByteSlice) -> String? = { _ in "libraries of functions cannot be taken in" }

    /// Is called from time to time with how many bytes were read, and tells whether to go on.
    public var progress: ((Int) -> Bool)?
    /// After how many bytes it is called, or, where that is 0, after each key.
    public var progressInterval = 64 << 10
    /// Whether what follows the snapshot is read by somebody else. If not, a snapshot that says that commands follow it must be all.
    public var isContinued = false

    public init() {}
}

/// What a reader is about to read, in the words of tools.
public enum SnapshotActivity: String, Sendable {
    case start
    case readingType = "read-type"
    case readingDeadline = "read-expire"
    case readingKey = "read-key"
    case readingValue = "read-object-value"
    case readingChecksum = "check-sum"
    case readingLength = "read-len"
    case readingInformation = "read-aux"
    case readingModule = "read-module-aux"
    case readingFunction = "read-functions"
}

/// What came of loading one.
public struct SnapshotContents: Sendable {
    /// The version of the format.
    public var version = 0
    public var keyCount = 0
    /// Keys that have deadlines, where nothing is kept.
    public var deadlineCount = 0
    /// Keys that were expired, and stayed behind.
    public var expiredCount = 0
    /// Collections of nothing, which old servers saved by mistake, and which stayed behind.
    public var emptyCount = 0
    /// Whether the file says that it has no checksum.
    public var hasNoChecksum = false
    /// Whether the file says that it is the base of an append-only file.
    public var isBase = false
    /// Up to where it was read.
    public var byteCount = 0
    /// How many bytes stand behind that.
    public var followingByteCount = 0

    public init() {}
}

struct SnapshotReader: ~Copyable {
    private var records: RecordReader<FileSource>
    private let loading: SnapshotLoading
    private var version: UInt16 = 0
    private var keyBlock = ScratchBlock()
    private var nextProgress = 0
    /// How many keys the database at hand is to get; 0 if that is not known, or once there is room for them.
    private var expectedCount = 0
    /// Entries that were read and are in no table yet.
    private var batch = EntryBatch()
    /// Where reading has failed, if that is not where it is.
    private var failedOffset: Int?
    private(set) var contents = SnapshotContents()
    /// Where what is being read begins, and the key if it is one's value.
    private(set) var place = 0
    private(set) var key: [UInt8]?
    /// The form of its value.
    private(set) var type: UInt8?
    private(set) var activity = SnapshotActivity.start
    /// Why a library could not be taken in.
    private(set) var libraryProblem: String?

    private static let mostEmptyKeys = 10

    /// The attributes of a key that precede it.
    private struct Traits {
        var deadline: Int64?
        var idleSeconds: Int?
        var frequency: UInt32?
        /// See `ConsumerTimes`.
        var consumerTimes: [UInt8]?
    }

    init(_ input: any SnapshotInput, _ loading: SnapshotLoading, longestString: Int) {
        records = RecordReader(FileSource(input), longestString: longestString)
        self.loading = loading
    }

    deinit { unsafe records.source.deallocate() }

    /// How far the reader has come, or where what it has read was wrong.
    var offset: Int { failedOffset ?? records.offset }

    // MARK: the frame

    private mutating func readHead() throws(FormatError) {
        let head = try records.take(RDBOpcode.headSize)
        let isOfValkey = head[0..<RDBOpcode.magicOfValkey.count] == RDBOpcode.magicOfValkey
        let magic = isOfValkey ? RDBOpcode.magicOfValkey : RDBOpcode.magic
        guard head[0..<magic.count] == magic, let number = Self.number(head.dropFirst(magic.count)), number > 0 else {
            throw .noSnapshot
        }
        contents.version = number
        guard let version = UInt16(exactly: number), RecordType.isRead(version: version),
            isOfValkey == (version >= RecordType.valkeyVersion)
        else { throw .unknownVersion(number) }
        self.version = version
        records.version = version
        records.release()
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

    private mutating func readEnd() throws(FormatError) {
        // Redis before 2.6 wrote no checksum, and with rdbchecksum off it is zero.
        if version >= SnapshotContents.firstVersionWithChecksum {
            activity = .readingChecksum
            let right = records.withSource { $0.checksum() }
            let saved: UInt64 = try records.littleEndian()
            contents.hasNoChecksum = saved == 0
            guard saved == 0 || saved == right || !loading.checksChecksum else { throw .checksum }
        }
        contents.byteCount = records.offset
        contents.followingByteCount = records.remaining
        guard records.remaining == 0 || loading.isContinued || !contents.isBase else {
            throw .damaged("commands of an append-only file behind the end")
        }
    }

    // MARK: the records

    /// Adds all keys to an engine, except those that have expired.
    /// - Parameter context: returns the context of a database; nil for one that the engine does not have.
    /// - Throws: at the first part that cannot be read or stored. Keys that came before it stay.
    /// - Complexity: O(bytes of the snapshot), O(n log n) for what must be put in an order.
    mutating func read(context: (_ database: UInt64) -> KeyspaceContext?) throws(FormatError) {
        try readHead()
        guard var target = context(0) else { throw .unsupported("a database that is not there") }
        do throws(FormatError) {
            try readRecords(to: &target, context)
        } catch {
            // What is wrong with a key that was read before comes first.
            try insertBatch(target)
            throw error
        }
    }

    private mutating func readRecords(
        to target: inout KeyspaceContext, _ context: (_ database: UInt64) -> KeyspaceContext?
    ) throws(FormatError) {
        var traits = Traits()
        while true {
            if traits.deadline == nil && traits.idleSeconds == nil && traits.frequency == nil {
                place = records.offset
                key = nil
                type = nil
            }
            activity = .readingType
            records.release()
            let byte = try records.byte()
            guard let mark = RDBOpcode(rawValue: byte) else {
                guard let type = RecordType(byte, version: version) else {
                    throw RecordType.isOfModule(byte) ? .module(try moduleNumber()) : .unknownType(byte)
                }
                self.type = byte
                try readKey(type, traits, target)
                traits = Traits()
                if records.offset >= nextProgress {
                    try insertBatch(target)
                    try tellProgress()
                }
                continue
            }
            switch mark {
            case .end:
                try insertBatch(target)
                return try readEnd()
            case .database:
                activity = .readingLength
                let number = try records.number()
                try insertBatch(target)
                loading.database(number, records.offset)
                guard let next = context(loading.keeps ? number : 0) else {
                    throw .unsupported("a database that is not there")
                }
                target = next
                expectedCount = 0
            case .size:
                activity = .readingLength
                let count = try records.number()
                _ = try records.number()
                // A key with its value takes some bytes of the file.
                expectedCount = Int(min(count, UInt64(records.remaining / 8)))
            case .slot: _ = (try records.number(), try records.number(), try records.number())
            case .information:
                activity = .readingInformation
                let (name, text) = (try records.string(.first), try records.string(.second))
                if name == ConsumerTimes.name {
                    traits.consumerTimes = text.array
                    continue
                }
                // Before Redis 7 a base was the beginning of the file.
                if name == "aof-base" || name == "aof-preamble" { contents.isBase = text == "1" }
                loading.information(name, text, records.offset)
            case .deadline:
                activity = .readingDeadline
                traits.deadline = try records.time()
            case .deadlineInSeconds:
                activity = .readingDeadline
                traits.deadline = Int64(try records.littleEndian(as: Int32.self)) * 1000
            case .idleSeconds: traits.idleSeconds = Int(clamping: try records.number())
            case .frequency: traits.frequency = UInt32(try records.byte())
            case .function:
                activity = .readingFunction
                libraryProblem = loading.library(try records.string())
                if libraryProblem != nil { throw .unsupported("a library of functions") }
            case .functionOfPreview: throw .unsupported("a library of functions of a preview")
            case .module:
                activity = .readingModule
                throw .module(try records.number())
            }
        }
    }

    private mutating func tellProgress() throws(FormatError) {
        nextProgress = records.offset + loading.progressInterval
        guard let progress = loading.progress else {
            nextProgress = Int.max
            return
        }
        if !progress(records.offset) { throw .stopped }
    }

    /// The number of the module whose value follows the key.
    private mutating func moduleNumber() throws(FormatError) -> UInt64 {
        key = try records.string().array
        records.release()
        return try records.number()
    }

    private mutating func readKey(
        _ type: RecordType, _ traits: Traits, _ context: KeyspaceContext
    ) throws(FormatError) {
        // Reading the value may overwrite the key in the reader's memory.
        activity = .readingKey
        let saved = try records.string()
        activity = .readingValue
        let block = unsafe keyBlock.room(for: saved.count)
        unsafe block.copyMemory(from: saved.rawBytes.baseAddress!, byteCount: saved.count)
        let key = unsafe ByteSlice(start: block, count: saved.count)
        let entry: Entry
        do throws(FormatError) {
            entry = try records.value(type, key: key, deadline: traits.deadline, context)
        } catch .empty {
            contents.emptyCount += 1
            if contents.emptyCount <= Self.mostEmptyKeys { loading.emptyKey(key) }
            return
        } catch {
            self.key = key.array
            throw error
        }
        if let times = traits.consumerTimes, entry.encoding == .stream {
            times.withByteSlice { ConsumerTimes.set($0, in: unsafe StreamValue(at: entry.pointer)) }
        }
        guard loading.keeps else {
            contents.keyCount += 1
            if let deadline = traits.deadline {
                contents.deadlineCount += 1
                if deadline < context.now { contents.expiredCount += 1 }
            }
            unsafe context.engine.freeing.free(entry, in: context.database)
            while context.engine.freeing.holdsMemoryInUse { context.engine.freeing.slice() }
            return
        }
        if let deadline = traits.deadline, deadline < context.expiryTime {
            contents.expiredCount += 1
            return unsafe context.engine.freeing.free(entry, in: context.database)
        }
        if let clock = context.accessClock(idleSeconds: traits.idleSeconds, frequency: traits.frequency) {
            entry.accessClock = clock
        }
        if expectedCount > 0 {
            context.database.reserve(expectedCount)
            expectedCount = 0
        }
        let item = EntryBatch.Item(
            entry: entry, hash: context.engine.hash(key), start: place, end: records.offset, type: type.rawValue)
        batch.append(item, for: context.database)
        if batch.isFull { try insertBatch(context) }
    }

    /// Puts the entries that were read in the table of their database.
    /// - Throws: for a key that is there, if it does not give way; the entries behind it are freed.
    private mutating func insertBatch(_ context: KeyspaceContext) throws(FormatError) {
        defer { batch.removeAll() }
        batch.prefetchBuckets(of: context.database)
        var index = 0
        while index < batch.count && insert(batch[index], context) { index += 1 }
        guard index < batch.count else { return }
        let refused = batch[index]
        (place, failedOffset, type, activity) = (refused.start, refused.end, refused.type, .readingValue)
        key = refused.entry.key.array
        for rest in index..<batch.count { unsafe context.engine.freeing.free(batch[rest].entry, in: context.database) }
        throw .damaged("a key that is there twice")
    }

    /// Puts an entry in the table; false if the key is there and does not give way.
    @inline(__always)
    private mutating func insert(_ item: EntryBatch.Item, _ context: KeyspaceContext) -> Bool {
        let key = item.entry.key
        context.expireIfNeeded(key)
        if let old = context.database.table.find(key, hash: item.hash) {
            guard loading.replaces else { return false }
            context.store(item.entry, key: key, replacing: old, keepsFrequency: false)
        } else {
            context.database.insert(item.entry, hash: item.hash)
        }
        contents.keyCount += 1
        return true
    }
}

extension SnapshotContents {
    /// Files of earlier versions have no checksum.
    public static let firstVersionWithChecksum = 5
}

extension RecordType {
    /// Whether a byte stands for a value of a module.
    static func isOfModule(_ byte: UInt8) -> Bool { byte == 6 || byte == 7 }
}

/// The name of a module's type: nine characters of six bits in its number, behind them the version of its encoding.
///
/// - Source: Redis, module.c, moduleTypeEncodeId.
enum ModuleName {
    private static let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

    static func text(_ number: UInt64) -> String {
        String((0..<9).map { characters[Int(number >> UInt64(58 - 6 * $0) & 63)] })
    }
}
