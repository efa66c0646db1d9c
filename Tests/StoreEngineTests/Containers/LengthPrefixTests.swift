// Lengths in front of runs of bytes: of every size that their form can have, those above 32 bits included.

import Testing

@testable import StoreEngine

struct LengthPrefixTests {
    @Test(arguments: [
        0, 1, 239, 240, 241, 253, 254, 255, 256, 495, 496, 497, 3822, 3823, 3824, 3825, 65_535, 65_536,
        Int(UInt32.max) - 1, Int(UInt32.max), Int(UInt32.max) + 1, 1 << 40,
        Int.max,
    ]) func aLengthIsReadAsItWasWritten(length: Int) {
        unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { memory in
            for offset in 0..<8 {
                for index in 0..<32 { unsafe memory[index] = 0xEE }
                let place = unsafe memory.baseAddress! + offset
                let size = unsafe LengthPrefix.write(length, to: place)
                #expect(size == LengthPrefix.size(length))
                let found = unsafe LengthPrefix.read(place)
                #expect(found.length == length && found.size == size)
                #expect(unsafe memory[offset + size] == 0xEE)
            }
        }
    }

    @Test func everyLengthOfTwoBytesIsRead() {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { memory in
            let place = unsafe memory.baseAddress!
            let areRead = (0..<70_000).allSatisfy { length in
                let size = unsafe LengthPrefix.write(length, to: place)
                let read = unsafe LengthPrefix.read(place)
                return read.length == length && read.size == size
            }
            #expect(areRead)
        }
    }

    @Test func shorterLengthsTakeFewerBytes() {
        let lengths = [0, 239, 240, 3823, 3824, 65_535, 65_536, Int(UInt32.max) - 1, Int(UInt32.max)]
        #expect(lengths.map { LengthPrefix.size($0) } == [1, 1, 2, 2, 3, 3, 5, 5, 13])
    }
}
