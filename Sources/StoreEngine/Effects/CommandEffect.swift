// Effects: what a write did, as commands that give the same data on any server and at any time.
//
// They are one stream for whoever keeps or follows the data, such as an append-only file. A command's own words are its effect where they
// say all, as those of LPUSH do. Where they depend on when or where they run (SET EX, SPOP, XADD with "*", a command that waited), the
// command tells the effect itself: SET PXAT, SREM, XADD with the id that was made, LPOP. What is expired is told of as DEL or HDEL, so
// whoever runs the effects judges no deadline by a clock of its own (`Engine.replay`). A write that changed nothing has no effect.
//
// Effects of one call, which is one request with all that it runs (EXEC, a script), or one wait that was served, are a group; so is each key
// that is removed at its time or evicted between calls. Nothing is built while nobody takes effects: each change and the end of each command test one byte (`ChangeListeners`).

import RespCodec

/// How a command that writes tells its effect.
public enum CommandEffect: UInt8, Sendable {
    /// It does not write.
    case none
    /// Its own words, when it has changed anything.
    case verbatim
    /// What it tells itself: see `KeyspaceContext.effect`.
    case explicit
}

/// Takes effects in the order in which they happen.
public protocol EffectSink: AnyObject {
    /// One command that changes the data as it was changed. `words` are good until the call returns.
    func take(_ words: Arguments, database: Int)
    /// The effects since the last call, of which there is at least one, belong together.
    func endGroup()
}

/// Who is to hear of changes, or of what they do to memory.
@usableFromInline struct ChangeListeners: OptionSet, Sendable {
    @usableFromInline let rawValue: UInt8
    @inlinable init(rawValue: UInt8) { self.rawValue = rawValue }
    @inlinable static var observer: ChangeListeners { ChangeListeners(rawValue: 1) }
    @inlinable static var effects: ChangeListeners { ChangeListeners(rawValue: 2) }
    /// Whoever keeps memory within a limit.
    @inlinable static var memoryLimit: ChangeListeners { ChangeListeners(rawValue: 4) }
    /// The observer, where it also wants to know of what is no change of its own: see `KeyspaceObserver.keyNoticed`.
    @inlinable static var notices: ChangeListeners { ChangeListeners(rawValue: 8) }
    /// The access clock, where it tells when keys were changed.
    @inlinable static var accessClock: ChangeListeners { ChangeListeners(rawValue: 16) }
}
