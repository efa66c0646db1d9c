// The length of a run of bytes, stored before it, in the blocks of keys, fields and members.
//
//     1 byte      lengths below 240
//     2 bytes     240 to 253, which counts 256 each, then a byte that is added, and 240: below 3,824
//     3 bytes     254, then two bytes, below 65,536
//     5 bytes     255, then four bytes, below 2^32 - 1
//     13 bytes    255, 2^32 - 1 in four bytes, then eight bytes, for longer ones, which proto-max-bulk-len may allow
//
// All numbers are unaligned, in the byte order of the machine.

enum LengthPrefix {
    private static let mostShort = 239
    private static let leastPaired = 240
    private static let mostPaired = leastPaired + (254 - leastPaired) * 256 - 1
    private static let mostTwoBytes = Int(UInt16.max)
    private static let mostMedium = Int(UInt32.max) - 1

    /// How many bytes a length takes.
    @inline(__always) static func size(_ length: Int) -> Int { length <= mostShort ? 1 : longSize(length) }

    @inline(__always) private static func longSize(_ length: Int) -> Int {
        if length <= mostPaired { return 2 }
        return length <= mostTwoBytes ? 3 : length <= mostMedium ? 5 : 13
    }

    /// The length that begins at `address`, and how many bytes it takes.
    @inline(__always)
    @unsafe static func read(_ address: UnsafeRawPointer) -> (length: Int, size: Int) {
        let short = unsafe address.load(as: UInt8.self)
        if short <= mostShort { return (Int(short), 1) }
        if short < 254 {
            let low = unsafe address.load(fromByteOffset: 1, as: UInt8.self)
            return ((Int(short) &- leastPaired) &<< 8 &+ Int(low) &+ leastPaired, 2)
        }
        if short == 254 { return unsafe (Int(address.loadUnaligned(fromByteOffset: 1, as: UInt16.self)), 3) }
        let medium = unsafe address.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
        if medium < UInt32.max { return (Int(medium), 5) }
        return unsafe (address.loadUnaligned(fromByteOffset: 5, as: Int.self), 13)
    }

    /// Writes a length, and returns how many bytes it took.
    @inline(__always) @discardableResult
    @unsafe static func write(_ length: Int, to address: UnsafeMutableRawPointer) -> Int {
        guard length > mostShort else {
            unsafe address.storeBytes(of: UInt8(truncatingIfNeeded: length), as: UInt8.self)
            return 1
        }
        guard length > mostPaired else {
            let above = length &- leastPaired
            unsafe address.storeBytes(of: UInt8(truncatingIfNeeded: leastPaired &+ above &>> 8), as: UInt8.self)
            unsafe address.storeBytes(of: UInt8(truncatingIfNeeded: above), toByteOffset: 1, as: UInt8.self)
            return 2
        }
        guard length > mostTwoBytes else {
            unsafe address.storeBytes(of: 254, as: UInt8.self)
            unsafe address.storeBytes(of: UInt16(truncatingIfNeeded: length), toByteOffset: 1, as: UInt16.self)
            return 3
        }
        unsafe address.storeBytes(of: 255, as: UInt8.self)
        guard length > mostMedium else {
            unsafe address.storeBytes(of: UInt32(truncatingIfNeeded: length), toByteOffset: 1, as: UInt32.self)
            return 5
        }
        unsafe address.storeBytes(of: UInt32.max, toByteOffset: 1, as: UInt32.self)
        unsafe address.storeBytes(of: length, toByteOffset: 5, as: Int.self)
        return 13
    }
}
