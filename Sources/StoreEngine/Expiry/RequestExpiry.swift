// Keys that have expired go before a request that names them runs.
//
// Whether any key at all may have expired is one comparison, of the earliest deadline with the time; only then the keys of the request
// are walked. So a command finds none of its keys in a state between there and not there, and an insertion never makes a second entry
// of a key. What a request writes beyond the keys that its specs find (a key of another database, an option given twice) is expired
// by the command itself, before it looks.

import RespCodec

extension Expiry {
    /// Removes the keys of a request that have expired.
    @inline(never)
    func removeKeys(of request: Arguments, _ keys: KeySpecs, in database: Database) {
        guard engine.removesExpiredKeys else { return }
        keys.forEachKey(in: request) { index, _ in removeIfExpired(request[index], in: database) }
    }

    /// Removes a key if it has expired.
    func removeIfExpired(_ key: ByteSlice, in database: Database) {
        guard engine.removesExpiredKeys, let slot = database.table.find(key, hash: engine.hash(key)),
            database.isExpired(slot, engine.expiryTime)
        else { return }
        removeKey(slot, key: key, in: database)
    }
}

extension KeyspaceContext {
    /// Removes a key if it has expired: to be called before anything is looked for, for a key that a command writes though none of
    /// its specs finds it.
    func expireIfNeeded(_ key: ByteSlice, in database: Database? = nil) {
        guard engine.expiry.mayHaveExpired else { return }
        engine.expiry.removeIfExpired(key, in: database ?? self.database)
    }
}
