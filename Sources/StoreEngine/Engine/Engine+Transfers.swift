// Keys that go to another server: which are there, the requests that make them there, and their removal here once that is acknowledged.
//
// Whoever transfers keys sees to it that nobody changes them meanwhile. Then each step can be done at a time of its own: nothing is kept
// between them but the names of the keys.

import RespCodec

extension Engine {
    /// Which arguments in `range` name keys that are there. Those that have expired are removed first, as before any command. Counts as
    /// reading the keys.
    /// - Complexity: O(keys).
    public func presentKeys(
        of arguments: Arguments, in range: Range<Int>, database index: Int, reply: ReplyWriter, options: CallOptions
    ) -> [Int] {
        let context = KeyspaceContext(self, database: state.database(index), reply: reply, options: options)
        return range.filter {
            context.expireIfNeeded(arguments[$0])
            return context.find(arguments[$0], .read) != nil
        }
    }

    /// Writes the RESTORE request that makes a key on another server, with the time that it has left. Leaves no trace.
    ///
    /// - Parameter replaces: whether a key of that name is replaced there.
    /// - Returns: false if the key is absent or has expired, and nothing was written.
    /// - Complexity: O(bytes of the value).
    public func writeRestore(
        of key: ByteSlice, database index: Int, replaces: Bool, to writer: ReplyWriter
    ) -> Bool {
        let context = KeyspaceContext(self, database: state.database(index), reply: writer)
        guard let slot = context.find(key, .peek) else { return false }
        let entry = context.entry(slot)
        writer.array(replaces ? 5 : 4)
        writer.bulkString("RESTORE")
        writer.bulkString(key)
        // 0 stands for no deadline.
        writer.bulkString(context.database.deadline(slot).map { max(1, Int($0 &- context.now)) } ?? 0)
        DumpPayload.write(entry, to: writer, context)
        if replaces { writer.bulkString("REPLACE") }
        return true
    }

    /// Removes keys that another server has now, expired ones too, and tells that as one DEL. Keys that are absent are passed over.
    ///
    /// - Parameter places: which of the arguments name the keys.
    /// - Complexity: O(keys); large values are freed in the background.
    public func removeTransferred(_ places: some Sequence<Int>, of arguments: Arguments, database index: Int) {
        let database = state.database(index)
        let context = KeyspaceContext(self, database: database, reply: silentWriter)
        var effect: EffectWords?
        for place in places {
            let key = arguments[place]
            guard let slot = database.table.find(key, hash: state.hash(key)) else { continue }
            context.removeQuietly(slot)
            context.changed(key, .del)
            if let effect { effect.add(key) } else { effect = context.beginEffect("DEL", key) }
        }
        effect?.end()
        if state.isRecorded { state.commandEnded(.explicit, arguments, database: index) }
    }
}
