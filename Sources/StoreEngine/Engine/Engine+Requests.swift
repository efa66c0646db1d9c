// The way of a request into the engine, for those who have many of them: the keys of a batch are hashed and their memory asked for
// before the first of the commands runs, so that a pipeline waits for memory once instead of once a request.

import RespCodec

/// A key that a request names, and its hash once the engine has seen it.
public struct HashedKey {
    public let key: ByteSlice
    public internal(set) var hash: UInt64 = 0

    @inlinable public init(_ key: ByteSlice) { self.key = key }
}

/// A field or member that a request looks for in the value of its key.
@safe public struct HashedMember {
    let member: ByteSlice
    /// The place of the request's key among the keys of its batch.
    let key: Int
    /// Once the engine has seen it, the table in which it is looked for, if that is a large one, and its hash there.
    var segments: SegmentDirectory?
    var hash: UInt64 = 0

    private init(_ member: ByteSlice, ofKey key: Int) {
        self.member = member
        self.key = key
    }

    /// Writes one of the batch's to its place.
    @unsafe public static func write(
        _ member: ByteSlice, ofKey key: Int, to place: UnsafeMutablePointer<HashedMember>
    ) {
        unsafe place.initialize(to: HashedMember(member, ofKey: key))
    }
}

extension Engine {
    /// Hashes the keys of requests that are about to run, and asks for the memory in which each will be found: first the segments,
    /// then the buckets, then the entries, so that every step finds what the one before has brought.
    @unsafe public func prepare(
        _ keys: UnsafeMutableBufferPointer<HashedKey>, _ members: UnsafeMutableBufferPointer<HashedMember>,
        database index: Int
    ) {
        let hash = state.hash
        for place in keys.indices {
            // Many pipelines are about one key.
            if unsafe place > 0 && keys[place].key.isSame(keys[place &- 1].key) {
                unsafe keys[place].hash = keys[place &- 1].hash
            } else {
                unsafe keys[place].hash = hash(keys[place].key)
            }
        }
        // One alone would wait for each step as long as its command does.
        guard keys.count > 1 else { return }
        let table = state.database(index).table
        let segments = table.segments
        func isNew(_ place: Int) -> Bool { unsafe place == 0 || keys[place].hash != keys[place &- 1].hash }
        for place in keys.indices where isNew(place) { unsafe segments.prefetchSegment(keys[place].hash) }
        for place in keys.indices where isNew(place) { unsafe segments.prefetchBucket(keys[place].hash) }
        for place in keys.indices where isNew(place) { unsafe segments.prefetchEntry(keys[place].hash) }
        if members.count > 1 { unsafe prepare(members, of: keys, in: state.database(index)) }
    }

    /// The same for the fields and members that are looked for in large values of these keys.
    private func prepare(
        _ members: UnsafeMutableBufferPointer<HashedMember>, of keys: UnsafeMutableBufferPointer<HashedKey>,
        in database: Database
    ) {
        let hash = state.hash
        var lastKey = -1
        for place in members.indices {
            let key = unsafe members[place].key
            if unsafe lastKey >= 0 && keys[lastKey].hash == keys[key].hash {
                // Most often all are of one key.
                unsafe members[place].segments = members[place - 1].segments
            } else {
                let slot = unsafe database.table.find(keys[key].key, hash: keys[key].hash)
                unsafe members[place].segments = slot.flatMap { database.entry(at: $0).memberSegments }
            }
            lastKey = key
            guard let segments = unsafe members[place].segments else { continue }
            let memberHash = unsafe hash(members[place].member)
            unsafe members[place].hash = memberHash
            segments.prefetchSegment(memberHash)
        }
        for place in members.indices {
            guard let segments = unsafe members[place].segments else { continue }
            unsafe segments.prefetchBucket(members[place].hash)
        }
        for place in members.indices {
            guard let segments = unsafe members[place].segments else { continue }
            unsafe segments.prefetchEntry(members[place].hash)
        }
    }

    /// Runs a command whose arguments are right in number, and writes its reply. What has expired among its keys goes first.
    ///
    /// - Parameters:
    ///   - keys: where the command's keys are.
    ///   - key: a key of the arguments whose hash is known already.
    ///   - adoptable: arguments that were received in blocks of their own, which the command may keep.
    ///   - options: what holds for this call. Of one that may wait it is to be asked whether it does: `takeWait`.
    ///   - effect: how the command tells what it did.
    @inline(__always)
    public func run(
        _ command: Command<KeyspaceContext>.Run, keys: KeySpecs, _ arguments: Arguments, database index: Int,
        reply: ReplyWriter, key: HashedKey? = nil, adoptable: AdoptableArguments? = nil, options: CallOptions = [],
        effect: @autoclosure () -> CommandEffect
    ) {
        let database = state.database(index)
        #if DEBUG
        for database in state.databasesInUse { database.forgetAnnouncedKeys() }
        #endif
        if state.expiry.mayHaveExpired { state.expiry.removeKeys(of: arguments, keys, in: database) }
        var context = KeyspaceContext(
            self, database: database, reply: reply, hashed: key.map { ($0.key, $0.hash) },
            adoptable: adoptable, options: options)
        let start = reply.count
        if adoptable != nil { state.tell(adoptable) }
        do throws(CommandError) {
            try command(&context, arguments)
        } catch {
            reply.truncate(to: start)
            error.write(to: reply)
        }
        if state.isRecorded { state.commandEnded(effect(), arguments, database: index) }
        if adoptable != nil { state.tell(nil) }
    }
}
