// How often a key is used, in 27 bits: a counter that grows ever more slowly (8 bits), the turn of eviction in which it was used last (3),
// and the minute in which the counter was last made to fade (16, the highest).
//
// The counter alone says nothing of keys that were never used since they came, and these are most of those that go. With the turn the
// oldest of them go first, which leaves the others time to be used. A turn is over when an eighth of the keys was evicted; so turns tell ages
// apart whatever the pace, until eight of them are over and all begins anew. That only misleads between keys of the same count.
//
// - Source: Redis, redis.conf, "lfu-log-factor" and "lfu-decay-time", for the counter and the minutes.

enum AccessFrequency {
    /// Where the counter of a new key stands, so that it is not the first to go.
    private static let initialCount: UInt32 = 5
    private static let countMask: UInt32 = 0xFF
    private static let turnShift: UInt32 = 8
    private static let turnMask: UInt32 = 7
    private static let minuteShift: UInt32 = 11
    /// How many turns pass until as many keys were evicted as there are.
    static let turnsPerRound = 8

    private static func minutes(_ now: Int64) -> UInt32 { UInt32(truncatingIfNeeded: now / 60_000) & 0xFFFF }

    private static func clock(_ count: UInt32, now: Int64, turn: UInt32) -> UInt32 {
        minutes(now) << minuteShift | (turn & turnMask) << turnShift | count
    }

    static func fresh(now: Int64, turn: UInt32) -> UInt32 { clock(initialCount, now: now, turn: turn) }

    /// A clock with another count.
    static func setting(_ clock: UInt32, count: UInt32) -> UInt32 { clock & ~countMask | count & countMask }

    /// The counter after it has faded for the time it was not used.
    static func count(_ clock: UInt32, now: Int64, settings: EngineSettings) -> UInt32 {
        let counter = clock & countMask
        guard settings.frequencyDecayMinutes > 0 else { return counter }
        let elapsed = (minutes(now) &- (clock >> minuteShift)) & 0xFFFF
        let periods = elapsed / UInt32(settings.frequencyDecayMinutes)
        return periods > counter ? 0 : counter - periods
    }

    /// Less for a higher count, and for one that is equal for a later turn.
    static func disuse(_ clock: UInt32, now: Int64, turn: UInt32, settings: EngineSettings) -> Int {
        let age = (turn &- clock >> turnShift) & turnMask
        return Int(age) - Int(count(clock, now: now, settings: settings) << 3)
    }

    /// The clock after one more use.
    static func touched(
        _ clock: UInt32, now: Int64, turn: UInt32, settings: EngineSettings, random: inout RandomSource
    ) -> UInt32 {
        var counter = count(clock, now: now, settings: settings)
        if counter < countMask {
            let excess = counter > initialCount ? Double(counter - initialCount) : 0
            let chance = 1 / (excess * Double(settings.frequencyLogFactor) + 1)
            if Double(random.next() >> 11) / Double(1 << 53) < chance { counter += 1 }
        }
        return Self.clock(counter, now: now, turn: turn)
    }

    /// Minute and counter, in the 24 bits that Redis has for them.
    static func shown(_ clock: Int) -> Int { (clock >> Int(minuteShift)) << 8 | clock & Int(countMask) }
}
