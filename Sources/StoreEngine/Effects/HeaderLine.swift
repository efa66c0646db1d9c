// The lines `*N` and `$N` of requests, in front of their words and of each word.

import RespCodec

enum HeaderLine {
    static let maximumLength = Decimal.maximumLength + 3

    /// Writes a mark, a number and a line end, for which there must be room, and moves `place` behind them.
    @unsafe @inline(__always)
    static func write(_ mark: UInt8, _ number: Int, to place: inout UnsafeMutablePointer<UInt8>) {
        unsafe place[0] = mark
        if number < 10 {
            unsafe place[1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)
            unsafe place += 2
        } else if number < 100 {
            unsafe place[1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10)
            unsafe place[2] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10)
            unsafe place += 3
        } else {
            unsafe place += 1 + Decimal.write(number, to: place + 1)
        }
        unsafe end(&place)
    }

    @unsafe @inline(__always)
    static func end(_ place: inout UnsafeMutablePointer<UInt8>) {
        unsafe place[0] = 0x0D
        unsafe place[1] = 0x0A
        unsafe place += 2
    }
}
