// The access clock: when an entry was used last, or how often (`AccessFrequency`), in the 24 bits that an entry has for it.

/// The time in the unit in which entries keep it: seconds, of which 24 bits wrap around after half a year.
struct AccessClock {
    private(set) var seconds: UInt32 = 0

    mutating func setTime(_ milliseconds: Int64) {
        seconds = UInt32(truncatingIfNeeded: milliseconds / 1000) & 0xFF_FFFF
    }
}

extension EngineState {
    /// The clock of an entry that is made now.
    @inline(__always) var freshAccessClock: UInt32 {
        if settings.tracksFrequency { return AccessFrequency.fresh(now: now) }
        return unsafe storage.pointee.accessClock.seconds
    }

    /// Counts a use of the entry.
    @inline(__always) func touch(_ entry: Entry) {
        if settings.tracksFrequency {
            entry.accessClock = AccessFrequency.touched(
                entry.accessClock, now: now, settings: settings, random: &random)
        } else {
            entry.accessClock = unsafe storage.pointee.accessClock.seconds
        }
    }
}
