// All data as bytes, and back.

import RespCodec

/// Why a snapshot could not be loaded.
public struct SnapshotError: Error, Sendable, CustomStringConvertible {
    /// What tools have their own words for.
    public enum Kind: Sendable {
        case truncated
        case noSnapshot
        case unknownVersion(Int)
        case unknownType(Int)
        case checksum
        case other
    }

    public let kind: Kind
    public let reason: String
    public let activity: SnapshotActivity
    /// The form of the value that was read, as tools call it: a number and a name.
    public let type: (number: Int, title: String)?
    /// What was read up to there.
    public let contents: SnapshotContents
    /// How many bytes had been read.
    public let offset: Int
    /// Where the record begins that could not be read.
    public let recordOffset: Int
    /// The key of that record, if it has one.
    public let key: [UInt8]?

    init(_ error: FormatError, _ reader: borrowing SnapshotReader) {
        reason = error.reason + (reader.libraryProblem.map { ": \($0)" } ?? "")
        kind =
            switch error {
            case .truncated: .truncated
            case .noSnapshot: .noSnapshot
            case .unknownVersion(let version): .unknownVersion(version)
            case .unknownType(let type): .unknownType(Int(type))
            case .checksum: .checksum
            default: .other
            }
        activity = reader.activity
        type = reader.type.map { (Int($0), RecordType.title(of: $0)) }
        contents = reader.contents
        offset = reader.offset
        recordOffset = reader.place
        key = reader.key
    }

    public var description: String {
        let text = "\(reason) at offset \(offset), in the record at offset \(recordOffset)"
        return key.map { "\(text), of the key '\(String(decoding: $0.prefix(128), as: UTF8.self))'" } ?? text
    }
}

extension Engine {
    /// Calls `body` with all keys of all databases in the form of an RDB file.
    /// - Complexity: O(bytes of all keys and values).
    public func withSnapshot<Result>(_ body: (ByteSlice) throws -> Result) rethrows -> Result {
        let memory = SnapshotMemory(compresses: self.settings.compressesRecords)
        let saver = SnapshotSaver(self, SnapshotSaver.Contents(), to: memory)
        saver.saveAll()
        return try memory.finished(version: saver.version).withByteSlice(body)
    }

    /// Puts all keys of a snapshot in the databases, except those that have expired.
    ///
    /// Nobody hears of the keys, as nobody does when a server starts.
    /// - Throws: when the snapshot cannot be read to its end. Keys that came before stay.
    /// - Complexity: O(bytes of the snapshot), O(n log n) for what must be put in an order.
    @discardableResult
    public func load(
        from input: any SnapshotInput, _ loading: SnapshotLoading
    ) throws(SnapshotError) -> SnapshotContents {
        let writer = ReplyWriter(capacity: 64)
        defer { unsafe writer.deallocate() }
        var reader = SnapshotReader(input, loading, longestString: self.settings.longestRestoredString)
        do throws(FormatError) {
            // During a pause, too: a key that has expired must not be in the way of the same key.
            try removingExpiredKeys { () throws(FormatError) in
                try reader.read { number in
                    guard let index = Int(exactly: number), index < self.databaseCount else { return nil }
                    return KeyspaceContext(self, database: database(index), reply: writer)
                }
            }
        } catch {
            throw SnapshotError(error, reader)
        }
        return reader.contents
    }

    /// The same for a snapshot in memory.
    @discardableResult
    public func load(_ snapshot: ByteSlice, replacing: Bool = false) throws(SnapshotError) -> SnapshotContents {
        var loading = SnapshotLoading()
        loading.replaces = replacing
        return try load(from: SnapshotBytes(snapshot), loading)
    }

    /// Removes all keys and fields that have expired, also while they otherwise stay, and tells of it.
    /// - Complexity: O(what is removed).
    public func removeExpired() { removingExpiredKeys { while !expireCycle(budget: 1000) {} } }

    /// While `body` runs, what has expired is removed, also if it otherwise stays.
    func removingExpiredKeys<Failure>(_ body: () throws(Failure) -> Void) throws(Failure) {
        let removedExpiredKeys = self.removesExpiredKeys
        self.removesExpiredKeys = true
        defer { self.removesExpiredKeys = removedExpiredKeys }
        try body()
    }

    /// Drops all keys of all databases.
    public func removeAll() {
        state.flushAll()
    }
}

/// A snapshot that is put together in memory.
final class SnapshotMemory: SnapshotDestination {
    private let compresses: Bool
    private let isFramed: Bool
    private var blocks: [SnapshotBlock] = []
    private var parts: [Int: [SnapshotBlock]] = [:]

    init(compresses: Bool, isFramed: Bool = true) {
        self.compresses = compresses
        self.isFramed = isFramed
    }

    func take(_ block: SnapshotBlock, part: Int) {
        if part == 0 { blocks.append(block) } else { parts[part, default: []].append(block) }
    }
    func append(part: Int) { blocks += parts.removeValue(forKey: part) ?? [] }
    var hasRoom: Bool { true }

    private var allBlocks: [SnapshotBlock] { blocks + parts.values.flatMap { $0 } }
    /// What was taken so far.
    var byteCount: Int { allBlocks.reduce(0) { $0 + $1.count } }
    /// The memory that this takes.
    var capacity: Int { allBlocks.reduce(0) { $0 + $1.capacity } }

    func finished(version: UInt16) -> [UInt8] {
        var bytes: [UInt8] = []
        let output = unsafe SnapshotOutput(compresses: compresses, hasChecksum: isFramed, isFramed: isFramed) {
            unsafe bytes += $0
            return true
        }
        for block in blocks { output.add(block) }
        unsafe output.finish(version: version) { digits, offset in
            for index in digits.indices { bytes[offset + index] = unsafe digits[index] }
            return true
        }
        return bytes
    }
}

/// A snapshot in memory, to be read.
private final class SnapshotBytes: SnapshotInput {
    private var rest: ByteSlice
    let byteCount: Int

    init(_ bytes: ByteSlice) {
        rest = bytes
        byteCount = bytes.count
    }

    @unsafe func read(to target: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(target.count, rest.count)
        unsafe target.baseAddress?.copyMemory(from: rest.rawBytes.baseAddress!, byteCount: count)
        rest = rest.dropFirst(count)
        return count
    }
}
