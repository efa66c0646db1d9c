// A digest of all that effects carry from one engine to another: more than DEBUG DIGEST, which does not tell when a key expires, nor
// anything of a stream but its entries. How values are kept, when keys were used, and when consumers were last seen are left out.

import RespCodec

extension Engine {
    /// Forty hexadecimal digits that are equal for equal data: values, deadlines of keys and fields to the millisecond, and of streams
    /// their counts, groups, consumers and what is pending. Keys that are expired and not yet removed count.
    /// - Complexity: O(bytes of all keys and values).
    public func exactDigest() -> String {
        var total = DataDigest()
        for database in databasesInUse where database.count > 0 {
            withQuietContext(database.index) { context in
                unsafe database.table.forEach { address in
                    let entry = unsafe Entry(address)
                    var digest = DataDigest()
                    digest.mix(number: database.index)
                    digest.mix(entry.key)
                    Self.add(entry, to: &digest, context)
                    Self.addRest(of: entry, to: &digest, context)
                    total.add(digest.bytes)
                }
            }
        }
        return total.text
    }

    /// What `add` leaves out.
    private static func addRest(of entry: Entry, to digest: inout DataDigest, _ context: KeyspaceContext) {
        digest.mix(number: Int(context.database.deadline(of: entry) ?? -1))
        switch entry.type {
        case .hash:
            entry.forEachFieldWithDeadline { field, _, deadline in
                guard let deadline else { return }
                var part = DataDigest()
                field.withBytes { part.mix($0) }
                part.mix(number: Int(deadline))
                digest.add(part.bytes)
            }
        case .stream:
            let stream = unsafe StreamValue(at: entry.pointer)
            digest.mix(stream.lastID)
            digest.mix(stream.maximumDeletedID)
            digest.mix(number: stream.entriesAdded)
            stream.forEachGroup { add($0, to: &digest) }
        case .string, .list, .set, .sortedSet: break
        }
    }

    private static func add(_ group: StreamGroup, to digest: inout DataDigest) {
        digest.mix(group.name)
        digest.mix(group.lastID)
        digest.mix(number: group.entriesRead)
        group.forEachConsumer { digest.mix($0.name) }
        for entry in group.pending {
            digest.mix(entry.id)
            digest.mix(number: Int(entry.deliveryTime))
            digest.mix(number: entry.deliveryCount)
            if let consumer = group.consumer(of: entry) { digest.mix(consumer.name) }
        }
    }
}

extension DataDigest {
    fileprivate mutating func mix(number: Int) { mix(Decimal.text(number)) }
    fileprivate mutating func mix(_ id: StreamID) { id.withText { mix($0) } }
}
