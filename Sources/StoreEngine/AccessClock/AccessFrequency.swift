// How often a key is used, in 24 bits: a counter that grows ever more slowly (8 bits) and the minute it was last made to fade (16).
//
// - Source: Redis, redis.conf, "lfu-log-factor" and "lfu-decay-time".

enum AccessFrequency {
    /// Where the counter of a new key stands, so that it is not the first to go.
    private static let initialCount: UInt32 = 5

    private static func minutes(_ now: Int64) -> UInt32 { UInt32(truncatingIfNeeded: now / 60_000) & 0xFFFF }

    static func fresh(now: Int64) -> UInt32 { minutes(now) << 8 | initialCount }

    /// The counter after it has faded for the time it was not used.
    static func count(_ clock: UInt32, now: Int64, settings: EngineSettings) -> UInt32 {
        let counter = clock & 0xFF
        guard settings.frequencyDecayMinutes > 0 else { return counter }
        let elapsed = (minutes(now) &- (clock >> 8)) & 0xFFFF
        let periods = elapsed / UInt32(settings.frequencyDecayMinutes)
        return periods > counter ? 0 : counter - periods
    }

    /// The clock after one more use.
    static func touched(_ clock: UInt32, now: Int64, settings: EngineSettings, random: inout RandomSource) -> UInt32 {
        var counter = count(clock, now: now, settings: settings)
        if counter < 255 {
            let excess = counter > initialCount ? Double(counter - initialCount) : 0
            let chance = 1 / (excess * Double(settings.frequencyLogFactor) + 1)
            if Double(random.next() >> 11) / Double(1 << 53) < chance { counter += 1 }
        }
        return minutes(now) << 8 | counter
    }
}
