// Client-side caching: clients that keep what they have read are told when it is no longer so. CLIENT TRACKING.
//
//     key -> ids of the clients that have read it                 (the default)
//     prefix -> clients that are told of all keys that begin so   (BCAST)
//
// What clients have read is remembered by their ids, so that a client that goes leaves its entries behind: they mean nobody, and go when
// their keys are changed. A change of a key takes its entry away: who is told reads again, and is remembered again. The keys are
// those of all databases together. There are at most `tracking-table-max-keys`: beyond that, keys at random places count as changed.
//
// In the broadcasting mode the keys that were changed in a turn are told of at its end, all of a prefix in one message.

import RespCodec
import StoreEngine

/// What one client has asked for. Its connection has this as long as it is tracking.
final class Tracker {
    struct Options: OptionSet {
        let rawValue: UInt8
        /// It is told of all keys that begin as its prefixes do, whether it has read them or not.
        static let broadcasts = Options(rawValue: 1)
        /// Only what it reads with the command behind CLIENT CACHING YES is remembered.
        static let optIn = Options(rawValue: 2)
        /// All but what it reads with the command behind CLIENT CACHING NO is remembered.
        static let optOut = Options(rawValue: 4)
        /// It is not told of what it changes itself.
        static let noLoop = Options(rawValue: 8)
    }

    fileprivate(set) var options: Options = []
    /// Who is told in its place; 0 for nobody.
    fileprivate(set) var redirection: UInt64 = 0
    /// Who was to be told in its place has gone.
    fileprivate(set) var isRedirectionBroken = false
    /// CLIENT CACHING has said what becomes of the next command's keys.
    var isNextChosen = false
    /// Of which keys it is told, by their bytes.
    fileprivate(set) var prefixes = PrefixSet()

    /// The commands that must be looked at: those that read, and whatever comes behind CLIENT CACHING.
    var gate: CommandFlags {
        if isNextChosen { return .any }
        return options.contains(.broadcasts) ? [] : .readOnly
    }

    /// Whether what it reads now is remembered.
    fileprivate var remembers: Bool {
        if options.contains(.optIn) { return isNextChosen }
        return !(options.contains(.optOut) && isNextChosen)
    }
}

final class Tracking {
    /// A key that clients have read.
    private final class ReadKey: NamedObject {
        /// Most keys have one reader.
        private var first: UInt64?
        private var others: Set<UInt64> = []

        var count: Int { (first == nil ? 0 : 1) + others.count }

        /// - Returns: whether it is new.
        func insert(_ id: UInt64) -> Bool {
            guard let first else {
                self.first = id
                return true
            }
            return first != id && others.insert(id).inserted
        }

        func forEach(_ body: (UInt64) -> Void) {
            if let first { body(first) }
            for id in others { body(id) }
        }
    }

    /// A prefix that clients are told of.
    private final class Prefix: NamedObject {
        var clients: [UInt64: Connection] = [:]
        /// Keys that were changed in this turn, and the id of the client that was the last to change it; 0 for none.
        var changes: [[UInt8]: UInt64] = [:]
    }

    private let engine: Engine
    private let replies: ReplyQueue
    /// The connection of an id.
    var connection: (UInt64) -> Connection? = { _ in nil }
    /// How many keys are remembered at most; 0 for any number.
    var mostKeys = 0
    private var keys = NamedTable<ReadKey>()
    private var prefixes = PrefixTable<Prefix>()
    /// Prefixes of which keys were changed in this turn. Looked at in every turn, and no other code
    /// runs while it is modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) private var changedPrefixes: [Prefix] = []
    private var randomPlace = 0
    /// How many clients are tracking.
    private(set) var clientCount = 0
    /// How many times a client is remembered for a key.
    private(set) var itemCount = 0
    private var nameByteCount = 0
    let steps = StepCounter()

    var keyCount: Int { keys.count }
    /// About how much memory the keys take that clients have read.
    var byteCount: Int { keys.count * 136 + nameByteCount + (itemCount - keys.count) * 16 }
    var prefixCount: Int { prefixes.count }

    /// Whether changes of keys are to be heard of.
    var isActive: Bool { clientCount > 0 || keys.count > 0 }

    init(engine: Engine, replies: ReplyQueue) {
        self.engine = engine
        self.replies = replies
    }

    // MARK: who is tracking

    /// Has a client track from now on, or changes how it does. It keeps the prefixes that it has.
    func begin(_ connection: Connection, _ options: Tracker.Options, redirection: UInt64, prefixes wanted: [[UInt8]]) {
        if connection.tracker == nil { clientCount += 1 }
        let tracker = connection.tracker ?? Tracker()
        tracker.options = options
        tracker.redirection = redirection
        tracker.isRedirectionBroken = false
        connection.tracker = tracker
        if options.contains(.broadcasts) {
            for prefix in wanted.isEmpty ? [[]] : wanted { join(connection, tracker, prefix) }
        }
        connection.updateGate()
    }

    private func join(_ connection: Connection, _ tracker: Tracker, _ name: [UInt8]) {
        name.withByteSlice { slice in
            let hash = engine.hash(slice)
            let prefix: Prefix
            if let known = prefixes.find(slice, hash: hash) {
                prefix = known
            } else {
                prefix = Prefix(slice, hash: hash)
                prefixes.insert(prefix)
            }
            guard prefix.clients.updateValue(connection, forKey: connection.id) == nil else { return }
            tracker.prefixes.insert(name)
        }
    }

    func end(_ connection: Connection) {
        guard let tracker = connection.tracker else { return }
        for name in tracker.prefixes {
            let prefix = name.withByteSlice { prefixes.find($0, hash: engine.hash($0)) }
            guard let prefix else { preconditionFailure("a prefix that is not known") }
            prefix.clients[connection.id] = nil
            if prefix.clients.isEmpty { prefixes.remove(prefix) }
        }
        connection.tracker = nil
        clientCount -= 1
        connection.updateGate()
    }

    // MARK: what is read

    /// Remembers the keys of a command that a tracking client has sent, or has had run. Of a script these are the keys that its commands
    /// read, not those that it was given.
    /// - Complexity: O(keys).
    /// - Parameter hashed: its first key, if that has been hashed.
    func remember(
        _ command: CommandHandle, _ arguments: Arguments, key hashed: HashedKey? = nil, readBy connection: Connection
    ) {
        guard let tracker = connection.tracker, command.flags.contains(.readOnly),
            !command.flags.contains(.runsScript), !tracker.options.contains(.broadcasts), tracker.remembers
        else { return }
        command.keys.forEachKey(in: arguments) { index, _ in
            let key = arguments[index]
            let hash = hashed.flatMap { index == command.firstKey ? $0.hash : nil } ?? engine.hash(key)
            remember(key, hash: hash, readBy: connection)
        }
        if mostKeys > 0 && keys.count > mostKeys { forgetSome(limit: max(1000, arguments.count)) }
    }

    private func remember(_ key: ByteSlice, hash: UInt64, readBy connection: Connection) {
        let entry: ReadKey
        if let known = keys.find(key, hash: hash) {
            entry = known
        } else {
            entry = ReadKey(key, hash: hash)
            keys.insert(entry)
            nameByteCount += key.count
        }
        if entry.insert(connection.id) { itemCount += 1 }
    }

    /// Counts some keys as changed if there are more than there may be.
    private func forgetSome(limit: Int) {
        guard mostKeys > 0 else { return }
        for _ in 0..<limit where keys.count > mostKeys {
            randomPlace = randomPlace &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            if let entry = keys.element(near: randomPlace >> 20) { invalidate(entry, isChanged: false) }
        }
    }

    /// Whether `maintain` has something to do.
    var hasUpkeep: Bool { keys.count > 0 }

    /// To be called now and then: keeps to the limit after it was lowered, and forgets what nobody has read any more.
    func maintain() {
        forgetSome(limit: 10_000)
        if clientCount == 0 && keys.count > 0 { forgetAll() }
    }

    private func forgetAll() {
        guard keys.count > 0 else { return }
        let gone = keys
        keys = NamedTable()
        itemCount = 0
        nameByteCount = 0
        BackgroundRelease.release(consume gone)
    }

    // MARK: what changes

    /// A key was changed.
    /// - Parameter changer: who asked for the change; nil if it came by itself.
    func keyChanged(_ key: ByteSlice, by changer: Connection?) {
        if prefixes.count > 0 {
            prefixes.forEach(beginning: key, hash: { engine.hash($0) }, steps: steps) { prefix in
                if prefix.changes.isEmpty { changedPrefixes.append(prefix) }
                prefix.changes[key.array] = changer?.id ?? 0
            }
        }
        if keys.count > 0, let entry = keys.find(key, hash: engine.hash(key)) { invalidate(entry) }
    }

    /// Tells those who have read a key, and forgets it.
    /// - Parameter isChanged: whether it was changed; else it is only forgotten, and whoever is served has not caused that.
    private func invalidate(_ entry: ReadKey, isChanged: Bool = true) {
        keys.remove(entry)
        itemCount -= entry.count
        nameByteCount -= entry.name.count
        var message = Message()
        entry.forEach { id in
            steps.step()
            guard let reader = connection(id), let tracker = reader.tracker, !tracker.options.contains(.broadcasts),
                !(isChanged && tracker.options.contains(.noLoop) && reader === replies.current)
            else { return }
            send(&message, to: reader, tracker) { writer in
                writer.array(1)
                writer.bulkString(entry.name)
            }
        }
    }

    /// All keys have gone: those of all databases, or of one, which is not told apart.
    func allKeysChanged(_ connections: some Sequence<Connection>) {
        defer { forgetAll() }
        guard clientCount > 0 else { return }
        var message = Message()
        for connection in connections {
            guard let tracker = connection.tracker else { continue }
            send(&message, to: connection, tracker) { $0.null() }
        }
    }

    /// Whether `broadcast` has something to send.
    @inline(__always) var hasBroadcasts: Bool { !changedPrefixes.isEmpty }

    /// Tells of the keys that were changed in this turn, prefix by prefix in their order.
    func broadcast() {
        let changed = changedPrefixes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
        changedPrefixes = []
        for prefix in changed {
            let changes = prefix.changes.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            prefix.changes = [:]
            var message = Message()
            for (id, client) in prefix.clients {
                guard let tracker = client.tracker else { continue }
                if tracker.options.contains(.noLoop) {
                    let foreign = changes.filter { $0.value != id }
                    guard !foreign.isEmpty else { continue }
                    var ownMessage = Message()
                    send(&ownMessage, to: client, tracker) { Self.write(foreign, to: $0) }
                } else {
                    send(&message, to: client, tracker) { Self.write(changes, to: $0) }
                }
            }
        }
    }

    private static func write(_ changes: [(key: [UInt8], value: UInt64)], to writer: ReplyWriter) {
        writer.array(changes.count)
        for change in changes { writer.bulkString(change.key) }
    }

    /// Sends a message to a tracking client, or to whom it wants told. In RESP2, only subscribers can be sent messages.
    private func send(
        _ message: inout Message, to client: Connection, _ tracker: Tracker, _ writeKeys: (ReplyWriter) -> Void
    ) {
        var target = client
        if tracker.redirection != 0 {
            guard let other = connection(tracker.redirection), !other.isEnding else {
                tracker.isRedirectionBroken = true
                guard client.version == .resp3 else { return }
                var told = Message()
                return replies.push(&told, to: client) { writer in
                    writer.push(2)
                    writer.bulkString("tracking-redir-broken")
                    writer.integer(Int(tracker.redirection))
                }
            }
            target = other
        }
        guard target.version == .resp3 || (target !== client || tracker.redirection != 0) && target.subscriber != nil
        else { return }
        replies.push(&message, to: target) { writer in
            if writer.version == .resp3 {
                writer.push(2)
                writer.bulkString("invalidate")
            } else {
                writer.array(3)
                writer.bulkString("message")
                writer.bulkString("__redis__:invalidate")
            }
            writeKeys(writer)
        }
    }
}
