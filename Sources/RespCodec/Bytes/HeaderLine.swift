// A line of the protocol that is a mark and a number: `*N` and `$N` in front of requests and their words, and what replies begin with.

public enum HeaderLine {
    /// The longest line, in bytes.
    public static let maximumLength = Decimal.maximumLength + 3

    /// Writes a mark, a number and a line end, for which there must be room, and moves `place` behind them.
    @inlinable @inline(__always)
    @unsafe public static func write(_ mark: UInt8, _ number: Int, to place: inout UnsafeMutablePointer<UInt8>) {
        unsafe place[0] = mark
        if UInt(bitPattern: number) < 10 {
            unsafe place[1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)
            unsafe place += 2
        } else if UInt(bitPattern: number) < 100 {
            unsafe place[1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10)
            unsafe place[2] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10)
            unsafe place += 3
        } else {
            unsafe place += 1 + Decimal.write(number, to: place + 1)
        }
        unsafe end(&place)
    }

    /// Writes a line end, and moves `place` behind it.
    @inlinable @inline(__always)
    @unsafe public static func end(_ place: inout UnsafeMutablePointer<UInt8>) {
        unsafe place[0] = 0x0D
        unsafe place[1] = 0x0A
        unsafe place += 2
    }
}
