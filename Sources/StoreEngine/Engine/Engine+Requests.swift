// The way of a request into the engine, for those who have many of them: the keys of a batch are hashed and their memory asked for
// before the first of the commands runs, so that a pipeline waits for memory once instead of once a request.

import RespCodec

/// A key that a request names, and its hash once the engine has seen it.
public struct HashedKey {
    public let key: ByteSlice
    public internal(set) var hash: UInt64 = 0

    @inlinable public init(_ key: ByteSlice) { self.key = key }
}

extension Engine {
    /// Hashes the keys of requests that are about to run, and asks for the memory in which each will be found: first the segments,
    /// then the buckets, then the entries, so that every step finds what the one before has brought.
    @unsafe public func prepare(_ keys: UnsafeMutableBufferPointer<HashedKey>, database index: Int) {
        let hash = state.hash
        for place in keys.indices { unsafe keys[place].hash = hash(keys[place].key) }
        // One alone would wait for each step as long as its command does.
        guard keys.count > 1 else { return }
        let table = state.database(index).table
        for place in keys.indices { unsafe table.prefetchSegment(keys[place].hash) }
        for place in keys.indices { unsafe table.prefetchBucket(keys[place].hash) }
        for place in keys.indices { unsafe table.prefetchEntry(keys[place].hash) }
    }

    /// Runs a command whose arguments are right in number, and writes its reply.
    ///
    /// - Parameters:
    ///   - key: a key of the arguments whose hash is known already.
    ///   - adoptable: arguments that were received in blocks of their own, which the command may keep.
    @inline(__always)
    public func run(
        _ command: Command<KeyspaceContext>.Run, _ arguments: Arguments, database index: Int, reply: ReplyWriter,
        key: HashedKey? = nil, adoptable: AdoptableArguments? = nil
    ) {
        var context = KeyspaceContext(
            self, database: state.database(index), reply: reply, hashed: key.map { ($0.key, $0.hash) },
            adoptable: adoptable)
        let start = reply.count
        do throws(CommandError) {
            try command(&context, arguments)
        } catch {
            reply.truncate(to: start)
            error.write(to: reply)
        }
    }
}
