// The access clock: when an entry was used last, or how often (`AccessFrequency`), in the 27 bits that an entry has for it.
//
// Times are in eighths of a second, of which 24 + 3 bits wrap around after half a year, as the seconds of Redis do. What is read and
// evicted within a second could not be told apart by seconds. Without a limit for memory nobody asks for more than seconds,
// and the clock advances only with them: a read of a key that was read in the same second then writes nothing.

import RespCodec

/// What the access clock of an entry tells.
public enum AccessTracking: UInt8, Sendable {
    /// When it was used last.
    case use
    /// How often it is used.
    case frequency
    /// When it was last changed, by what counts as a change: see `EngineState.changed`.
    case change
}

/// A handle on the engine, and the part of it that notes uses of keys.
struct AccessClock {
    struct Variables {
        /// The time as entries keep it.
        var time: UInt32 = 0
        /// Counts turns of eviction, for `AccessFrequency`.
        var turn: UInt32 = 0
        var tracking = AccessTracking.use
    }

    private static let mask: UInt32 = 0x7FF_FFFF
    private static let ticksPerSecond = 8
    /// In milliseconds.
    private static let tick: Int64 = 125
    /// By how many ticks a use may lie in the future.
    private static let mostLead: UInt32 = 80

    let engine: EngineState

    @inline(__always) private var time: UInt32 { engine.variables.accessClock.time }
    @inline(__always) private var turn: UInt32 { engine.variables.accessClock.turn }

    /// What the clocks of entries tell.
    @inline(__always) var tracking: AccessTracking {
        get { engine.variables.accessClock.tracking }
        nonmutating set {
            engine.variables.accessClock.tracking = newValue
            if newValue == .change {
                engine.listeners.insert(.accessClock)
            } else {
                engine.listeners.remove(.accessClock)
            }
        }
    }

    /// Whether that is how often, and not when.
    @inline(__always) var tracksFrequency: Bool { tracking == .frequency }

    func setTime(_ milliseconds: Int64) {
        let ticks =
            engine.eviction.isLimited
            ? milliseconds / Self.tick : milliseconds / 1000 * Int64(Self.ticksPerSecond)
        engine.variables.accessClock.time = UInt32(truncatingIfNeeded: ticks) & Self.mask
    }

    /// The clock of an entry that is made now.
    @inline(__always) var fresh: UInt32 {
        tracksFrequency ? AccessFrequency.fresh(now: engine.now, turn: turn) : time
    }

    /// The clock of an entry that was used last `seconds` ago.
    func idle(forSeconds seconds: Int) -> UInt32 {
        (time &- UInt32(truncatingIfNeeded: seconds &* Self.ticksPerSecond)) & Self.mask
    }

    /// Whole seconds since the entry was used last, when the clock counts time.
    func idleSeconds(_ entry: Entry) -> Int {
        let seconds = UInt32(truncatingIfNeeded: engine.now / 1000)
        return Int(
            (seconds &- entry.accessClock / UInt32(Self.ticksPerSecond)) & (Self.mask / UInt32(Self.ticksPerSecond)))
    }

    /// When the entry was used last, in eighths of seconds of a time that is always the same, when the clock counts time.
    @inline(__always) func lastUse(_ entry: Entry) -> Int64 {
        let idle = (time &- entry.accessClock) & Self.mask
        // The clock may have been put back a little.
        return engine.now / Self.tick - (idle > Self.mask - Self.mostLead ? 0 : Int64(idle))
    }

    /// The higher, the less the entry is used, when the clock counts how often.
    func disuse(_ entry: Entry) -> Int {
        AccessFrequency.disuse(entry.accessClock, now: engine.now, turn: turn, settings: engine.settings)
    }

    /// Begins the next turn of eviction.
    func advanceTurn() { engine.variables.accessClock.turn &+= 1 }

    /// Counts a use of the entry.
    @inline(__always) func touch(_ entry: Entry) {
        if tracking == .use {
            entry.accessClock = time
        } else if tracking == .frequency {
            entry.accessClock = AccessFrequency.touched(
                entry.accessClock, now: engine.now, turn: turn, settings: engine.settings, random: &engine.random)
        }
    }

    /// Notes that a key was changed, if it is still there. To be called where the clock tells when that was.
    func noteChange(_ key: ByteSlice, in database: Database) {
        guard let slot = database.table.find(key, hash: engine.hash(key)) else { return }
        database.entry(at: slot).accessClock = time
    }

    /// The clock in the 24 bits that Redis shows of it.
    func shown(_ entry: Entry) -> Int {
        let clock = Int(entry.accessClock)
        return tracksFrequency ? AccessFrequency.shown(clock) : clock / Self.ticksPerSecond
    }
}

extension EngineState {
    @inline(__always) var accessClock: AccessClock { AccessClock(engine: self) }
}

extension Engine {
    /// What is known of the use of keys.
    public var accessTracking: AccessTracking {
        get { state.accessClock.tracking }
        set { state.accessClock.tracking = newValue }
    }
}
