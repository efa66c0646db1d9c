// All data as bytes, and back.

import RespCodec

/// Why a snapshot could not be loaded.
public struct SnapshotError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ error: FormatError) {
        description =
            switch error {
            case .truncated: "it ends too early"
            case .damaged(let what): "found \(what)"
            case .unsupported(let what): "cannot take in \(what)"
            case .unknownType(let type): "cannot take in a value of type \(type)"
            case .empty: "found a collection of nothing"
            }
    }
}

extension Engine {
    /// Calls `body` with all keys of all databases in the form of an RDB file.
    /// - Parameter version: of the RDB format: 10 for what Redis 7.0 reads, and 12 for 7.4, where all of a stream is kept. Hashes whose
    ///   fields have deadlines are written as in version 12 in any case.
    /// - Complexity: O(bytes of all keys and values).
    public func withSnapshot<Result>(version: UInt16 = 12, _ body: (ByteSlice) throws -> Result) rethrows -> Result {
        let sink = ReplyWriter()
        defer { unsafe sink.deallocate() }
        SnapshotWriter(sink: sink, version: version, compresses: self.settings.compressesRecords).write(self) {
            index, body in
            withQuietContext(index, body)
        }
        sink.append(littleEndian: CRC64.of(sink.written(0..<sink.count)))
        return try body(sink.written(0..<sink.count))
    }

    /// Puts all keys of a snapshot in the databases, except those that have expired.
    ///
    /// Nobody hears of the keys, as nobody does when a server starts.
    /// - Parameter replacing: whether keys that are there give way; else they are an error.
    /// - Throws: when the snapshot cannot be read to its end. Keys that came before stay.
    /// - Complexity: O(bytes of the snapshot), O(n log n) for what must be put in an order.
    public func load(_ snapshot: ByteSlice, replacing: Bool = false) throws(SnapshotError) {
        let writer = ReplyWriter(capacity: 64)
        defer { unsafe writer.deallocate() }
        // During a pause, too: a key that has expired must not be in the way of the same key.
        let removedExpiredKeys = self.removesExpiredKeys
        self.removesExpiredKeys = true
        defer { self.removesExpiredKeys = removedExpiredKeys }
        do throws(FormatError) {
            var reader = try SnapshotReader(snapshot, longestString: self.settings.longestRestoredString)
            try reader.read(whenThere: replacing ? .replace : .refuse) { number in
                guard let index = Int(exactly: number), index < self.databaseCount else { return nil }
                return KeyspaceContext(self, database: database(index), reply: writer)
            }
        } catch {
            throw SnapshotError(error)
        }
    }

    /// Removes all keys and fields that have expired, also while they otherwise stay, and tells of it.
    /// - Complexity: O(what is removed).
    public func removeExpired() {
        let removedExpiredKeys = self.removesExpiredKeys
        self.removesExpiredKeys = true
        defer { self.removesExpiredKeys = removedExpiredKeys }
        while !expireCycle(budget: 1000) {}
    }

    /// Drops all keys of all databases.
    public func removeAll() {
        state.flushAll()
    }
}
