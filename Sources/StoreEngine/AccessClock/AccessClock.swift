// The access clock: when an entry was used last, or how often (`AccessFrequency`), in the 24 bits that an entry has for it.

/// What the access clock of an entry tells.
public enum AccessTracking: UInt8, Sendable {
    /// When it was used last.
    case use
    /// How often it is used.
    case frequency
    /// When it was last used by what may change it.
    case change
}

/// A handle on the engine, and the part of it that notes uses of keys.
struct AccessClock {
    struct Variables {
        /// The time in the unit in which entries keep it: seconds, of which 24 bits wrap around after half a year.
        var seconds: UInt32 = 0
    }

    private static let mask: UInt32 = 0xFF_FFFF

    let engine: EngineState

    @inline(__always) private var seconds: UInt32 { engine.variables.accessClock.seconds }

    func setTime(_ milliseconds: Int64) {
        engine.variables.accessClock.seconds = UInt32(truncatingIfNeeded: milliseconds / 1000) & Self.mask
    }

    /// The clock of an entry that is made now.
    @inline(__always) var fresh: UInt32 {
        engine.settings.tracksFrequency ? AccessFrequency.fresh(now: engine.now) : seconds
    }

    /// Seconds since the entry was used last, when the clock counts them.
    func idleSeconds(_ entry: Entry) -> Int {
        Int((UInt32(truncatingIfNeeded: engine.now / 1000) &- entry.accessClock) & Self.mask)
    }

    /// How often the entry is used, when the clock counts that.
    func frequency(_ entry: Entry) -> Int {
        Int(AccessFrequency.count(entry.accessClock, now: engine.now, settings: engine.settings))
    }

    /// Counts a use of the entry.
    /// - Parameter mayChange: whether it is used by what may change it.
    @inline(__always) func touch(_ entry: Entry, mayChange: Bool) {
        if engine.settings.accessTracking == .use || mayChange && engine.settings.accessTracking == .change {
            entry.accessClock = seconds
        } else if engine.settings.accessTracking == .frequency {
            entry.accessClock = AccessFrequency.touched(
                entry.accessClock, now: engine.now, settings: engine.settings, random: &engine.random)
        }
    }
}

extension EngineState {
    @inline(__always) var accessClock: AccessClock { AccessClock(engine: self) }
}
