// Whole keys: giving a value another name, another database, or a copy of its own.

import Glibc
import RespCodec

extension KeyspaceContext {
    /// Puts the value of an entry that is in no table any more under another key of the same database, with its deadline. The key must not
    /// exist.
    ///
    /// What lies outside the entry stays where it is; a value in the entry does if both keys are equally long, else it is copied.
    /// - Complexity: O(1), as what lies in an entry has at most some 16 KB.
    func rename(_ old: Entry, to key: ByteSlice) {
        if old.key.count == key.count {
            old.overwriteKey(key)
            insert(old, key: key)
            return
        }
        let payload = old.payloadSize
        let renamed = database.makeEntry(
            old.type, old.encoding, key: key, deadline: database.deadline(of: old), payload: payload,
            accessClock: old.accessClock)
        unsafe memcpy(renamed.payload, old.payload, payload)
        insert(renamed, key: key)
        unsafe database.allocator.deallocate(old.address)
    }

    /// Moves a key to a database in which it does not exist, with its value and deadline as they are.
    /// - Complexity: O(1).
    func move(_ slot: Slot, to target: Database) {
        let entry = database.detach(slot)
        insert(entry, key: entry.key, in: target)
    }

    /// Makes a key that does not exist in `target` with a copy of an entry's value.
    /// - Complexity: O(bytes of the value).
    func copy(_ entry: Entry, to key: ByteSlice, in target: Database, deadline: Int64?) {
        let payload = entry.payloadSize
        let copied = target.makeEntry(
            entry.type, entry.encoding, key: key, deadline: deadline, payload: payload,
            accessClock: engine.accessClock.fresh)
        switch entry.encoding {
        case .integer, .embedded, .raw, .packed, .packedWithDeadlines, .integers:
            unsafe memcpy(copied.payload, entry.payload, payload)
        case .external:
            let (block, length) = unsafe entry.external
            let copy = unsafe target.allocator.allocateLarge(length)
            unsafe copy.copyMemory(from: block, byteCount: length)
            unsafe copied.external = (copy, length)
        case .table, .chain, .tree, .stream:
            guard let value = entry.large else { preconditionFailure("a large value lies outside its entry") }
            unsafe copied.pointer = value.copied(to: target.allocator, hash: engine.hash).address
        }
        insert(copied, key: key, in: target)
    }

    /// The access clock of an entry with a known idle time or frequency; nil when what is known is not what is counted.
    func accessClock(idleSeconds: Int?, frequency: UInt32?) -> UInt32? {
        if engine.accessClock.tracksFrequency {
            return frequency.map { AccessFrequency.setting(engine.accessClock.fresh, count: $0) }
        }
        return idleSeconds.map { engine.accessClock.idle(forSeconds: $0) }
    }
}
