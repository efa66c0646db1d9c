// What happened to a key, told to whoever watches.

import RespCodec

/// The classes of events, as `notify-keyspace-events` names them.
public enum KeyEventClass: Character, Sendable {
    case generic = "g"
    case string = "$"
    case list = "l"
    case set = "s"
    case hash = "h"
    case sortedSet = "z"
    case stream = "t"
    case expired = "x"
    case evicted = "e"
    case new = "n"
    case miss = "m"
    case overwritten = "o"
    case typeChanged = "c"
    /// No keyspace event: the key has changed, as WATCH, tracking and whoever waits for it must know, but no message tells of it.
    case silent = "-"
}

public struct KeyEvent: Sendable {
    public let eventClass: KeyEventClass
    public let name: StaticString

    /// Whether WATCH counts it as a change of the key.
    public private(set) var breaksWatches = true
    /// Whether commands that wait for the key can go on after it. If not, only those may that wait to claim what others of a stream's
    /// group have left alone.
    public private(set) var servesWaits = true

    public init(_ eventClass: KeyEventClass, _ name: StaticString) {
        self.eventClass = eventClass
        self.name = name
    }

    /// The same of a change beside the value, such as one of a stream's groups, which WATCH does not count.
    var keepingWatches: KeyEvent {
        var event = self
        event.breaksWatches = false
        return event
    }

    /// The same of a change that gives readers of a stream nothing to read.
    var servingClaimsOnly: KeyEvent {
        var event = self
        event.servesWaits = false
        return event
    }

    public static let del = KeyEvent(.generic, "del")
    public static let expire = KeyEvent(.generic, "expire")
    public static let persist = KeyEvent(.generic, "persist")
    public static let renameFrom = KeyEvent(.generic, "rename_from")
    public static let renameTo = KeyEvent(.generic, "rename_to")
    public static let moveFrom = KeyEvent(.generic, "move_from")
    public static let moveTo = KeyEvent(.generic, "move_to")
    public static let copyTo = KeyEvent(.generic, "copy_to")
    public static let expired = KeyEvent(.expired, "expired")
    public static let evicted = KeyEvent(.evicted, "evicted")
    /// Notices: see `KeyspaceObserver.keyNoticed`.
    public static let new = KeyEvent(.new, "new")
    public static let keyMiss = KeyEvent(.miss, "keymiss")
    public static let overwritten = KeyEvent(.overwritten, "overwritten")
    public static let typeChanged = KeyEvent(.typeChanged, "type_changed")
    public static let set = KeyEvent(.string, "set")
    public static let append = KeyEvent(.string, "append")
    public static let setRange = KeyEvent(.string, "setrange")
    public static let incrBy = KeyEvent(.string, "incrby")
    public static let incrByFloat = KeyEvent(.string, "incrbyfloat")
    public static let hset = KeyEvent(.hash, "hset")
    public static let hdel = KeyEvent(.hash, "hdel")
    public static let hincrBy = KeyEvent(.hash, "hincrby")
    public static let hincrByFloat = KeyEvent(.hash, "hincrbyfloat")
}

/// Whether a key is there.
public enum KeyPresence: Sendable {
    case absent
    /// There, but its deadline has passed: whoever looks for it finds nothing.
    case expired
    case live
}

/// Hears of every change of the keyspace, in the order in which they happen: WATCH, keyspace events, client-side caching and commands that
/// wait follow from it. It does not tell what was changed: who keeps or follows the data takes effects (`EffectSink`).
public protocol KeyspaceObserver: AnyObject {
    /// A key was changed, made or removed. `key` is good until the call returns.
    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent)
    /// Something is to be known of a key that is no change, such as that it was looked for and is not there, or goes with a change that
    /// is told of by itself. Called only while somebody wants it: `Engine.tellsNotices`.
    func keyNoticed(_ key: ByteSlice, database: Int, event: KeyEvent)
    /// All keys of a database, or of all, are about to be dropped by a command; there may be none.
    func keysWillFlush()
    /// All keys of a database went at once. Called before they go; `presence` tells which keys are there.
    func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence)
    /// Two databases changed places. Called before they do; `presence` tells which keys are in the database of an index.
    func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence)
}
