// Random numbers whose seed is given, so that a run can be repeated. Not for secrets.

/// xorshift64*: 8 bytes of state, good enough to choose keys and fields.
///
/// - Source: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed == 0 ? 0x9E37_79B9_7F4A_7C15 : seed }

    public mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    /// A number from 0 up to, not including, `bound`, which is above 0.
    public mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(truncatingIfNeeded: bound)).high)
    }
}
